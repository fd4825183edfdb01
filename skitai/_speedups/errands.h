/* A thread that finds files for the monitor (finding.h): a disk that is slow, or a share that hangs, holds up nobody
 * else.
 *
 * The monitor (relief.h) asks for a file in a slot, and looks at a later tick what came of it.  Each slot:
 *
 *     SK_FREE ──begins──▶ SK_WANTED ──▶ SK_OPENING ──▶ SK_FOUND or SK_MISSED ──ends──▶ SK_FREE
 *
 * From sk_errand_begins until it is found or missed it is the thread's, else the monitor's, or the leader's in whose
 * place that acts.  The thread touches nothing but the slots, and no Python.  It is not waited for, because it may hang:
 * who is the last to leave, the thread or the relief, frees what both have.
 *
 * Plain C without Python, tested alone and under ThreadSanitizer (tests/c/relief_stress.c).
 */
#ifndef SKITAI_ERRANDS_H
#define SKITAI_ERRANDS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "finding.h"

enum { SK_ERRANDS = 32 /* files that are asked for at once; the others wait for the leader */ };

typedef enum { SK_FREE, SK_WANTED, SK_OPENING, SK_FOUND, SK_MISSED } sk_errand_state;

typedef struct {
    sk_errand_state state;
    uint64_t turn;              /* first come, first served */
    sk_finding finding;
} sk_errand;

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    int users;                  /* the thread, and who asks */
    int closed;
    uint64_t turns;
    _Atomic int ended;          /* slots that are SK_FOUND or SK_MISSED */
    sk_coder code;              /* NULL: nothing is coded */
    sk_errand slots[SK_ERRANDS];
} sk_errands;

/* Under the lock, which is open afterwards. */
static inline void sk_errands_leave(sk_errands *errands) {
    const int last = --errands->users == 0;
    pthread_mutex_unlock(&errands->lock);
    if (!last)
        return;
    for (int place = 0; place < SK_ERRANDS; place++)
        if (errands->slots[place].state == SK_FOUND)
            sk_finding_clear(&errands->slots[place].finding);
    pthread_mutex_destroy(&errands->lock);
    pthread_cond_destroy(&errands->wanted);
    free(errands);
}

/* Under the lock. */
static inline sk_errand *sk_next_errand(sk_errands *errands) {
    sk_errand *next = NULL;
    for (int place = 0; place < SK_ERRANDS; place++) {
        sk_errand *errand = &errands->slots[place];
        if (errand->state == SK_WANTED && (next == NULL || errand->turn < next->turn))
            next = errand;
    }
    return next;
}

static void *sk_run_errands(void *argument) {
    sk_errands *errands = argument;
    char *scratch = malloc(SK_WARMED);
    pthread_mutex_lock(&errands->lock);
    while (!errands->closed) {
        sk_errand *errand = sk_next_errand(errands);
        int found;
        if (errand == NULL) {
            pthread_cond_wait(&errands->wanted, &errands->lock);
            continue;
        }
        errand->state = SK_OPENING;
        pthread_mutex_unlock(&errands->lock);
        found = scratch != NULL && sk_find(&errand->finding, errands->code, scratch);
        pthread_mutex_lock(&errands->lock);
        errand->state = found ? SK_FOUND : SK_MISSED;
        atomic_fetch_add(&errands->ended, 1);
    }
    free(scratch);
    sk_errands_leave(errands);
    return NULL;
}

/* With its thread; NULL: there is no memory, or no thread. */
static inline sk_errands *sk_errands_open(sk_coder code) {
    sk_errands *errands = calloc(1, sizeof *errands);
    pthread_t thread;
    if (errands == NULL)
        return NULL;
    pthread_mutex_init(&errands->lock, NULL);
    pthread_cond_init(&errands->wanted, NULL);
    errands->users = 2;
    errands->code = code;
    if (pthread_create(&thread, NULL, sk_run_errands, errands)) {
        errands->users = 1;
        pthread_mutex_lock(&errands->lock);
        sk_errands_leave(errands);
        return NULL;
    }
    pthread_detach(thread);
    return errands;
}

static inline void sk_errands_close(sk_errands *errands) {
    pthread_mutex_lock(&errands->lock);
    errands->closed = 1;
    pthread_cond_signal(&errands->wanted);
    sk_errands_leave(errands);
}

/* The slot, which was SK_FREE and is filled, is the thread's. */
static inline void sk_errand_begins(sk_errands *errands, int place) {
    pthread_mutex_lock(&errands->lock);
    errands->slots[place].turn = ++errands->turns;
    errands->slots[place].state = SK_WANTED;
    pthread_cond_signal(&errands->wanted);
    pthread_mutex_unlock(&errands->lock);
}

/* What came of it; if that is SK_FOUND or SK_MISSED, the slot is free, and what was found the caller's to clear. */
static inline sk_errand_state sk_errand_ends(sk_errands *errands, int place) {
    sk_errand *errand = &errands->slots[place];
    sk_errand_state state;
    pthread_mutex_lock(&errands->lock);
    state = errand->state;
    if (state == SK_FOUND || state == SK_MISSED) {
        errand->state = SK_FREE;
        atomic_fetch_sub(&errands->ended, 1);
    }
    pthread_mutex_unlock(&errands->lock);
    return state;
}

#endif
