/* How long answers take: a histogram that forgets, and its quantiles.
 *
 * Each octave from 10 us to 168 s has SK_LATENCY_STEPS buckets of equal width, so a quantile is right to an
 * eighth of itself, in less than a kilobyte.  At SK_LATENCIES_MOST values all counts are halved: what was
 * long ago counts less and less.  Only exact operations of doubles, so that the pure build
 * (_pure/engine/latencies.py) gives the same numbers.
 */
#ifndef SKITAI_LATENCIES_H
#define SKITAI_LATENCIES_H

#include <math.h>
#include <stdint.h>

enum {
    SK_LATENCY_STEPS = 8,
    SK_LATENCY_BUCKETS = 24 * SK_LATENCY_STEPS,
    SK_LATENCIES_LEAST = 100, /* fewer say nothing about a tail */
    SK_LATENCIES_MOST = 2048
};

#define SK_LATENCY_SHORTEST 1e-5 /* seconds */

typedef struct {
    uint32_t counts[SK_LATENCY_BUCKETS];
    uint32_t total;
} sk_latencies;

static inline int sk_latency_bucket(double elapsed) {
    int octave, bucket;
    double fraction;
    if (!(elapsed > SK_LATENCY_SHORTEST))
        return 0;
    fraction = frexp(elapsed / SK_LATENCY_SHORTEST, &octave); /* from a half to 1; octave from 1 on */
    if (octave > SK_LATENCY_BUCKETS / SK_LATENCY_STEPS)
        return SK_LATENCY_BUCKETS - 1;
    bucket = (octave - 1) * SK_LATENCY_STEPS + (int)((fraction - 0.5) * 2 * SK_LATENCY_STEPS);
    return bucket;
}

static inline void sk_latencies_add(sk_latencies *latencies, double elapsed) {
    latencies->counts[sk_latency_bucket(elapsed)]++;
    if (++latencies->total < SK_LATENCIES_MOST)
        return;
    latencies->total = 0;
    for (int bucket = 0; bucket < SK_LATENCY_BUCKETS; bucket++)
        latencies->total += latencies->counts[bucket] /= 2;
}

/* What `fraction` of the answers did not take longer than; 0 while too few are known. */
static inline double sk_latencies_quantile(const sk_latencies *latencies, double fraction) {
    double wanted = fraction * latencies->total;
    uint32_t seen = 0;
    int bucket = 0;
    if (latencies->total < SK_LATENCIES_LEAST)
        return 0;
    while (seen += latencies->counts[bucket], seen < wanted && bucket < SK_LATENCY_BUCKETS - 1)
        bucket++;
    return ldexp(
        SK_LATENCY_SHORTEST * (SK_LATENCY_STEPS + bucket % SK_LATENCY_STEPS + 1) / SK_LATENCY_STEPS,
        bucket / SK_LATENCY_STEPS
    );
}

#endif
