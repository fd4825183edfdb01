"""Where a thread works while it leads: the bytes that it has read, and those that it will send.

One for each thread of the crew, and no place of it on a stack: whoever takes the lead from a thread whose
application lasts finds there what was read, and what was ready to be sent (leadership.pyx).  Answers to
several connections leave from here together (held.h); whose they are, a `Seat`, is told how far they got.

The leader's only, but for what the monitor sends in its place.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.pythread cimport (
    WAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
)

from skitai._waiting import HERE

cdef extern from "trimming.h" nogil:
    void sk_trim()

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    HELD_SIZE_MAX = 32768  # of OUT: the rest is for the next connection's answers


def trim():
    """Give the system the memory back that the start has needed and freed.  Any thread, before it serves."""
    with nogil:
        sk_trim()


@cython.final
cdef class Workspace:
    def __cinit__(self):
        self.scratch = <unsigned char *>PyMem_Malloc(SCRATCH)
        self.out = <unsigned char *>PyMem_Malloc(OUT)
        self.moving = PyThread_allocate_lock()
        if self.scratch == NULL or self.out == NULL or self.moving == NULL:
            raise MemoryError

    def __init__(self):
        self.unlogged = []
        self.held.bytes = self.out

    def __dealloc__(self):
        PyMem_Free(self.scratch)
        PyMem_Free(self.out)
        if self.moving != NULL:
            PyThread_free_lock(self.moving)

    cdef int settle(self) except -1:
        """In the thread that works here."""
        HERE.in_lane = self.request
        self.hub = Hub()
        return 0

    cdef int begin(self) except -1:
        """A connection is going to be served."""
        if self.held.size > HELD_SIZE_MAX or self.held.count == SK_HELD_MAX:
            self.send_held()
        self.base = self.held.size
        self.start = self.ready = 0
        return 0

    cdef bytes rest(self):
        """What was read, from the present request on."""
        return PyBytes_FromStringAndSize(<const char *>self.scratch + self.start, self.filled - self.start)

    cdef int send_held(self) except -1:
        """Send what is kept for several connections, and tell each how far it got."""
        cdef sk_answer *answer
        cdef int place = 0
        cdef const unsigned char *bytes = self.out
        if self.held.count == 0:
            return 0
        sk_send_held(&self.held)
        while place < self.held.count:
            answer = &self.held.answers[place]
            place += 1
            (<Seat>answer.owner).was_sent(bytes, answer.size, answer.sent)
            bytes += answer.size
        sk_held_begin(&self.held)
        return 0

    def request(self):
        """What the call that lasts in this thread has become."""
        return None if self.call is None else self.call.exchange

    cdef void hold(self) noexcept:
        """Make those who come meanwhile wait until the call has left its lane (`Call.await_move`).

        One thread at a time does that.  Who waited for an earlier call may still have the lock,
        for an instant in which it does not need the GIL: so we wait, and keep the GIL.
        """
        PyThread_acquire_lock(self.moving, WAIT_LOCK)

    cdef void let_go(self) noexcept:
        PyThread_release_lock(self.moving)


cdef class Seat(Watched):
    cdef object leave(self, Workspace work):
        raise NotImplementedError

    cdef tuple client(self):
        raise NotImplementedError

    cdef int was_sent(self, const unsigned char *bytes, Py_ssize_t size, Py_ssize_t sent) except -1:
        raise NotImplementedError

    cdef int go_on_without(self, Workspace former) except -1:
        raise NotImplementedError

    cpdef close(self):
        raise NotImplementedError


cdef class Charge:
    cdef int overtaken(self, Workspace former) except -1:
        raise NotImplementedError
