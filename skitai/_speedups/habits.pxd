# Which routes last, as C code sees it: see habits.h and habits.pyx.

from libc.stdint cimport uint32_t

from skitai._speedups.heads cimport Head
from skitai._speedups.lane_routes cimport Route
from skitai._speedups.loop cimport sk_lead, sk_workers

cdef extern from "workers.h" nogil:
    bint sk_others_compute(const sk_workers *workers, unsigned long thread)

cdef extern from "habits.h" nogil:
    ctypedef enum sk_kind:
        SK_FAST
        SK_WAITS
        SK_BURNS
    enum:
        SK_SLOW
    const double SK_LASTS
    const double SK_LONG
    ctypedef struct sk_habit:
        uint32_t route
        unsigned char strikes, burns, measured
    ctypedef struct sk_habits:
        sk_habit *table
    uint32_t sk_route_of(uint32_t seed, const unsigned char *path, uint32_t length)
    sk_habit *sk_habit_of(sk_habits *habits, uint32_t route)
    sk_kind sk_kind_now(const sk_habit *habit, double now, bint can_try)
    sk_kind sk_try_outside(sk_habit *habit, double now)
    void sk_learn(sk_habit *habit, double elapsed, double now)
    void sk_learn_piece(sk_habit *habit, double elapsed, double now)
    void sk_measured(sk_habit *habit, double elapsed, double burnt, double spent)


cdef class Habits:
    # The routes of one engine, as far as their calls have lasted.
    cdef sk_habits *known
    cdef sk_lead *lead           # NULL: nobody takes over from a call that lasts, and nothing is learnt
    cdef object lasting          # what is told of them

    cdef sk_habit *of_request(self, const unsigned char *data, Head *head, Route route) noexcept
    cdef sk_habit *of_route(self, uint32_t route) noexcept
    cdef int learn(
        self, sk_habit *habit, Route route, str method, str target, double elapsed, double now,
        bint contended
    ) except -1


cdef class Meter:
    # Of one call of a route that lasts: how long it takes, and whether it computes (habits.h).
    cdef Habits habits
    cdef uint32_t route
    cdef double began_at, burnt_before, spent_before
