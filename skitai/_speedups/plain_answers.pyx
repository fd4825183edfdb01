"""Plain answers of one connection that we have opened: told at once, whether they come in one piece or in a few.

Within a second most servers say the same head each time, but for the body: the last one is known, with what it
was made into.

The loop thread.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcmp

from skitai._speedups.responses cimport Answer, response_head
from skitai._speedups.wholes cimport MORE, WHOLE, Found, is_noted, read_whole

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    # Of an answer that is held together.  Each piece has all of it looked at once more.
    HELD_MAX = 65536
    PIECES_MAX = 8
    KNOWN_MAX = 1024 # bytes of a head that is remembered


@cython.final
cdef class PlainAnswers:
    def __init__(self, limits):
        self.limits = limits

    cdef bytes read(self, const unsigned char *data, Py_ssize_t size, str method, Found *found):
        cdef Answer answer
        cdef bytes body
        if self._knows(data, size, method):
            found[0] = WHOLE
            return PyBytes_FromStringAndSize(<const char *>data + size - self.length, self.length)
        body = read_whole(data, size, self.limits, method == "HEAD", &answer, found)
        if body is None:
            return None
        found[0] = WHOLE
        self.head = response_head(data, &answer, method)
        self.is_noted = is_noted(data, &answer)
        self.known = None
        if answer.consumed + PyBytes_GET_SIZE(body) == size and answer.consumed <= KNOWN_MAX:
            self.known = PyBytes_FromStringAndSize(<const char *>data, answer.consumed)
            self.method = method
            self.length = PyBytes_GET_SIZE(body)
        return body

    cdef bint _knows(self, const unsigned char *data, Py_ssize_t size, str method) noexcept:
        cdef Py_ssize_t length = 0 if self.known is None else PyBytes_GET_SIZE(self.known)
        return (
            length > 0
            and size == length + self.length
            and memcmp(data, PyBytes_AS_STRING(self.known), length) == 0
            and method == self.method
        )

    cdef bytes with_held(self, const unsigned char *data, Py_ssize_t size):
        return self.held + PyBytes_FromStringAndSize(<const char *>data, size)

    cdef bint may_hold(self, bytes data, Found found) noexcept:
        self.pieces += 1
        return found == MORE and PyBytes_GET_SIZE(data) < HELD_MAX and self.pieces < PIECES_MAX

    cdef void forget(self) noexcept:
        self.held = None
        self.pieces = 0
