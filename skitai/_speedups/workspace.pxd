# The bytes of the thread that leads as C code sees them: see workspace.pyx.

from libc.stdint cimport uint32_t

from skitai._speedups.heads cimport Head
from skitai._speedups.loop cimport Watched, sk_worker
from skitai._speedups.parking cimport Hub
from skitai._speedups.shelf cimport sk_parcel

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

cdef enum:
    SCRATCH = 65536   # what one recv takes, and with it the longest request of the lane
    OUT = 65536       # answers that are put together before they are sent


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
    # What lasts if it is no `Call`, and what it was about.
    cdef Charge charge
    # Held while the call leaves its lane within the application: see `hold`.
    cdef void *moving
    # The stacks of this thread that can be parked.
    cdef readonly Hub hub
    # It among the others.
    cdef sk_worker worker

    cdef int begin(self) except -1
    cdef bytes rest(self)
    cdef int send_held(self) except -1
    cdef int settle(self) except -1
    cdef void hold(self) noexcept
    cdef void let_go(self) noexcept


cdef class Seat(Watched):
    # A connection in its lane, as its calls see it.
    # Out of the lane: the exchange of the present request, on a general connection in this one's
    # place; None if the client is gone.
    cdef object leave(self, Workspace work)
    # Address and port of the client.
    cdef tuple client(self)
    # Its answer that was kept has left, as far as its socket took it.
    cdef int was_sent(self, const unsigned char *bytes, Py_ssize_t size, Py_ssize_t sent) except -1
    # Another thread leads, and this one's is in the code behind an answer: go on without it.
    cdef int go_on_without(self, Workspace former) except -1
    # Idempotent; of no effect once another connection has the socket.
    cpdef close(self)


cdef class Charge:
    # Whoever has taken the lead calls this for the former leader, whose call lasts.
    cdef int overtaken(self, Workspace former) except -1
