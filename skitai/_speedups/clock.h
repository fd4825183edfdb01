/* The clocks of time.monotonic() and time.time() for C code: times of both are compared. */
#ifndef SKITAI_CLOCK_H
#define SKITAI_CLOCK_H

#include <time.h>

#ifdef __APPLE__
#define SK_CLOCK CLOCK_UPTIME_RAW /* Python's; CLOCK_MONOTONIC goes on while the machine sleeps */
#else
#define SK_CLOCK CLOCK_MONOTONIC
#endif

static inline double sk_seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline double sk_monotonic(void) { return sk_seconds_of(SK_CLOCK); }
static inline double sk_wall_clock(void) { return sk_seconds_of(CLOCK_REALTIME); }

#endif
