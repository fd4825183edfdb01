# System calls on sockets, for all who read and write them without Python: see sockets.h.

from libc.errno cimport EAGAIN, EINTR, errno

cdef extern from "<sys/socket.h>" nogil:
    const int MSG_PEEK
    ssize_t recv(int fd, void *buffer, size_t size, int flags)

cdef extern from "sockets.h" nogil:
    # As send(2), of both in one call; `body` may be of no bytes.
    ssize_t sk_send(int fd, const void *head, size_t head_size, const void *body, size_t body_size)


# Whether the call that has failed just now would have had to wait.
cdef inline bint would_block() noexcept nogil:
    return errno == EAGAIN or errno == EINTR
