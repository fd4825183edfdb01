/* The threads that are inside applications, and which of them compute.
 *
 * Asked when a call has lasted: was that its handler, or has somebody else had the GIL meanwhile?  That is
 * rare, so the threads' own clocks are read only then, and when one goes inside: a system call each.
 *
 * Used with the GIL held.
 */
#ifndef SKITAI_WORKERS_H
#define SKITAI_WORKERS_H

#include <pthread.h>

#include "clock.h"

/* Who had the processor for less than that, of all its time inside, or less than half of a tick altogether,
 * has kept nobody from the GIL for long.  Of several that compute side by side each has its share only. */
#define SK_COMPUTES 0.1
#define SK_COMPUTES_MIN 0.0005 /* seconds */

typedef struct sk_worker {
    struct sk_worker *next;
    unsigned long thread; /* as threading.get_ident() */
    clockid_t clock;      /* of the time that it has had the processor */
    int inside;
    double since;         /* when it went inside, and its own clock then */
    double burnt;
} sk_worker;

typedef struct {
    sk_worker *first;
    int busy; /* that are inside, the leader not counted */
} sk_workers;

static inline double sk_burnt(const sk_worker *worker) {
#ifdef __APPLE__
    return sk_monotonic(); /* no clock of another thread: who is inside computes */
#else
    return sk_seconds_of(worker->clock);
#endif
}

/* The calling thread is one of them from here on. */
static inline void sk_worker_joins(sk_workers *workers, sk_worker *worker, unsigned long thread) {
#ifndef __APPLE__
    pthread_getcpuclockid(pthread_self(), &worker->clock);
#endif
    worker->thread = thread;
    worker->inside = 0;
    worker->next = workers->first;
    workers->first = worker;
}

/* Before its thread ends. */
static inline void sk_worker_parts(sk_workers *workers, sk_worker *worker) {
    sk_worker **link = &workers->first;
    while (*link != worker)
        link = &(*link)->next;
    *link = worker->next;
}

static inline void sk_worker_enters(sk_workers *workers, sk_worker *worker) {
    worker->inside = 1;
    worker->since = sk_monotonic();
    worker->burnt = sk_burnt(worker);
    workers->busy++;
}

static inline void sk_worker_leaves(sk_workers *workers, sk_worker *worker) {
    worker->inside = 0;
    workers->busy--;
}

/* Does somebody compute, other than this thread? */
static inline int sk_others_compute(const sk_workers *workers, unsigned long thread) {
    double now = sk_monotonic();
    for (const sk_worker *worker = workers->first; worker != NULL; worker = worker->next) {
        if (worker->inside && worker->thread != thread) {
            double burnt = sk_burnt(worker) - worker->burnt;
            if (burnt >= SK_COMPUTES_MIN && burnt >= SK_COMPUTES * (now - worker->since))
                return 1;
        }
    }
    return 0;
}

#endif
