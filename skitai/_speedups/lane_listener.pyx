"""Accepting connections in C: each begins in its lane.

Edge-triggered like everything of the lane, so what is not accepted in one turn is asked for again
by the listener itself.  What a connection's number, address or the lack of descriptors means is
the engine's to say (`Engine.admits`, `Engine.accepting_failed`).

The leader's only.
"""

cimport cython
from cpython.object cimport PyObject
from libc.errno cimport EAGAIN, ECONNABORTED, EINTR, errno
from libc.string cimport strcmp, strcpy

import os
import socket

from skitai._speedups.lane_connection import LaneConnection

from skitai._speedups.lanes cimport Lanes
from skitai._speedups.loop cimport SK_LISTENER, SK_PYTHON, SK_READ, SK_SEALED, Watched

cdef extern from "sockets.h" nogil:
    enum:
        SK_ADDRESS_MAX
    int sk_accept(int listener, char *address, int *port, int *family)

cdef extern from "<unistd.h>" nogil:
    int close_descriptor "close"(int fd)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32


@cython.final
cdef class LaneListener(Watched):
    cdef Lanes lanes
    cdef object info
    cdef object secure           # as `Listener.secure`
    cdef int batch_max
    cdef bint open
    cdef str last_text           # of `last_address`: a proxy in front is one client for all
    cdef char[SK_ADDRESS_MAX] last_address

    def __init__(self, Lanes lanes, int fd, info, secure, int batch_max):
        """``fd``: bound, listening, non-blocking, and somebody else's to close."""
        self.lanes = lanes
        self.fd = fd
        self.info = info
        self.secure = secure
        self.batch_max = batch_max
        self.last_text = ""
        self.open = True
        self.view.kind = SK_LISTENER if secure is None else SK_SEALED
        self.view.site = <PyObject *>info
        lanes.loop.add(self, SK_READ)

    cdef int on_ready(self, int ready) except -1:
        self.lanes.work.send_held()
        self.accept()
        return 0

    def accept(self):
        """Take those who wait, up to the bound of one turn."""
        cdef char[SK_ADDRESS_MAX] address
        cdef int port = 0
        cdef int family = 0
        cdef int fd
        cdef int room = self.batch_max
        while room:
            room -= 1
            if not self.open:
                return
            fd = sk_accept(self.fd, address, &port, &family)
            if fd < 0:
                if errno == EAGAIN:
                    return
                if errno != EINTR and errno != ECONNABORTED:
                    self.fail(errno)
                    return
                continue
            if strcmp(address, self.last_address):
                strcpy(self.last_address, address)
                self.last_text = address.decode("ascii")
            self.take_in(fd, self.last_text, port, family)
        self.lanes.loop.call_soon(self.accept)

    def take_in(self, int fd, str address, int port, int family):
        """The connection on ``fd``, which was accepted and is ours from here on; None if there is no
        room for it."""
        engine = self.lanes.engine
        sock = None
        try:
            if engine.admits(address):
                if self.secure is None:
                    connection = LaneConnection(self.lanes, fd, family, address, port, self.info)
                    engine.add(connection)
                else:
                    sock = socket.socket(family, socket.SOCK_STREAM, 0, fd)
                    connection = engine.shake_hands(sock, (address, port), self.info, self.secure)
                if self.lanes.draining:
                    connection.finish_soon()
                return connection
            close_descriptor(fd)
        except BaseException:
            if sock is None:
                close_descriptor(fd)
            else:
                sock.close()
            raise
        return None

    cdef int fail(self, int number) except -1:
        try:
            raise OSError(number, os.strerror(number))
        except OSError as error:
            self.lanes.engine.accepting_failed(error)
        return 0

    def close(self):
        """Accept no more.  Idempotent."""
        if self.open:
            self.open = False
            self.view.kind = SK_PYTHON
            self.lanes.loop.forget(self)
