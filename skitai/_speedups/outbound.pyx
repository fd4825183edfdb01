"""A connection that we have opened: the twin of ``skitai/_pure/engine/outbound.py``.

The same states, the same words.  What is quick here is the plain exchange, which is nearly every one:

    a request that is certainly good, its body in memory    `encode_request`, and one send
    a simple head and all of a body that is simply framed   `PlainAnswers`, and `Taker.whole`

Of such an exchange the kernel (`ClientConnection`) hears nothing: it is between two requests before and
behind it.  An answer that comes in a few pieces is held together for a taker who has no use for pieces.
What turns out not to be plain is told to the kernel from the first byte on, request and answer, before
anything was decided about it here (`_tell_kernel`): it stays the one truth about every other answer.

Sockets without TLS are read and written by the system calls themselves, under the GIL: they never wait.

The loop thread, all of it.
"""

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport errno

import os
import socket
from contextlib import suppress

from skitai._pure.engine.channel import RESET_ON_CLOSE
from skitai._pure.engine.loop import READ, WRITE
from skitai._pure.engine.outgoing import Outgoing, broken
from skitai._pure.engine.secure import SecureSocket
from skitai._pure.http1 import NEED_DATA, PAUSED, ConnectionClosed, Data, EndOfMessage, ResponseHead, State
from skitai.errors import ReadError, RemoteProtocolError, WriteError

from skitai._speedups.plain_answers cimport PlainAnswers
from skitai._speedups.relayed cimport Relayed
from skitai._speedups.sockets cimport MSG_PEEK, recv, sk_send, would_block
from skitai._speedups.wholes cimport NOT_PLAIN, WHOLE, Found
from skitai._speedups.writing cimport encode_request

from skitai._speedups.http1 import ClientConnection

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    PIECE = 65536    # read from a body at once
    COPY_MAX = 16384 # a body up to this leaves together with the head

cdef int _READ = READ
cdef int _WRITE = WRITE


cdef object _os_error():
    return OSError(errno, os.strerror(errno))


@cython.final
cdef class OutboundConnection:
    def __init__(self, owner, loop, sock, limits, scratch):
        """``scratch``: what all connections of a loop read into."""
        cdef Py_buffer view
        # A memoryview keeps them where they are.
        PyObject_GetBuffer(scratch, &view, PyBUF_WRITABLE)
        self.scratch = scratch
        self.room, self.room_size = <unsigned char *>view.buf, view.len
        PyBuffer_Release(&view)
        self.owner = owner
        self.loop = loop
        self.kernel = ClientConnection(limits)
        self.answers = PlainAnswers(limits)
        self.outgoing = Outgoing()
        self.is_silent = True
        self.interest = _READ
        self.sock = sock
        self.fd = -1 if isinstance(sock, SecureSocket) else sock.fileno()
        self.kept_for = float("inf")
        loop.watch(sock, READ, self._on_ready)

    @property
    def is_idle(self):
        return self.standing == IDLE

    @property
    def tls(self):
        return None if self.fd >= 0 else self.sock.tls

    @property
    def is_sending(self):
        """Some of the request has not left."""
        return self.interest & _WRITE != 0

    def seems_alive(self):
        """Nothing, and not the end, has come since the last answer."""
        cdef char first
        if self.fd >= 0:
            return recv(self.fd, &first, 1, MSG_PEEK) < 0 and would_block()
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return False

    # -- asking -------------------------------------------------------------------------------

    def ask(self, str method not None, str target not None, str host not None, list headers not None, body, taker):
        """Send a request; see the pure twin."""
        cdef bytes data = None
        if type(body) is bytes and len(<bytes>body) <= COPY_MAX and self.switching is None:
            data = encode_request(method, target, host, headers, len(<bytes>body))
        if data is not None:
            self.method, self.target, self.host, self.headers = method, target, host, headers
            self.body_size = len(<bytes>body)
            if self.body_size:
                data += <bytes>body
        else:
            data = self._send_request(method, target, host, headers)
        self.standing = ASKING
        self.taker = taker
        self.is_silent = True
        if self.method is None:
            if not isinstance(body, bytes):
                self.body = body
            elif len(body) <= COPY_MAX:
                data += self.kernel.send_data(body) + self.kernel.end_of_message()
            else:
                self.outgoing.append(data)
                self.outgoing.append(self.kernel.send_data(body))
                data = self.kernel.end_of_message()
        try:
            empty = self._send(data)
        except WriteError as error:
            self._cannot_send(error)
            return
        if not empty or self.body is not None:
            self._set_interest(self.interest | _WRITE)

    def ask_to_switch(self, str method not None, str target not None, list headers not None, taker):
        """`ask` for another protocol; see the pure twin."""
        self.switching = taker
        self.ask(method, target, "", headers, b"", taker)

    def send_on(self):
        """The source of the body has something again, or its end."""
        if self.body is not None:
            self._set_interest(self.interest | _WRITE)

    cdef bytes _send_request(self, str method, str target, str host, list headers):
        """The head, by the kernel.  Raises LocalProtocolError."""
        for name, _ in headers:
            if len(name) == 4 and name.lower() == "host":
                break
        else:
            headers = [("Host", host), *headers]
        return self.kernel.send_request(method, target, headers)

    cdef int _tell_kernel(self) except -1:
        """The request has left: whatever comes is the kernel's to read."""
        if self.method is not None:
            self._send_request(self.method, self.target, self.host, self.headers)
            if self.body_size:
                self.kernel.skip_data(self.body_size)
            self.kernel.end_of_message()
            self._forget_request()
        return 0

    cdef void _forget_request(self) noexcept:
        self.method = self.target = self.host = None
        self.headers = None
        self.answers.forget()

    cdef bint _send(self, bytes data) except -1:
        """Whether all has left.  Raises WriteError."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t sent
        if self.fd < 0 or size == 0 or self.outgoing.size:
            return self.outgoing.send(self.sock, data)
        sent = sk_send(self.fd, PyBytes_AS_STRING(data), size, NULL, 0)
        if sent == size:
            return True
        if sent < 0:
            if not would_block():
                error = _os_error()
                raise broken(error) from error
            sent = 0
        self.outgoing.append(memoryview(data)[sent:])
        return False

    def resume(self):
        """The taker has room again."""
        if self.standing == ASKING and not self.interest & _READ:
            self._set_interest(self.interest | _READ)
            self._advance()

    def close(self):
        """Its taker is told nothing.  In the midst of a request the server gets a reset.  Idempotent."""
        if self.standing == CLOSED:
            return
        is_cut = self.taker is not None or self.plain is not None or self.body is not None or self.interest & _WRITE
        self.standing = CLOSED
        self.taker = self.switching = self.body = self.plain = None
        self._forget_request()
        self._set_interest(0)
        self.outgoing.clear()
        if is_cut:
            # The system would keep what the server does not read, megabytes of it, and offer it for minutes.
            with suppress(OSError):  # the server has closed already
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        elif self.fd < 0:
            self.sock.say_goodbye()
        self.sock.close()

    def give_up(self):
        """`close`, of which the owner is told."""
        self.close()
        self.owner.freed(self)

    # -- asking plainly: see relayed.pyx ----------------------------------------------------------

    cdef bint ask_plainly(
        self, const unsigned char *head, Py_ssize_t size, const unsigned char *body, Py_ssize_t body_size, Relayed plain
    ) except -1:
        """Send a request of bytes that are certainly good; ``plain`` hears what comes.  False: not all of it has
        left, and ``plain`` has to `hand_over`, for that is not its to see to."""
        cdef Py_ssize_t sent
        self.standing = ASKING
        self.is_silent = True
        self.plain = plain
        sent = sk_send(self.fd, head, size, body, body_size)
        if sent == size + body_size:
            return True
        if sent < 0 and not would_block():
            error = broken(_os_error())
            self._cannot_send(error)
            return False
        sent = max(sent, 0)
        if sent < size:
            self.outgoing.append(PyBytes_FromStringAndSize(<const char *>head + sent, size - sent))
            sent = size
        if sent < size + body_size:
            self.outgoing.append(PyBytes_FromStringAndSize(<const char *>body + sent - size, size + body_size - sent))
        self._set_interest(self.interest | _WRITE)
        return False

    def hand_over(self, str method not None, str target not None, str host not None, list headers not None, Py_ssize_t body_size, taker):
        """From here on ``taker`` hears what comes of the request that was asked plainly; what it was is told as to
        `ask`."""
        self.plain = None
        self.method, self.target, self.host, self.headers = method, target, host, headers
        self.body_size = body_size
        self.taker = taker

    cdef int answered(self, bint is_clean) except -1:
        """All of the answer to what was asked plainly has come; ``is_clean``: and nothing behind it."""
        self.plain = None
        self.served += 1
        if is_clean and self.interest == _READ and self.standing == ASKING:
            self.standing = IDLE
        else:
            self.close()
        self.owner.freed(self)
        return 0

    cdef int hold(self, bint is_held) except -1:
        """Whether nothing is read, because whom it is for has no room."""
        if self.standing == ASKING:
            self._set_interest(0 if is_held else _READ)
        return 0

    # -- the socket ---------------------------------------------------------------------------

    def _on_ready(self, int events):
        if events & _WRITE & self.interest:
            self._on_writable()
        if events & _READ & self.interest:
            self._on_readable()

    cdef int _set_interest(self, int interest) except -1:
        cdef int before = self.interest
        if interest == before:
            return 0
        self.interest = interest
        if not interest:
            self.loop.unwatch(self.sock)
        elif before:
            self.loop.rewatch(self.sock, interest, self._on_ready)
        else:
            self.loop.watch(self.sock, interest, self._on_ready)
        return 0

    cdef int _on_writable(self) except -1:
        taker = self.taker
        try:
            empty = self.outgoing.flush(self.sock)
            while empty and self.body is not None:
                piece = self._next_piece()
                if piece is None:
                    break
                empty = self.outgoing.send(self.sock, piece)
        except WriteError as error:
            self._cannot_send(error)
            return 0
        except Exception as error:
            # Its source has failed, or does not keep to its size: what was sent is no whole request.
            self._fail(WriteError(f"the body of the request could not be sent: {error}"), error)
            return 0
        if empty:
            self._set_interest(self.interest & ~_WRITE)
        taker.sent(bool(empty) and self.body is None)
        return 0

    cdef bytes _next_piece(self):
        body = self.body
        data = body.read(PIECE)
        if data:
            return self.kernel.send_data(data)
        if data is None:
            return None
        self.body = None
        return self.kernel.end_of_message(body.trailers)

    cdef int _cannot_send(self, error) except -1:
        """An answer may have come, or be about to."""
        self.write_error = error
        self.body = None
        self.outgoing.clear()
        self._set_interest(self.interest & ~_WRITE | _READ)
        return 0

    cdef Py_ssize_t _receive(self) except -2:
        """Into the scratch: how many bytes, 0 at the end; -1: nothing has come.  Raises OSError."""
        cdef Py_ssize_t size
        if self.fd < 0:
            try:
                return self.sock.recv_into(self.scratch)
            except (BlockingIOError, InterruptedError):
                return -1
        size = recv(self.fd, self.room, self.room_size, 0)
        if size < 0 and not would_block():
            raise _os_error()
        return size

    cdef int _on_readable(self) except -1:
        cdef Py_ssize_t size
        cdef Relayed plain = self.plain  # which we may forget while it hears
        try:
            size = self._receive()
        except OSError as error:
            if plain is not None and plain.heard(NULL, -1):
                return 0
            failure = ReadError(f"reading from the server failed: {error.strerror or error}")
            self._fail(self.write_error or failure, error)
            return 0
        if size < 0 or (plain is not None and plain.heard(self.room, size)):
            return 0
        if self.taker is None:
            self.close()  # nobody has asked; or the end
            self.owner.freed(self)
            return 0
        if size:
            self.is_silent = False
            data = self._received(size)
            if data is not None:
                self._hear(data)
            return 0
        if self.answers.held is not None:
            self._hear(self.answers.held)
            if self.taker is None or not self.interest & _READ:
                return 0
        if self.is_silent:
            closed = ReadError("the server closed the connection without an answer")
            self._fail(self.write_error or closed, None)
            return 0
        elif self.fd < 0 and not self.sock.ended and self.kernel.ends_with_connection:
            self._fail(ReadError("the connection ended without TLS's close_notify: the answer may be cut"), None)
            return 0
        self._hear(b"")
        return 0

    cdef int _hear(self, bytes data) except -1:
        """By the kernel; nothing: the end."""
        if data:
            self.taker.heard()
        self._tell_kernel()
        self.kernel.receive_data(data)
        self._advance()
        return 0

    cdef bytes _received(self, Py_ssize_t size):
        """What the kernel has to hear of, now that ``size`` bytes lie in the scratch; None: nothing."""
        cdef PlainAnswers answers = self.answers
        cdef bytes data = None
        cdef Found found
        if self.method is None:
            return PyBytes_FromStringAndSize(<char *>self.room, size)
        if answers.held is None:
            found = self._take_whole(self.room, size)
        else:
            data = answers.with_held(self.room, size)
            found = self._take_whole(<const unsigned char *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        if found == WHOLE:
            return None
        if data is None:
            data = PyBytes_FromStringAndSize(<char *>self.room, size)
        if answers.may_hold(data, found) and self.taker.is_patient:
            answers.held = data
            return None
        return data

    cdef Found _take_whole(self, const unsigned char *data, Py_ssize_t size) except *:
        """Give the taker these bytes if they are a plain answer, all of it."""
        cdef Found found = NOT_PLAIN
        cdef bytes body
        if self.interest != _READ or self.write_error is not None:
            return NOT_PLAIN
        body = self.answers.read(data, size, self.method, &found)
        if body is None:
            return found
        taker = self.taker
        self.taker = None
        self.standing = IDLE
        if not taker.whole(self.answers.head, body, self.answers.is_noted):
            self.taker = taker
            self.standing = ASKING
            return NOT_PLAIN
        self._forget_request()
        self.served += 1
        self.owner.freed(self)
        return WHOLE

    cdef int _advance(self) except -1:
        taker = self.taker
        try:
            while taker is self.taker and taker is not None:
                event = self.kernel.next_event()
                if event is NEED_DATA:
                    return 0
                if type(event) is Data:
                    if not taker.data(event.data):
                        self._set_interest(self.interest & ~_READ)
                        return 0
                elif type(event) is ResponseHead:
                    if event.status >= 200:
                        taker.head(event)
                    elif event.status == 101:
                        self._switch(event)
                    else:
                        taker.interim(event)
                elif type(event) is EndOfMessage:
                    self._end(taker, event)
                elif type(event) is ConnectionClosed or event is PAUSED:
                    closed = ReadError("the server closed the connection without an answer")
                    self._fail(self.write_error or closed, None)
        except RemoteProtocolError as error:
            self._fail(error, None)
        return 0

    cdef int _switch(self, head) except -1:
        taker, self.switching = self.switching, None
        if taker is None:
            raise RemoteProtocolError("101 (Switching Protocols) where nobody asked for it")
        self.taker = None
        self.standing = CLOSED
        self._set_interest(0)
        taker.switched(head, self.sock, self.kernel.trailing_data)
        self.owner.freed(self)
        return 0

    cdef int _end(self, taker, event) except -1:
        self.taker = self.switching = None
        self.served += 1
        if self._may_go_on():
            self.kernel.start_next_cycle()
            self.standing = IDLE
        else:
            self.close()
        taker.end(event.trailers)
        self.owner.freed(self)
        return 0

    cdef bint _may_go_on(self) except -1:
        """Both messages are complete, and nothing lies behind them."""
        if self.outgoing.size or self.write_error is not None:
            return False
        kernel = self.kernel
        return kernel.our_state is State.DONE and not kernel.must_close and not kernel.buffered

    cdef int _fail(self, error, cause) except -1:
        taker, unanswered = self.taker, self.is_silent
        error.__cause__ = cause or error.__cause__
        self.close()
        if taker is not None:
            taker.failed(error, unanswered)
        self.owner.freed(self)
        return 0
