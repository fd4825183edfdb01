/* Who leads: the word that tells whether the leader is inside a call, the threads that rest, and the
 * monitor that wakes one of them when a call lasts.  Plain C without Python, tested alone
 * (tests/c/lead_stress.c, also under ThreadSanitizer).
 *
 * One thread leads the loop.  Around each call of foreign code it says so:
 *
 *     sk_call_begins(lead);  ...the application...  sk_call_ends(lead);
 *
 * Both change the word for good, and in between it is odd: an odd word is one certain call that goes on.
 * The monitor looks at the word every SK_TICK; if it finds the same odd word twice, the call has lasted,
 * it notes the word in `late` and wakes one resting thread.  That thread, once it holds the GIL, asks
 * sk_lead_is_late; if the word is still the same, the leader is still inside, and the thread takes
 * the lead by sk_lead_taken, which makes the word even: the former leader, when its call returns,
 * finds out under the GIL (by the loop's own field) and must not touch the word again.
 *
 * Who writes what: `word` only the leader, or who takes the lead from it, holding the GIL: so those
 * two never write at once.  (sk_reach_begins is without the GIL, but nobody takes the lead of an even
 * word.)  `late` only the monitor.  The stack of resting threads everybody, under `lock`.  The monitor
 * reads the word without the GIL and at any time: what it sees may be old by the time that it acts, and
 * therefore it never decides anything; it only wakes.
 *
 * The leader is away in another way too: it waits for the GIL, which a thread may hold for seconds.  Around
 * that it says
 *
 *     sk_reach_begins(lead);  ...take the GIL...  sk_reach_ends(lead);
 *
 * and the word is odd with SK_REACHING in it: nobody can take the lead then, nobody is woken.
 *
 * While the leader is away, there are things to do that need no Python and cannot wait for it: `act`.
 * The monitor does them in the leader's place, at each tick.  Before, it sets `acting` and then looks at
 * the word once more; the leader, or who takes the lead from it, makes the word even and then looks at
 * `acting`.  Both are sequentially consistent, so either the monitor sees that the leader is back and does
 * nothing, or the other sees that the monitor acts, and waits for the end of it; `act` looks at the word
 * between its steps.
 *
 * An idle server has no ticks: after SK_IDLE_TICKS with the leader at home the monitor sleeps until
 * the leader goes away; after a sleep in which it only reached for the GIL, a glance is enough.  One that calls
 * nobody and gets the GIL at once, as while it serves nothing but files, has few: the monitor dozes, SK_DOZE_TICKS
 * long each time, until there is a call, or the leader is away when it looks (a tick takes 16 µs of processor: at
 * 160 files of 10 MiB a second that was a fifteenth of all).  The exchange of `asleep` and `word` there is the
 * classic one of two flags: each side writes its own before it reads the other's (both sequentially consistent), so
 * at least one of them sees the other.
 */
#ifndef SKITAI_LEAD_H
#define SKITAI_LEAD_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "workers.h"

enum {
    SK_TICK = 1000000 /* ns */,
    SK_TICKS_A_SECOND = 1000000000 / SK_TICK,
    SK_IDLE_TICKS = 50,
    SK_GLANCE_TICKS = 3, /* enough to see that the leader has got the GIL */
    SK_DOZE_TICKS = 5,
    SK_TOKENS_MAX = 64,
};

/* Bits of the word; the others count, and those from SK_CALLS_FROM on count calls alone. */
enum { SK_AWAY = 1, SK_REACHING = 2, SK_ONCE = 4, SK_CALLS_FROM = 40 };

/* How the monitor sleeps, and so what wakes it: a call; whatever the leader goes away for. */
enum { SK_AWAKE, SK_DOZES, SK_SLEEPS };

/* A thread of the crew, when it rests. */
typedef struct sk_rester {
    struct sk_rester *below; /* in the stack of those that rest */
    pthread_cond_t woken_up;
    int woken;
    int rests;
    int token; /* a wake-up for this one that found it awake */
    int holds; /* it has parked stacks, and does no work that lasts; its own to set, while it does not rest */
} sk_rester;

typedef struct {
    _Atomic uint64_t word;
    _Atomic uint64_t late;
    _Atomic int asleep; /* the monitor, and how */
    int glance;         /* it need not look for long */
    _Atomic int acting;
    pthread_mutex_t act_lock; /* held by the monitor while it acts */
    /* Until `*word` is not `now` any more.  NULL: there is never anything to do. */
    void (*act)(void *actor, const _Atomic uint64_t *word, uint64_t now);
    void *actor;              /* written by who leads, while the word is even */
    pthread_mutex_t lock;
    pthread_cond_t wake_monitor;
    pthread_t monitor;
    sk_rester *top;     /* who rested last is woken first: its memory is warm, and the others may end */
    int tokens;         /* wake-ups that found nobody resting: so many who would rest go on instead */
    int free_tokens;    /* the same, for those who hold nothing */
    int has_monitor;
    int stopping;
    /* With the GIL held: */
    int threads;        /* that may be inside calls that last; 0: nobody but the leader ever is */
    sk_workers workers; /* the others, and how many of them are so */
    int waiting;        /* jobs */
} sk_lead;

/* May the leader call an application itself?  Its calls come on top of `threads` that last (see crew.py).
 * With one thread nobody else may be inside, and those who wait come first. */
static inline int sk_may_call(const sk_lead *lead) {
    if (lead->threads == 1)
        return !lead->workers.busy && !lead->waiting;
    return lead->threads == 0 || lead->workers.busy <= lead->threads;
}

static inline void sk_goes_away(sk_lead *lead, uint64_t how) {
    const int reaches = (how & SK_REACHING) != 0;
    atomic_fetch_add(&lead->word, how);
    if (atomic_load(&lead->asleep) > (reaches ? SK_DOZES : SK_AWAKE)) {
        pthread_mutex_lock(&lead->lock);
        lead->glance = reaches;
        atomic_store(&lead->asleep, SK_AWAKE);
        pthread_cond_signal(&lead->wake_monitor);
        pthread_mutex_unlock(&lead->lock);
    }
}

static inline void sk_comes_back(sk_lead *lead, uint64_t how) {
    const uint64_t once = how & SK_REACHING ? SK_ONCE : UINT64_C(1) << SK_CALLS_FROM;
    atomic_fetch_add(&lead->word, once - how);
    if (atomic_load(&lead->acting)) {
        pthread_mutex_lock(&lead->act_lock);
        pthread_mutex_unlock(&lead->act_lock);
    }
}

static inline void sk_call_begins(sk_lead *lead) { sk_goes_away(lead, SK_AWAY); }
static inline void sk_call_ends(sk_lead *lead) { sk_comes_back(lead, SK_AWAY); }

/* The leader is going to wait for the GIL; it has it. */
static inline void sk_reach_begins(sk_lead *lead) { sk_goes_away(lead, SK_AWAY | SK_REACHING); }
static inline void sk_reach_ends(sk_lead *lead) { sk_comes_back(lead, SK_AWAY | SK_REACHING); }

/* The GIL is held: whoever asks is not the leader, and the leader does not reach for it for long. */
static inline int sk_lead_is_late(sk_lead *lead) {
    uint64_t word = atomic_load(&lead->word);
    return (word & SK_AWAY) && word == atomic_load(&lead->late);
}

static inline void sk_lead_taken(sk_lead *lead) { sk_call_ends(lead); }

static inline void sk_rester_open(sk_rester *rester) { pthread_cond_init(&rester->woken_up, NULL); }
static inline void sk_rester_close(sk_rester *rester) { pthread_cond_destroy(&rester->woken_up); }

/* Under the lock: the one at `link` rests no more. */
static inline void sk_wake_at(sk_rester **link) {
    sk_rester *rester = *link;
    *link = rester->below;
    rester->rests = 0;
    rester->woken = 1;
    pthread_cond_signal(&rester->woken_up);
}

/* Under the lock: where the topmost of those is who hold stacks, or hold none, from `link` on. */
static inline sk_rester **sk_topmost(sk_rester **link, int holds) {
    while (*link != NULL && (*link)->holds != holds)
        link = &(*link)->below;
    return link;
}

/* Under the lock.  Not one that holds stacks, which would wait for whatever lasts next; but the last one
 * that holds none is kept for the work that no other may do. */
static inline void sk_wake_locked(sk_lead *lead) {
    sk_rester **free = sk_topmost(&lead->top, 0);
    sk_rester **link = free;
    if (*free == NULL || *sk_topmost(&(*free)->below, 0) == NULL) {
        link = sk_topmost(&lead->top, 1);
        if (*link == NULL)
            link = free;
    }
    if (*link != NULL)
        sk_wake_at(link);
    else if (lead->tokens < SK_TOKENS_MAX)
        lead->tokens++;
}

/* Wake one resting thread; if there is none, the next one that would rest goes on instead. */
static inline void sk_wake(sk_lead *lead) {
    pthread_mutex_lock(&lead->lock);
    sk_wake_locked(lead);
    pthread_mutex_unlock(&lead->lock);
}

/* The same for one that holds no stacks. */
static inline void sk_wake_free(sk_lead *lead) {
    sk_rester **link;
    pthread_mutex_lock(&lead->lock);
    link = sk_topmost(&lead->top, 0);
    if (*link != NULL)
        sk_wake_at(link);
    else if (lead->free_tokens < SK_TOKENS_MAX)
        lead->free_tokens++;
    pthread_mutex_unlock(&lead->lock);
}

/* The same for a certain one: nobody else can go on with its stacks. */
static inline void sk_wake_one(sk_lead *lead, sk_rester *rester) {
    sk_rester **link = &lead->top;
    pthread_mutex_lock(&lead->lock);
    if (rester->rests) {
        while (*link != rester)
            link = &(*link)->below;
        sk_wake_at(link);
    } else {
        rester->token = 1;
    }
    pthread_mutex_unlock(&lead->lock);
}

/* Rest until woken.  Without the GIL. */
static inline void sk_rest(sk_lead *lead, sk_rester *rester) {
    int *tokens = NULL;
    pthread_mutex_lock(&lead->lock);
    if (rester->token)
        tokens = &rester->token;
    else if (lead->free_tokens && !rester->holds)
        tokens = &lead->free_tokens;
    else if (lead->tokens)
        tokens = &lead->tokens;
    if (tokens != NULL) {
        --*tokens;
    } else if (!lead->stopping) {
        rester->woken = 0;
        rester->rests = 1;
        rester->below = lead->top;
        lead->top = rester;
        while (!rester->woken)
            pthread_cond_wait(&rester->woken_up, &lead->lock);
    }
    pthread_mutex_unlock(&lead->lock);
}

/* Under the lock: until the monitor is woken, or so many ticks are over. */
static inline void sk_wait_monitor(sk_lead *lead, int ticks) {
    struct timespec until = {0, 0};
#ifndef __APPLE__ /* which has no condition over a clock that nobody can set, but counts from now on */
    clock_gettime(CLOCK_MONOTONIC, &until);
#endif
    until.tv_sec += ticks / SK_TICKS_A_SECOND;
    until.tv_nsec += ticks % SK_TICKS_A_SECOND * (long)SK_TICK;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
#ifdef __APPLE__
    pthread_cond_timedwait_relative_np(&lead->wake_monitor, &lead->lock, &until);
#else
    pthread_cond_timedwait(&lead->wake_monitor, &lead->lock, &until);
#endif
}

/* The monitor, in the leader's place as long as the call lasts that has made the word `word`. */
static inline void sk_act_for(sk_lead *lead, uint64_t word) {
    pthread_mutex_lock(&lead->act_lock);
    atomic_store(&lead->acting, 1);
    if (atomic_load(&lead->word) == word)
        lead->act(lead->actor, &lead->word, word);
    atomic_store(&lead->acting, 0);
    pthread_mutex_unlock(&lead->act_lock);
}

/* Whether the leader is in a call, or has been since the word was `before`. */
static inline int sk_has_called(uint64_t before, uint64_t word) {
    return (word & (SK_AWAY | SK_REACHING)) == SK_AWAY || (before ^ word) >> SK_CALLS_FROM;
}

/* Under the lock: look no more for so many ticks, or until the leader calls somebody; not at all if it has done so
 * since the word was `word`. */
static inline void sk_doze(sk_lead *lead, uint64_t word, int ticks) {
    atomic_store(&lead->asleep, SK_DOZES);
    if (!sk_has_called(word, atomic_load(&lead->word)) && !lead->stopping)
        sk_wait_monitor(lead, ticks);
    atomic_store(&lead->asleep, SK_AWAKE);
}

static void *sk_monitor(void *argument) {
    sk_lead *lead = argument;
    const struct timespec tick = {0, SK_TICK};
    uint64_t seen = 0;
    int step = 1; /* ticks since it has looked, or more */
    int idle = 0; /* in ticks: nothing has happened at all */
    int calm = 0; /* the same: no call, and not away when it looked */
    for (;;) {
        uint64_t word;
        int lasts;
        if (step == 1)
            nanosleep(&tick, NULL);
        word = atomic_load(&lead->word);
        lasts = word == seen && (word & SK_AWAY);
        if (lasts && lead->act != NULL)
            sk_act_for(lead, word);
        pthread_mutex_lock(&lead->lock);
        if (lead->stopping) {
            pthread_mutex_unlock(&lead->lock);
            return NULL;
        }
        if (lasts && !(word & SK_REACHING) && atomic_load(&lead->late) != word) {
            atomic_store(&lead->late, word);
            sk_wake_locked(lead);
        }
        /* As long as somebody is away there may be something to do in its place. */
        idle = word == seen && !lasts ? idle + step : 0;
        calm = word & SK_AWAY || sk_has_called(seen, word) ? 0 : calm + step;
        step = 1;
        if (idle >= SK_IDLE_TICKS) {
            atomic_store(&lead->asleep, SK_SLEEPS);
            while (atomic_load(&lead->asleep) && atomic_load(&lead->word) == word && !lead->stopping)
                pthread_cond_wait(&lead->wake_monitor, &lead->lock);
            atomic_store(&lead->asleep, SK_AWAKE);
            idle = calm = lead->glance ? SK_IDLE_TICKS - SK_GLANCE_TICKS : 0;
            lead->glance = 0;
        } else if (calm >= SK_IDLE_TICKS) {
            sk_doze(lead, word, SK_DOZE_TICKS);
            step = SK_DOZE_TICKS;
        }
        pthread_mutex_unlock(&lead->lock);
        seen = word;
    }
}

static inline void sk_lead_open(sk_lead *lead) {
    pthread_condattr_t how;
    pthread_condattr_init(&how);
#ifndef __APPLE__
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
#endif
    atomic_store(&lead->word, 0);
    atomic_store(&lead->late, 0);
    atomic_store(&lead->asleep, SK_AWAKE);
    atomic_store(&lead->acting, 0);
    lead->act = NULL;
    lead->actor = NULL;
    lead->top = NULL;
    lead->glance = lead->tokens = lead->free_tokens = lead->has_monitor = lead->stopping = 0;
    pthread_mutex_init(&lead->lock, NULL);
    pthread_mutex_init(&lead->act_lock, NULL);
    pthread_cond_init(&lead->wake_monitor, &how);
    pthread_condattr_destroy(&how);
}

/* From here on calls that last are noticed.  0, or the error of pthread_create. */
static inline int sk_lead_watch(sk_lead *lead) {
    int error = pthread_create(&lead->monitor, NULL, sk_monitor, lead);
    lead->has_monitor = !error;
    return error;
}

/* Wake all and end the monitor.  Nobody rests from here on. */
static inline void sk_lead_stop(sk_lead *lead) {
    pthread_mutex_lock(&lead->lock);
    lead->stopping = 1;
    while (lead->top)
        sk_wake_locked(lead);
    pthread_cond_signal(&lead->wake_monitor);
    pthread_mutex_unlock(&lead->lock);
    if (lead->has_monitor)
        pthread_join(lead->monitor, NULL);
    lead->has_monitor = 0;
}

#endif
