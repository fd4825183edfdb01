# A request that is passed on plainly, as its two connections see it: see relayed.pyx.


cdef class Relayed:
    # The member has said `size` bytes, which are in our scratch; 0: it has closed; -1: reading has failed
    # (errno).  False: the connection's taker is another one by now, who is to hear the same.
    cdef bint heard(self, const unsigned char *data, Py_ssize_t size) except -1
    # The client's connection is ready, as of `Watched.on_ready`.
    cdef int client_ready(self, int ready) except -1
    # The deadline of the client's connection has passed.
    cdef int expire(self, double now) except -1
    # The server stops.
    cdef int finish_soon(self) except -1
    # The client's connection closes, for whatever reason.
    cdef int lose(self) except -1
    # As `Call.log`.
    cdef int log(self, double when, double delivered_at, Py_ssize_t size) except -1
