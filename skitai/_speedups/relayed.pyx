"""A request that is passed on plainly (lane_relay.pyx), as its two connections see it.

The client's connection (lane_connection.pyx) and the member's (outbound.pyx) know no more of it than this, and
nothing of each other.  The leader's only.
"""

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32


cdef class Relayed:
    cdef bint heard(self, const unsigned char *data, Py_ssize_t size) except -1:
        raise NotImplementedError

    cdef int client_ready(self, int ready) except -1:
        raise NotImplementedError

    cdef int expire(self, double now) except -1:
        raise NotImplementedError

    cdef int finish_soon(self) except -1:
        raise NotImplementedError

    cdef int lose(self) except -1:
        raise NotImplementedError

    cdef int log(self, double when, double delivered_at, Py_ssize_t size) except -1:
        raise NotImplementedError
