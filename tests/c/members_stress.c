/* The members of members.h under stress: threads that choose, begin, end and spend budgets, while one adds and
 * removes members and another one looks at all of them.
 *
 *     cc -O1 -g -fsanitize=thread -I skitai/_speedups tests/c/members_stress.c -pthread -lm && ./a.out SECONDS
 *
 * What is checked, beside what ThreadSanitizer sees:
 *
 *   nobody lost    at the end nothing is in flight
 *   in bounds      never more members ejected than may be at once; members stand by rising id
 *   budgets        no more was repeated than the requests and the time have paid for
 *
 * Prints one line of figures; exit code 1 and a line of what was broken otherwise.
 */
#include "members.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { THREADS = 4, STAY = 6, MOST = 90 };

static sk_members *all;
static _Atomic int stopping;
static _Atomic long requests, retries, hedges, none;

static double monotonic(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static unsigned draw(unsigned *seed) {
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 8;
}

/* Of every third member all answers are failures. */
static sk_ending ending(int64_t id, unsigned *seed) {
    if (id % 3 == 0)
        return draw(seed) % 2 ? SK_ENDED_FAILED : SK_ENDED_GATEWAY;
    return draw(seed) % 50 ? SK_ENDED_OK : SK_ENDED_TIMEOUT + (sk_ending)(draw(seed) % 2);
}

static void *ask(void *argument) {
    unsigned seed = (unsigned)(intptr_t)argument * 7919u;
    while (!stopping) {
        int64_t tried[3];
        double began = monotonic();
        int count = 0;
        requests++;
        for (;;) {
            int64_t id = sk_members_choose(all, tried, count, monotonic());
            sk_ending how;
            if (id < 0) {
                none++;
                break;
            }
            sk_members_begin(all, id, monotonic());
            if (draw(&seed) % 20 == 0)
                usleep(draw(&seed) % 200);
            how = ending(id, &seed);
            sk_members_end(all, id, monotonic() - began, how, monotonic());
            if (how == SK_ENDED_OK || how == SK_ENDED_CANCELLED || count == 3)
                break;
            tried[count++] = id;
            if (!sk_members_may_retry(all, monotonic()))
                break;
            retries++;
        }
        if (sk_members_quantile(all, 0.95) < 0)
            CHECK(!"a quantile below nothing");
        if (sk_members_may_hedge(all, monotonic()))
            hedges++;
    }
    return NULL;
}

static void *change(void *argument) {
    unsigned seed = 17;
    (void)argument;
    while (!stopping) {
        int64_t first = -1;
        for (int more = (int)(draw(&seed) % MOST); more; more--) {
            int64_t id = sk_members_add(all, 1 + (int)(draw(&seed) % 5), 0, monotonic());
            CHECK(id >= 0);
            first = first < 0 ? id : first;
        }
        usleep(draw(&seed) % 2000);
        sk_members_judge(all, 1, (int)(draw(&seed) % 2), monotonic());
        sk_members_rank(all, 2, 1 + (int)(draw(&seed) % 9), 0);
        for (int64_t id = first; first >= 0 && id < first + MOST; id++)
            sk_members_remove(all, id);
    }
    return NULL;
}

static int in_flight(int *ejected) {
    double now = monotonic();
    int sum = 0;
    sk_members_lock(all);
    *ejected = 0;
    for (int place = 0; place < all->count; place++) {
        CHECK(place == 0 || all->members[place - 1].id < all->members[place].id);
        CHECK(all->members[place].in_flight >= 0);
        sum += all->members[place].in_flight;
        *ejected += all->members[place].ejected_until > now;
    }
    sk_members_unlock(all);
    return sum;
}

int main(int count, char **arguments) {
    const sk_member_policy policy = {
        .decay_time = 0.05, .default_rtt = 0.001, .cost_tolerance = 25, .slow_start_window = 0.01,
        .slow_start_min_weight_percent = 10, .consecutive_gateway_failure = 5, .base_ejection_time = 0.01,
        .max_ejection_time = 0.1, .max_ejection_percent = 50, .retry_budget_percent = 10,
        .retry_budget_per_second = 3, .hedge_budget_percent = 5, .budget_window = 10
    };
    double seconds = count > 1 ? atof(arguments[1]) : 1, began = monotonic();
    pthread_t askers[THREADS], changer;
    int ejected, most = 0;
    all = sk_members_open(&policy, 42);
    CHECK(all != NULL);
    for (int member = 0; member < STAY; member++)
        CHECK(sk_members_add(all, 1, 0, monotonic()) == member);
    for (int thread = 0; thread < THREADS; thread++)
        pthread_create(&askers[thread], NULL, ask, (void *)(intptr_t)(thread + 1));
    pthread_create(&changer, NULL, change, NULL);
    while (monotonic() < began + seconds) {
        in_flight(&ejected);
        most = ejected > most ? ejected : most;
        usleep(500);
    }
    stopping = 1;
    for (int thread = 0; thread < THREADS; thread++)
        pthread_join(askers[thread], NULL);
    pthread_join(changer, NULL);
    CHECK(in_flight(&ejected) == 0);
    CHECK(most > 0);
    CHECK((double)retries <= 0.1 * (double)requests + 3 * (monotonic() - began) + 31);
    CHECK((double)hedges <= 0.05 * (double)requests + 1);
    printf(
        "%ld requests, %ld repeated, %ld hedged, %ld without a member, at most %d ejected\n", requests, retries,
        hedges, none, most
    );
    sk_members_close(all);
    return 0;
}
