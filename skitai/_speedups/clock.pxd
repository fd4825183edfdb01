# The clocks of time.monotonic() and time.time() for C code: times of both are compared.

cdef extern from *:
    """
    #include <time.h>
    #ifdef __APPLE__
    #define SK_CLOCK CLOCK_UPTIME_RAW /* Python's; CLOCK_MONOTONIC goes on while the machine sleeps */
    #else
    #define SK_CLOCK CLOCK_MONOTONIC
    #endif
    """

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec *now)
    const int SK_CLOCK
    const int CLOCK_REALTIME


cdef inline double monotonic() noexcept nogil:
    cdef timespec now
    clock_gettime(SK_CLOCK, &now)
    return now.tv_sec + now.tv_nsec * 1e-9


cdef inline double wall_clock() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_REALTIME, &now)
    return now.tv_sec + now.tv_nsec * 1e-9
