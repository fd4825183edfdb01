# A connection that we have opened, as C code sees it: see outbound.pyx.

from skitai._speedups.plain_answers cimport PlainAnswers
from skitai._speedups.relayed cimport Relayed
from skitai._speedups.wholes cimport Found

cdef enum Standing:
    IDLE
    ASKING
    CLOSED


cdef class OutboundConnection:
    cdef readonly object sock
    # Requests that were answered here.
    cdef readonly long served
    # For the owner: how long the server keeps it, in seconds.
    cdef public double kept_for
    # For the owner: when it is closed for having nothing to do.
    cdef public double idle_until
    cdef Standing standing
    cdef int fd                 # of a socket without TLS; else -1
    cdef int interest
    cdef object owner, loop, kernel, outgoing
    cdef object scratch         # whose bytes are at `room`, `room_size` of them
    cdef unsigned char *room
    cdef Py_ssize_t room_size
    cdef object taker, switching, body, write_error
    # In the place of a taker, where it is asked plainly.
    cdef Relayed plain
    cdef bint is_silent
    # The request under way, of which the kernel has not heard; no method: there is none.
    cdef str method, target, host
    cdef list headers
    cdef Py_ssize_t body_size
    # Its answer, as long as that may be plain.
    cdef PlainAnswers answers

    cdef bint ask_plainly(
        self, const unsigned char *head, Py_ssize_t size, const unsigned char *body, Py_ssize_t body_size, Relayed plain
    ) except -1
    cdef int answered(self, bint is_clean) except -1
    cdef int hold(self, bint is_held) except -1
    cdef bytes _send_request(self, str method, str target, str host, list headers)
    cdef int _tell_kernel(self) except -1
    cdef void _forget_request(self) noexcept
    cdef bint _send(self, bytes data) except -1
    cdef int _set_interest(self, int interest) except -1
    cdef int _on_writable(self) except -1
    cdef bytes _next_piece(self)
    cdef int _cannot_send(self, error) except -1
    cdef Py_ssize_t _receive(self) except -2
    cdef int _on_readable(self) except -1
    cdef int _hear(self, bytes data) except -1
    cdef bytes _received(self, Py_ssize_t size)
    cdef Found _take_whole(self, const unsigned char *data, Py_ssize_t size) except *
    cdef int _advance(self) except -1
    cdef int _switch(self, head) except -1
    cdef int _end(self, taker, event) except -1
    cdef bint _may_go_on(self) except -1
    cdef int _fail(self, error, cause) except -1
