/* What ends the doze of the monitor (lead.h): a call of the leader, whenever it comes, and nothing that the leader
 * only reaches for. */
#include "check.h"
#include "lead.h"

#include <unistd.h>

enum { LONG_TICKS = 60000, REACHES = 1000 };

static sk_lead lead;
static _Atomic int over;

/* In the monitor's place. */
static void *doze(void *argument) {
    const uint64_t *word = argument;
    pthread_mutex_lock(&lead.lock);
    sk_doze(&lead, *word, LONG_TICKS);
    pthread_mutex_unlock(&lead.lock);
    over = 1;
    return NULL;
}

static pthread_t begin_to_doze(uint64_t *word) {
    pthread_t thread;
    over = 0;
    *word = atomic_load(&lead.word);
    pthread_create(&thread, NULL, doze, word);
    while (atomic_load(&lead.asleep) != SK_DOZES)
        usleep(100);
    pthread_mutex_lock(&lead.lock); /* free again once it waits */
    pthread_mutex_unlock(&lead.lock);
    return thread;
}

static void reach(void) {
    for (int step = 0; step < REACHES; step++) {
        sk_reach_begins(&lead);
        sk_reach_ends(&lead);
    }
}

int main(void) {
    pthread_t thread;
    uint64_t word;
    sk_lead_open(&lead);

    thread = begin_to_doze(&word);
    reach();
    usleep(10000);
    CHECK(!over && atomic_load(&lead.asleep) == SK_DOZES);
    sk_call_begins(&lead);
    pthread_join(thread, NULL);
    CHECK(atomic_load(&lead.asleep) == SK_AWAKE);
    sk_call_ends(&lead);

    /* Who has called since the monitor looked, or is in a call, keeps it awake. */
    word = atomic_load(&lead.word);
    reach();
    CHECK(!sk_has_called(word, atomic_load(&lead.word)));
    sk_call_begins(&lead);
    CHECK(sk_has_called(atomic_load(&lead.word), atomic_load(&lead.word)));
    doze(&word);
    sk_call_ends(&lead);
    doze(&word);

    /* So does one that was taken the lead from, whose call has ended by that. */
    word = atomic_load(&lead.word);
    sk_call_begins(&lead);
    sk_lead_taken(&lead);
    CHECK(sk_has_called(word, atomic_load(&lead.word)));

    thread = begin_to_doze(&word);
    sk_lead_stop(&lead);
    pthread_join(thread, NULL);
    doze(&word);
    return 0;
}
