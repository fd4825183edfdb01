"""TLS of a connection in its lane: what `SecureSocket` does, for C code.

The same rules (skitai/_pure/engine/secure.py), on the same OpenSSL objects, with the same marks of how far
they are: a `SecureSocket` goes through the connection's whole life, and a `Seal` does its work while the
connection is in its lane.  The one recv and the one send of a request remain; between them and the bytes
of HTTP are two calls of the ssl module each way, the quickest that it has, and no exception as long as
records come whole.

OpenSSL is called without the GIL, which is the module's doing: other threads may run Python code there.
The lead cannot go over meanwhile, because the leader's word is even (lead.h).

Whoever serves the connection runs this.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.errno cimport EAGAIN, EINTR, errno

from skitai._lazy import LazyModule
from skitai._pure.engine import secure as _secure

from skitai._speedups.shelf cimport (
    SK_PARCEL_LOST,
    SK_PARCEL_MORE,
    SK_PARCEL_SENT,
    SK_PARCEL_WAITS,
    sk_parcel_read,
    sk_parcel_rest,
)
from skitai._speedups.sockets cimport recv, sk_send
from skitai._speedups.workspace cimport SCRATCH

ssl = LazyModule("ssl")

cdef extern from "Python.h":
    const int PyBUF_READ
    const int PyBUF_WRITE

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    RECORD_MAX = 16384           # as in secure.py
    COPIED_MAX = 4096            # up to here a copy is cheaper than a view, which is two objects

cdef Py_ssize_t SEALED_MAX = _secure.SEALED_MAX
cdef Py_ssize_t UNASKED_MAX = _secure.UNASKED_MAX
cdef Py_ssize_t EMPTY_MAX = _secure.EMPTY_MAX

assert _secure.RECORD_MAX == RECORD_MAX


# Of the scratch at `viewed`: most records are alone, and begin there.
cdef object scratch_view = None
cdef unsigned char *viewed = NULL


cdef object _view_of_scratch(Workspace work):
    global scratch_view, viewed
    if viewed != work.scratch:
        scratch_view = PyMemoryView_FromMemory(<char *>work.scratch, SCRATCH, PyBUF_WRITE)
        viewed = work.scratch
    return scratch_view


@cython.final
cdef class Seal:
    def __init__(self, secure):
        self.secure = secure
        # The object below: its methods are C functions.
        tls = getattr(secure.tls, "_sslobj", secure.tls)
        self.read = tls.read
        self.write = tls.write
        self.incoming = secure.incoming
        self.feed = secure.incoming.write
        self.take = secure.outgoing.read
        self.kept = bytes(secure.kept) or None
        self.sealed = secure.sealed
        self.empty = secure.empty
        self.ended = secure.ended

    cdef object leave(self):
        """The `SecureSocket`, for whoever goes on."""
        secure = self.secure
        secure.kept = b"" if self.kept is None else self.kept[self.gone :]
        secure.sealed = self.sealed
        secure.empty = self.empty
        secure.ended = self.ended
        return secure

    cdef int close(self, bint whole) except -1:
        """``whole``: the client has been told all."""
        secure = self.leave()
        if whole:  # or at least, where TLS has failed, the alert that OpenSSL has for it
            secure.say_goodbye()
        secure.close()
        return 0

    # -- receiving ----------------------------------------------------------------------------

    cdef Py_ssize_t receive(self, int fd, Workspace work) except -2:
        cdef unsigned char *ciphertext = work.scratch + RECORD_MAX
        cdef Py_ssize_t filled = 0
        cdef Py_ssize_t place, size, piece
        while not filled:
            size = recv(fd, ciphertext, SCRATCH - RECORD_MAX, 0)
            if size < 0 and errno == EINTR:
                continue
            if size <= 0:
                return -1 if size < 0 and errno == EAGAIN else 0
            work.more = size == SCRATCH - RECORD_MAX
            for place in range(0, size, RECORD_MAX):
                piece = min(size - place, RECORD_MAX)
                self.feed(PyBytes_FromStringAndSize(<const char *>ciphertext + place, piece))
                filled = self.open(work, filled)
                self.empty = 0 if filled else self.empty + piece
                if self.empty > EMPTY_MAX:
                    self.broken = True
                if self.ended or self.broken:
                    return filled
        return filled

    cdef Py_ssize_t open(self, Workspace work, Py_ssize_t filled) except -1:
        """Decrypt what has come, behind ``filled`` bytes; how many there are then."""
        cdef Py_ssize_t count
        while True:
            if filled:
                view = PyMemoryView_FromMemory(<char *>work.scratch + filled, SCRATCH - filled, PyBUF_WRITE)
            else:
                view = _view_of_scratch(work)
            try:
                count = self.read(SCRATCH - filled, view)
            except ssl.SSLWantReadError:
                break
            except OSError:
                self.broken = True
                return 0
            filled += count
            if not count:
                self.ended = True
                if filled:
                    self.secure.hear_of_the_end()
                break
            if not self.incoming.pending:
                break
        # What is asked is answered, and all that waits there leaves with the answer.
        if not filled and self.secure.outgoing.pending > UNASKED_MAX:
            self.broken = True
        return filled

    # -- sending ------------------------------------------------------------------------------

    cdef Py_ssize_t send(
        self, int fd, const unsigned char *head, Py_ssize_t head_size, const unsigned char *body, Py_ssize_t body_size
    ) except? LOST_BYTES:
        cdef Py_ssize_t told = 0
        cdef Py_ssize_t sent
        while told < head_size + body_size:
            if self.kept is None and not self.seal(head, head_size, body, body_size, told):
                return LOST_BYTES
            sent = self.send_kept(fd)
            if sent < 0:
                return told if told and sent == NO_ROOM_NOW else sent
            told += sent
        return told

    cdef bint seal(
        self, const unsigned char *head, Py_ssize_t head_size, const unsigned char *body, Py_ssize_t body_size,
        Py_ssize_t place,
    ) except -1:
        """Encrypt some of it, from ``place`` on; False: it cannot be done any more."""
        cdef const unsigned char *data
        cdef Py_ssize_t size
        self.sealed = 0
        while self.sealed < SEALED_MAX and place < head_size + body_size:
            if place < head_size:
                data, size = head + place, head_size - place
            else:
                data, size = body + (place - head_size), head_size + body_size - place
            size = min(size, RECORD_MAX)
            if size <= COPIED_MAX:
                size = self.add_record(PyBytes_FromStringAndSize(<const char *>data, size))
            else:
                size = self.add_record(PyMemoryView_FromMemory(<char *>data, size, PyBUF_READ))
            if not size:
                return False
            place += size
        return True

    cdef Py_ssize_t add_record(self, data) except -1:
        """Of ``data``, or of some of it: of how much."""
        cdef Py_ssize_t size
        try:
            size = self.write(data)
        except OSError:
            self.broken = True
            return 0
        record = self.take()
        self.kept = record if self.kept is None else self.kept + record
        self.sealed += size
        self.gone = 0
        return size

    cdef Py_ssize_t send_kept(self, int fd) except? LOST_BYTES:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(self.kept) - self.gone
        cdef Py_ssize_t sent, told
        while True:
            sent = sk_send(fd, PyBytes_AS_STRING(self.kept) + self.gone, size, NULL, 0)
            if sent >= 0:
                break
            if errno != EINTR:
                return NO_ROOM_NOW if errno == EAGAIN else LOST_BYTES
        if sent == size:
            told = self.sealed
            self.kept = None
            self.sealed = 0
            return told
        self.gone += sent
        told = min(sent, self.sealed - 1)
        self.sealed -= told
        return told

    # -- answers of the shelf -----------------------------------------------------------------

    cdef sk_parcel_state send_parcel(self, int fd, sk_parcel *parcel, uint64_t most) except *:
        cdef uint64_t begun = parcel.sent
        cdef Py_ssize_t sent
        while sk_parcel_rest(parcel):
            if parcel.sent - begun > most:
                return SK_PARCEL_MORE
            if self.kept is None and not self.seal_parcel(parcel):
                return SK_PARCEL_LOST
            sent = self.send_kept(fd)
            if sent < 0:
                return SK_PARCEL_WAITS if sent == NO_ROOM_NOW else SK_PARCEL_LOST
            parcel.sent += sent
        return SK_PARCEL_SENT

    cdef bint seal_parcel(self, sk_parcel *parcel) except -1:
        """Encrypt some of what is left of it; False: it cannot be done, or its file has become shorter."""
        cdef uint64_t rest = sk_parcel_rest(parcel)
        cdef Py_ssize_t size
        cdef bytes data
        self.sealed = 0
        while self.sealed < SEALED_MAX and <uint64_t>self.sealed < rest:
            data = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>min(rest - self.sealed, <uint64_t>RECORD_MAX))
            size = sk_parcel_read(parcel, self.sealed, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
            if size <= 0:
                return False
            if size < PyBytes_GET_SIZE(data):
                data = data[:size]
            if not self.add_record(data):
                return False
        return True
