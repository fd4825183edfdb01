# The request side of the fast lane as C code sees it: see lanes.pyx.

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from skitai._speedups.fields cimport Field, HeadLimits
from skitai._speedups.heads cimport Head
from skitai._speedups.loop cimport BatchEnd, EventLoop, Watched, sk_lead, sk_worker, sk_workers
from skitai._speedups.parking cimport Clock, Hub
from skitai._speedups.shelf cimport Shelf, sk_parcel, sk_shelf

cdef extern from "lead.h" nogil:
    bint sk_may_call(const sk_lead *lead)

cdef extern from "workers.h" nogil:
    bint sk_others_compute(const sk_workers *workers, unsigned long thread)

cdef extern from "held.h" nogil:
    enum:
        SK_HELD_MAX
    ctypedef struct sk_answer:
        void *owner
        uint32_t size
        ssize_t sent
    ctypedef struct sk_held:
        sk_answer *answers
        const unsigned char *bytes
        uint32_t size
        int count
    void sk_hold(sk_held *held, void *owner, int fd, uint32_t size)
    void sk_send_held(sk_held *held)
    void sk_held_begin(sk_held *held)

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

cdef enum:
    SCRATCH = 65536   # what one recv takes, and with it the longest request of the lane
    OUT = 65536       # answers that are put together before they are sent

cdef enum FieldKind:
    # What a field of an application's answer is to us.
    PLAIN_FIELD = 1
    HOP_FIELD
    LENGTH_FIELD
    DATE_FIELD
    SERVER_FIELD


cdef enum:
    KNOWN_KINDS = 64  # a power of two

ctypedef struct KnownKind:
    PyObject *name
    int kind


cdef class Route:
    # A `Lane` for C: one host and one mount.
    cdef bytes host
    cdef bytes prefix
    cdef object application, variable, services, log, warn, failure
    cdef dict template
    cdef frozenset withheld
    cdef Py_ssize_t path_start
    cdef long long body_max
    cdef object file_wrapper
    # Of the last request, as they stand in the template.
    cdef str method, target
    cdef uint32_t seed           # tells mounts apart, for habits; 0: nothing is learnt
    cdef bint parks              # its handlers may be parked where they wait


cdef class StatusLine:
    # A status that an application has used, ready to be sent; `code` is 0 if it is not plain.
    cdef int code
    cdef bytes line
    cdef str reason


cdef class KnownName:
    # The name of a field as sent, and its environ key; `key` is None where it is withheld.
    cdef bytes name
    cdef frozenset withheld
    cdef str key
    cdef str value    # what it had last: of many fields clients send the same again and again


cdef class Workspace:
    # What a thread needs while it leads: the bytes that it has read and those that it will send.
    # Not on its stack: who takes the lead from a thread whose application lasts finds it here.
    cdef unsigned char *scratch
    cdef unsigned char *out
    cdef Head head
    # Where the present request begins in `scratch`, and how much is there.
    cdef Py_ssize_t start, filled
    # The present request's answer where it is one of the shelf.
    cdef sk_parcel parcel
    # Answers to the connection that is served: `ready` bytes in `out`, behind those that are `held`
    # for others from `base` on; and their calls where somebody wants to log them.
    cdef Py_ssize_t base, ready
    cdef bint more               # may lie in its socket
    cdef list unlogged
    cdef sk_held held
    cdef double held_since
    cdef object spare            # a `Call` that may be used again
    # The `Call` whose application is running, and for what: see Call.enter.
    cdef object call
    cdef int stage
    # Held while the call leaves its lane within the application: see `hold`.
    cdef void *moving
    # The stacks of this thread that can be parked.
    cdef readonly Hub hub
    # It among the others.
    cdef sk_worker worker

    cdef int begin(self) except -1
    cdef int send_held(self) except -1
    cdef int settle(self, Lanes lanes) except -1
    cdef void hold(self) noexcept
    cdef void let_go(self) noexcept


cdef class Lanes(BatchEnd):
    # What the lane connections of one engine share.
    cdef readonly object engine
    cdef readonly object service
    cdef EventLoop loop
    cdef Workspace work          # of the leader
    cdef Clock clock
    cdef sk_lead *lead           # NULL: nobody takes over from a call that lasts
    cdef sk_habits *habits
    cdef object lasting          # what is told of them
    cdef readonly Shelf shelf
    cdef unsigned long shelf_batch
    cdef object log              # the access lines of what is answered from the shelf; None: there are none
    cdef BatchEnd relief         # None: nobody serves in our place
    cdef bint draining, gently
    cdef unsigned long long[::1] row
    cdef unsigned long long *counts   # by `Count`
    cdef double keep_alive, header_timeout, send_stall_timeout
    cdef HeadLimits limits
    cdef int depth
    cdef dict routes
    cdef uint32_t routes_learnt
    cdef list names
    cdef dict status_lines
    cdef str last_status
    cdef StatusLine last_line
    cdef dict field_kinds
    cdef KnownKind[KNOWN_KINDS] known_kinds
    # The lines "Date: …" and "Server: …" as they are in this batch of events.
    cdef bytes date_line, server_line
    cdef long date_second
    cdef unsigned long date_batch
    # The time when the last answer of this batch was made.
    cdef double last_time
    cdef unsigned long time_batch

    cdef sk_shelf *shelf_now(self) noexcept
    cdef Route find(self, const unsigned char *data, Head *head, Route last, object info)
    cdef Route learn_route(self, tuple key)
    cdef KnownName known_name(self, const unsigned char *data, Field *field, frozenset withheld)
    cdef dict environ(
        self, const unsigned char *data, Head *head, Route route, object address, object port
    )
    cdef StatusLine status_line(self, str status)
    cdef int kind_of(self, str name) except -1
    cdef int refresh_date(self) except -1
    cdef bint more_to_come(self) noexcept
    cdef void count(self, int status) noexcept
    cdef void count_more(self, unsigned long long requests) noexcept
    cdef sk_habit *habit(self, const unsigned char *data, Head *head, Route route) noexcept
    cdef int learn(
        self, sk_habit *habit, Route route, str method, str target, double elapsed, double now,
        bint contended
    ) except -1


cdef class Meter:
    # Of one call of a route that lasts: how long it takes, and whether it computes (habits.h).
    cdef Lanes lanes
    cdef uint32_t route
    cdef double began_at, burnt_before, spent_before


cdef class Seat(Watched):
    # A connection in its lane, as its calls see it.
    cdef Lanes lanes
    # Out of the lane: the exchange of the present request, on a general connection in this one's
    # place; None if the client is gone.
    cdef object leave(self, Workspace work)
    # Address and port of the client.
    cdef tuple client(self)
    # Its answer that was kept has left, as far as its socket took it.
    cdef int was_sent(self, const unsigned char *bytes, Py_ssize_t size, Py_ssize_t sent) except -1
    # Another thread leads, and this one's is in the code behind an answer: go on without it.
    cdef int go_on_without(self, Workspace former) except -1
    # What could not be moved ends.
    cdef int give_up(self) except -1
