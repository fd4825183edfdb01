/* Who is woken of those that rest (lead.h): a certain one, one that holds no stacks, any. */
#include "check.h"
#include "lead.h"

#include <unistd.h>

enum { FIRST, HOLDER, LAST, THREADS };

static sk_lead lead;
static sk_rester resters[THREADS];
static _Atomic int woken[THREADS], may_rest[THREADS];

static void *run(void *argument) {
    int self = (int)(intptr_t)argument;
    for (;;) {
        while (!may_rest[self])
            usleep(100);
        may_rest[self] = 0;
        sk_rest(&lead, &resters[self]);
        if (lead.stopping)
            return NULL;
        woken[self]++;
    }
}

static int rests(int self) {
    int yes;
    pthread_mutex_lock(&lead.lock);
    yes = resters[self].rests;
    pthread_mutex_unlock(&lead.lock);
    return yes;
}

static void let_rest(int self) {
    may_rest[self] = 1;
    for (int step = 0; step < 20000 && !rests(self); step++)
        usleep(100);
    CHECK(rests(self));
}

/* That one and no other has been woken since. */
static void was_woken(int self) {
    for (int step = 0; step < 20000 && !woken[self]; step++)
        usleep(100);
    usleep(2000);
    for (int other = 0; other < THREADS; other++)
        CHECK(woken[other] == (other == self));
    woken[self] = 0;
}

int main(void) {
    pthread_t threads[THREADS];
    sk_lead_open(&lead);
    for (intptr_t self = 0; self < THREADS; self++) {
        sk_rester_open(&resters[self]);
        resters[self].holds = self == HOLDER;
        pthread_create(&threads[self], NULL, run, (void *)self);
        let_rest((int)self);
    }
    /* A certain one, from the midst of the stack; and one that is awake comes back at once. */
    sk_wake_one(&lead, &resters[HOLDER]);
    was_woken(HOLDER);
    sk_wake_one(&lead, &resters[HOLDER]);
    may_rest[HOLDER] = 1;
    was_woken(HOLDER);
    let_rest(HOLDER);
    /* Any: who holds nothing first, but the last of these is kept for what only they may do. */
    sk_wake(&lead);
    was_woken(LAST);
    sk_wake(&lead);
    was_woken(HOLDER);
    let_rest(HOLDER);
    sk_wake_free(&lead);
    was_woken(FIRST);
    /* Nobody is left who may: the next one that holds nothing goes on instead. */
    sk_wake_free(&lead);
    sk_wake(&lead);
    was_woken(HOLDER);
    let_rest(HOLDER);
    may_rest[FIRST] = 1;
    was_woken(FIRST);
    let_rest(FIRST);
    let_rest(LAST);
    sk_lead_stop(&lead);
    for (int self = 0; self < THREADS; self++) {
        pthread_join(threads[self], NULL);
        sk_rester_close(&resters[self]);
    }
    return 0;
}
