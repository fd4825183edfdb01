# The clocks of time.monotonic() and time.time() for C code: see clock.h.

cdef extern from "clock.h" nogil:
    double monotonic "sk_monotonic"()
    double wall_clock "sk_wall_clock"()
