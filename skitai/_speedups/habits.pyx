"""Which routes last: habits.h, with the names that are told of them (lasting.py).

A call of the leader that lasts, or any of a route of which something bad is known, is learnt by how long it
took; one that runs as a job of its own by its `Meter`, which also sees how much of that it computed.

Under the GIL: `Meter` in the thread of the call, the rest in the leader.
"""

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free

from time import process_time, thread_time

from skitai._speedups.lasting import Lasting

from skitai._speedups.clock cimport monotonic

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32


@cython.final
cdef class Habits:
    def __cinit__(self, told):
        self.known = <sk_habits *>PyMem_Calloc(1, sizeof(sk_habits))
        if self.known == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.known)

    def __init__(self, told):
        """``told``: `Service.learned`."""
        self.lasting = Lasting(told)

    cdef sk_habit *of_request(self, const unsigned char *data, Head *head, Route route) noexcept:
        """What is known of the request's route; NULL where nothing is learnt."""
        if self.lead == NULL or self.lead.threads == 0 or route.seed == 0:
            return NULL
        return sk_habit_of(
            self.known,
            sk_route_of(route.seed ^ head.method_hash, data + head.path.start, head.path.length),
        )

    cdef sk_habit *of_route(self, uint32_t route) noexcept:
        """As above, for one that is known by its number; NULL if another one has its place."""
        return sk_habit_of(self.known, route)

    cdef int learn(
        self, sk_habit *habit, Route route, str method, str target, double elapsed, double now,
        bint contended
    ) except -1:
        """A call in the leader took ``elapsed`` seconds, or lasts and took so many until now; for calls
        that last, and for routes of which something bad is known.  ``contended``: there is somebody who
        perhaps had the GIL meanwhile."""
        cdef bint was_slow = habit.strikes >= SK_SLOW
        if route.parks or contended:
            sk_learn_piece(habit, elapsed, now)
        else:
            sk_learn(habit, elapsed, now)
        if was_slow or elapsed >= SK_LASTS:
            self.lasting.lasted(
                habit - self.known.table,
                habit.route,
                _kind_of(habit),
                elapsed,
                method,
                route.host.decode("latin-1"),
                target,
            )
        return 0

    def learned(self):
        """A `Habit` for each route that lasts, or did so lately."""
        return self.lasting.habits(self._strikes)

    def _strikes(self, int place, uint32_t route):
        cdef sk_habit *habit = &self.known.table[place]
        return habit.strikes if habit.route == route else 0


@cython.final
cdef class Meter:
    @property
    def burns(self):
        """Whether its route is taken to compute by now."""
        cdef sk_habit *habit = self.habits.of_route(self.route)
        return habit != NULL and habit.strikes >= SK_SLOW and habit.burns

    def begin(self):
        """The calling thread begins the call."""
        self.began_at, self.burnt_before, self.spent_before = monotonic(), thread_time(), process_time()

    def end(self):
        """The same thread: it has ended, or is parked."""
        cdef sk_habit *habit = self.habits.of_route(self.route)
        cdef double elapsed = monotonic() - self.began_at
        cdef double burnt = thread_time() - self.burnt_before
        if habit != NULL:
            sk_measured(habit, elapsed, burnt, process_time() - self.spent_before)
            self.habits.lasting.measured(
                habit - self.habits.known.table, habit.route, _kind_of(habit), elapsed, burnt
            )


cdef str _kind_of(const sk_habit *habit):
    """As in `Habit`."""
    if habit.strikes < SK_SLOW:
        return "fast"
    if not habit.measured:
        return "lasts"
    return "burns" if habit.burns else "waits"
