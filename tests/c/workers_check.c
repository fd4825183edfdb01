/* workers.h: who computes is told from who waits, by the clocks of real threads. */
#include "workers.h"

#include <semaphore.h>
#include <time.h>

#include "check.h"

static sk_workers workers;
static sem_t settled;
static _Atomic int stopping;

static void *computes(void *argument) {
    sk_worker *worker = argument;
    sk_worker_joins(&workers, worker, 1);
    sk_worker_enters(&workers, worker);
    sem_post(&settled);
    while (!stopping)
        continue;
    return NULL;
}

static void *waits(void *argument) {
    const struct timespec moment = {0, 1000000};
    sk_worker *worker = argument;
    sk_worker_joins(&workers, worker, 2);
    sk_worker_enters(&workers, worker);
    sem_post(&settled);
    while (!stopping)
        nanosleep(&moment, NULL);
    return NULL;
}

static void pass(double seconds) {
    double until = sk_monotonic() + seconds;
    const struct timespec moment = {0, 1000000};
    while (sk_monotonic() < until)
        nanosleep(&moment, NULL);
}

int main(void) {
    pthread_t threads[2];
    sk_worker one, other;
    sem_init(&settled, 0, 0);

    /* One after the other: the list is a matter of the GIL, which is not here. */
    pthread_create(&threads[0], NULL, waits, &other);
    sem_wait(&settled);
    pass(0.05);
    CHECK(workers.busy == 1);
    CHECK(!sk_others_compute(&workers, 3));

    pthread_create(&threads[1], NULL, computes, &one);
    sem_wait(&settled);
    pass(0.05);
    CHECK(workers.busy == 2);
    CHECK(sk_others_compute(&workers, 3));
    CHECK(sk_others_compute(&workers, 2));
    CHECK(!sk_others_compute(&workers, 1)); /* who asks is not one of the others */

    sk_worker_leaves(&workers, &one);
    CHECK(workers.busy == 1);
    CHECK(!sk_others_compute(&workers, 3)); /* what it does outside is nobody's concern */
    sk_worker_enters(&workers, &one);
    CHECK(!sk_others_compute(&workers, 3)); /* nor what it has done before */
    pass(0.05);
    CHECK(sk_others_compute(&workers, 3));

    stopping = 1;
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    sk_worker_parts(&workers, &other);
    CHECK(workers.first == &one && one.next == NULL);
    sk_worker_parts(&workers, &one);
    CHECK(workers.first == NULL);
    return 0;
}
