/* The lead of lead.h under stress: threads that lead, are late, take over, work and rest at random.
 *
 *     cc -O1 -g -fsanitize=thread -I skitai/_speedups tests/c/lead_stress.c -pthread && ./a.out SECONDS
 *
 * A mutex plays the GIL: it is held wherever Skitai holds it, and let go of inside "applications",
 * which sleep, compute or return at once, or hold it for longer than the monitor waits.  What is checked:
 *
 *   one leader     the field that names the leader is changed only by who may change it; a leader whose
 *                  call returns and who still leads finds the word odd, as it left it
 *   nobody lost    every request that was begun is ended once, by the thread that began it
 *   one acts      what the monitor does in the leader's place, it does never beside it
 *   no lost wake   every job is done: at the end the queue is empty although threads rest in between; so is
 *                  work that only threads may do which hold nothing (`free`), and work for one certain thread
 *
 * Prints one line of figures; exit code 1 and a line of what was broken otherwise.
 */
#include "lead.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    THREADS = 8,
    LEFT_MAX = 200, /* at the end */
    CALM = 400, /* times in a row that the leader calls nobody, for some 80 ms */
    IDLE_MAX = 50 /* tenths of a second: on a busy machine nobody may run for a while */
};

static sk_lead lead;
static pthread_mutex_t gil = PTHREAD_MUTEX_INITIALIZER;

/* With the GIL held: */
static int leader = -1;
static int stopping, jobs_waiting, free_waiting;
static int own_waiting[THREADS]; /* as stacks that are ready, which only their own thread can go on with */
static sk_rester resters[THREADS];
static long begun, ended, reached, dozed, jobs_made, jobs_done, free_made, free_done, own_made, own_done, taken, woken_for_nothing;

/* Written by who leads and, while its call lasts, by the monitor in its place: never by both at once,
 * or ThreadSanitizer tells. */
static struct {
    long acts, turns;
} shared;

static void act(void *actor, const _Atomic uint64_t *word, uint64_t now) {
    if (actor != &shared)
        abort();
    shared.acts++;
    for (int step = 0; step < 10 && atomic_load(word) == now; step++)
        usleep(50);
    shared.turns++;
}

static void broken(const char *what) {
    printf("broken: %s\n", what);
    exit(1);
}

static unsigned draw(unsigned *seed) {
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 8;
}

static void application(unsigned *seed) {
    unsigned kind = draw(seed) % 100;
    if (kind < 90)
        return;
    if (kind == 90) { /* C code that does not let go of it: who reaches for it waits */
        usleep(draw(seed) % 4000);
        return;
    }
    pthread_mutex_unlock(&gil);
    if (kind < 96)
        usleep(draw(seed) % 4000);
    else
        for (volatile int step = 0; step < 2000000; step++)
            continue;
    pthread_mutex_lock(&gil);
}

/* The leader's loop, with the GIL held, until another thread leads. */
static void lead_on(int self, unsigned *seed) {
    int calm = 0;
    while (!stopping && leader == self) {
        uint64_t before;
        pthread_mutex_unlock(&gil); /* as around epoll_wait */
        if (draw(seed) % 50 == 0)
            usleep(draw(seed) % 300);
        shared.turns++; /* what is done without the GIL is the leader's too, until it reaches for it */
        sk_reach_begins(&lead);
        pthread_mutex_lock(&gil);
        sk_reach_ends(&lead);
        shared.turns++;
        reached++;
        if (leader != self)
            broken("the lead was taken outside a call");
        if (calm || draw(seed) % 5000 == 0) {
            calm = (calm + 1) % CALM;
            dozed += atomic_load(&lead.asleep) == SK_DOZES;
            pthread_mutex_unlock(&gil);
            usleep(200);
            pthread_mutex_lock(&gil);
            continue;
        }
        if (draw(seed) % 4 == 0) {
            jobs_made++;
            jobs_waiting++;
            sk_wake(&lead);
        }
        if (draw(seed) % 8 == 0) {
            free_made++;
            free_waiting++;
            sk_wake_free(&lead);
        }
        if (draw(seed) % 4 == 0) {
            int other = draw(seed) % THREADS;
            own_made++;
            own_waiting[other]++;
            if (other != self)
                sk_wake_one(&lead, &resters[other]);
        }
        own_done += own_waiting[self];
        own_waiting[self] = 0;
        begun++;
        sk_call_begins(&lead);
        before = atomic_load(&lead.word);
        if (!(before & 1))
            broken("the word is even inside a call");
        application(seed);
        ended++;
        if (leader != self)
            return; /* late */
        if (atomic_load(&lead.word) != before)
            broken("somebody else has written the word");
        sk_call_ends(&lead);
        shared.turns++;
    }
}

static void *run(void *argument) {
    int self = (int)(intptr_t)argument;
    unsigned seed = (unsigned)self * 7919u + (unsigned)time(NULL);
    sk_rester *rester = &resters[self];
    pthread_mutex_lock(&gil);
    if (self == 0) {
        leader = 0;
        lead_on(self, &seed);
    }
    while (!stopping) {
        if (sk_lead_is_late(&lead)) {
            if (leader == self)
                broken("the leader takes over from itself");
            sk_lead_taken(&lead);
            shared.turns++;
            leader = self;
            taken++;
            lead_on(self, &seed);
        } else if (own_waiting[self]) {
            own_waiting[self]--;
            application(&seed);
            own_done++;
        } else if (free_waiting && !rester->holds) {
            free_waiting--;
            application(&seed);
            free_done++;
        } else if (jobs_waiting) {
            jobs_waiting--;
            application(&seed);
            jobs_done++;
        } else {
            /* Half of them hold something now and then; who begins to hold hands its wake-up on. */
            rester->holds = self % 2 && draw(&seed) % 2;
            if (rester->holds && free_waiting)
                sk_wake_free(&lead);
            pthread_mutex_unlock(&gil);
            sk_rest(&lead, rester);
            pthread_mutex_lock(&gil);
            woken_for_nothing += !jobs_waiting && !own_waiting[self] && !sk_lead_is_late(&lead);
        }
    }
    pthread_mutex_unlock(&gil);
    return NULL;
}

int main(int count, char **arguments) {
    pthread_t threads[THREADS];
    int idle = 0, steps, extended = 0;
    sk_lead_open(&lead);
    lead.act = act;
    lead.actor = &shared;
    if (sk_lead_watch(&lead))
        broken("no monitor");
    for (int self = 0; self < THREADS; self++)
        sk_rester_open(&resters[self]);
    for (intptr_t self = 0; self < THREADS; self++)
        pthread_create(&threads[self], NULL, run, (void *)self);
    steps = (count > 1 ? atoi(arguments[1]) : 2) * 10;
    for (int step = 0; step < steps; step++) {
        long before;
        pthread_mutex_lock(&gil);
        /* A calm of some milliseconds, which a busy machine seldom grants: up to ten times as long. */
        if (step == steps - 1 && !dozed && extended++ < 9)
            steps += steps / extended;
        before = begun;
        pthread_mutex_unlock(&gil);
        usleep(100000);
        pthread_mutex_lock(&gil);
        idle = begun == before ? idle + 1 : 0;
        if (idle == IDLE_MAX)
            broken("nobody leads");
        pthread_mutex_unlock(&gil);
    }
    pthread_mutex_lock(&gil);
    stopping = 1;
    pthread_mutex_unlock(&gil);
    sk_lead_stop(&lead);
    for (int self = 0; self < THREADS; self++)
        pthread_join(threads[self], NULL);
    if (begun != ended)
        broken("a call has no end");
    if (jobs_made != jobs_done + jobs_waiting)
        broken("a job was lost or doubled");
    if (free_waiting > LEFT_MAX)
        broken("nobody was woken for what only some may do");
    for (int self = 0; self < THREADS; self++) {
        if (own_waiting[self] > LEFT_MAX)
            broken("a thread was not woken for its own work");
        own_done += own_waiting[self];
        sk_rester_close(&resters[self]);
    }
    if (own_made != own_done || free_made != free_done + free_waiting)
        broken("work for certain threads was lost or doubled");
    if (shared.turns != begun + 2 * reached + shared.acts)
        broken("the monitor has acted beside a leader");
    if (!shared.acts)
        broken("the monitor has never acted");
    if (!dozed)
        broken("the monitor has never dozed");
    if (!taken)
        broken("nobody was ever late: nothing was tested");
    printf(
        "%ld calls, taken over %ld times, %ld jobs (%d left), %ld wakings for nothing\n", begun, taken,
        jobs_made, jobs_waiting, woken_for_nothing);
    return 0;
}
