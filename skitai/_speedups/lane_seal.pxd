# TLS of a lane connection as C code sees it: see lane_seal.pyx.

from libc.stdint cimport uint64_t

from skitai._speedups.shelf cimport sk_parcel, sk_parcel_state
from skitai._speedups.workspace cimport Workspace

cdef enum:
    NO_ROOM_NOW = -1   # in place of a count of bytes that were sent
    LOST_BYTES = -2


cdef class Seal:
    cdef object secure           # the connection's SecureSocket
    cdef object read, write, feed, take, incoming
    cdef bytes kept              # ciphertext of the next `sealed` bytes; None, or `gone` bytes of it are out
    cdef Py_ssize_t gone, sealed
    cdef Py_ssize_t empty        # ciphertext that has come since the last byte of content
    cdef bint ended              # the client has said goodbye
    cdef bint broken             # it has broken the rules of TLS, or of this server

    cdef object leave(self)
    cdef int close(self, bint whole) except -1
    # Into the scratch of `work`: how many bytes; 0: the end, or a failure; -1: nothing that is whole.
    cdef Py_ssize_t receive(self, int fd, Workspace work) except -2
    cdef Py_ssize_t open(self, Workspace work, Py_ssize_t filled) except -1
    # How many bytes the system has taken, at least one; or NO_ROOM_NOW, LOST_BYTES.  What it has not taken
    # comes again in front of the next ones.
    cdef Py_ssize_t send(
        self, int fd, const unsigned char *head, Py_ssize_t head_size, const unsigned char *body, Py_ssize_t body_size
    ) except? LOST_BYTES
    cdef bint seal(
        self, const unsigned char *head, Py_ssize_t head_size, const unsigned char *body, Py_ssize_t body_size,
        Py_ssize_t place,
    ) except -1
    cdef Py_ssize_t add_record(self, data) except -1
    cdef Py_ssize_t send_kept(self, int fd) except? LOST_BYTES
    # As sk_parcel_send.
    cdef sk_parcel_state send_parcel(self, int fd, sk_parcel *parcel, uint64_t most) except *
    cdef bint seal_parcel(self, sk_parcel *parcel) except -1
