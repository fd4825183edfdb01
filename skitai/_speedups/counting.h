/* What is counted, in memory that the processes of an instance share: as skitai/counters.py.
 *
 * Each place has one writer: who holds the GIL, or the monitor, which has columns of its own.  So these are plain
 * increments; whoever reads sees each word whole.
 */
#ifndef SKITAI_COUNTING_H
#define SKITAI_COUNTING_H

enum { SK_CLASSES = 6, SK_BOUNDS_MAX = 32 };

typedef struct {
    double bounds[SK_BOUNDS_MAX]; /* seconds */
    int count;
} sk_bounds;

/* `statuses`: the first column of them; `slot`: of a mount. */
static inline void sk_count_status(unsigned long long *statuses, int slot, int status) {
    const int class_ = status / 100;
    statuses[slot * SK_CLASSES + (class_ < SK_CLASSES ? class_ : SK_CLASSES - 1)]++;
}

/* `latency`: the first column of a histogram. */
static inline void sk_observe(unsigned long long *latency, const sk_bounds *bounds, double seconds) {
    int bucket = 0;
    while (bucket < bounds->count && bounds->bounds[bucket] < seconds)
        bucket++;
    latency[bucket]++;
    if (seconds > 0)
        latency[bounds->count + 1] += (unsigned long long)(seconds * 1e9);
}

#endif
