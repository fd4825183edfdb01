"""The fast lane: plain requests to plain applications, read, run and answered in one go.

With ``threads = 0`` most requests need nothing of what the general connection
(``skitai/_pure/engine/connection.py``) can do: the whole request lies in the socket, its head
is simple, the application returns its answer in one piece, and the socket takes that at once.
For these a `LaneConnection` does in C what costs the general one some three hundred calls.

What is not so plain leaves the lane **before anything about it was decided here**:

* bytes that are not certainly a simple request, or not all there: the general connection reads
  them again from the first one, so that refusals, limits and clocks are its own;
* a call whose answer is not plain (a stream, ``write()``, an exception, a status or field that
  must be looked at): an exchange is made of the same bytes, and `Service.go_on` takes up the call;
* an answer that the socket does not take whole: the general connection sends the rest.

A connection that has left the lane does not come back.  The loop thread alone runs this; the
request's bytes lie in the scratch buffer of `Lanes` until `on_ready` returns.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.contextvars cimport PyContext_CopyCurrent, PyContext_Enter, PyContext_Exit
from libc.errno cimport EAGAIN, EINTR, errno
from libc.string cimport memcmp

from io import BytesIO
from itertools import chain

from skitai._pure.engine.loop import READ
from skitai._pure.engine.service import Begun
from skitai._speedups.heads import encode_head
from skitai.errors import AppLoadError, ClientDisconnected, HTTPError

from skitai._speedups.heads cimport SIMPLE, Head, recognise
from skitai._speedups.lanes cimport (
    DATE_FIELD,
    HOP_FIELD,
    LENGTH_FIELD,
    SCRATCH,
    SERVER_FIELD,
    Lanes,
    Route,
    StatusLine,
)

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int fd, void *buffer, size_t size, int flags)
    ssize_t send(int fd, const void *buffer, size_t size, int flags)
    const int MSG_NOSIGNAL

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec *now)
    const int CLOCK_MONOTONIC

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    BODY_MAX = 65536  # longer answers leave the lane: there their copy costs more than a call
    TURN_MAX = 32     # pipelined requests of one connection before the others have their turn


cdef inline double _now() noexcept nogil:
    """As time.monotonic()."""
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec + now.tv_nsec * 1e-9


cdef object _END = object()


cdef class LaneConnection


@cython.final
cdef class Call:
    """One call of an application: its start_response, and what became of it."""

    cdef LaneConnection connection
    cdef Route route
    cdef dict environ         # the application's: it may have changed or emptied it
    cdef object method, target
    cdef object context
    cdef double received_at
    cdef bint keep_alive

    # What start_response was told, if it is plain.
    cdef StatusLine status
    cdef list fields          # ours and the application's, but for Content-Length
    cdef object length

    # The answer in one piece.
    cdef bytes body
    cdef object result        # what the application returned, or stands for it
    cdef object iterator      # what is left of it behind the piece

    # The answer has been sent from the lane.  An application may keep start_response and write
    # for longer, when the scratch buffer and the connection are somebody else's.
    cdef bint over

    # Set once the call has left its lane.
    cdef object run
    cdef object run_write
    cdef object begun

    def __call__(self, status, headers, exc_info=None):
        """PEP 3333's start_response.  What is not plain is told to the run that goes on with the
        call, here and now, so that an error reaches the application where it made it."""
        if self.over:
            if exc_info:
                try:
                    raise exc_info[1].with_traceback(exc_info[2])
                finally:
                    exc_info = None
            raise AssertionError("start_response was called twice without exc_info (PEP 3333)")
        if self.run is None and (exc_info is not None or self.status is not None or not self.note(status, headers)):
            self.leave()
        if self.run is not None:
            return self.run.start_response(status, headers, exc_info)
        return self.write

    def write(self, data):
        """``write()``: the client must get it now, so the call leaves its lane."""
        if self.over:
            if self.length is None:
                raise ClientDisconnected(
                    "the client has gone, or was answered in your place (response_timeout)"
                )
            if _is_piece(data):
                self.warn_of_more()
            return
        if self.run is None:
            self.leave()
        self.run_write(data)

    cdef bint note(self, status, headers) except -1:
        """Keep what start_response is told; False if it is not plain."""
        cdef Lanes lanes = self.connection.lanes
        cdef bint has_date = False, has_server = False
        cdef int kind
        cdef list fields
        cdef object length = None
        if type(status) is not str or type(headers) is not list:
            return False
        cdef StatusLine line = lanes.status_line(status)
        if line.code == 0:
            return False
        date, server = lanes.own_fields()
        fields = [date, server]
        for field in <list>headers:
            if type(field) is not tuple or len(<tuple>field) != 2:
                return False
            name, value = <tuple>field
            if type(name) is not str or type(value) is not str:
                return False
            kind = lanes.kind_of(name)
            if kind == HOP_FIELD:
                return False
            if kind == LENGTH_FIELD:
                if length is not None or not (value.isascii() and value.isdigit()) or len(value) > 18:
                    return False
                length = int(value)
                continue
            has_date = has_date or kind == DATE_FIELD
            has_server = has_server or kind == SERVER_FIELD
            fields.append(field)
        if has_server:
            del fields[1]
        if has_date:
            del fields[0]
        self.status, self.fields, self.length = line, fields, length
        return True

    cdef list headers(self):
        """What start_response was told, for another one (Date and Server stay as they are)."""
        if self.length is None:
            return self.fields[:]
        return [*self.fields, ("Content-Length", str(self.length))]

    cdef bint take_body(self) except -1:
        """The body in one piece, as long as announced; False if it is not so.

        The first piece of an iterable is taken only where its length is announced: as the whole
        body it goes out before the next one is asked for (PEP 3333).
        """
        result = self.result
        if type(result) is list or type(result) is tuple:
            if len(result) == 1 and type(result[0]) is bytes:
                self.body = result[0]
            else:
                for piece in result:
                    if type(piece) is not bytes:
                        return False
                self.body = b"".join(result)
            return len(self.body) <= BODY_MAX and (self.length is None or self.length == len(self.body))
        if self.length is None or not 0 < self.length <= BODY_MAX:
            return False
        if isinstance(result, self.route.template["wsgi.file_wrapper"]):
            return False
        PyContext_Enter(self.context)
        try:
            iterator = iter(result)
            piece = next(iterator, _END)
        except BaseException as error:
            self.result = PutBack(_Failed(error), result)
            return False
        finally:
            PyContext_Exit(self.context)
        if piece is _END:
            self.result = PutBack(iter(()), result)
            return False
        # It may have called write(), or start_response again, and so have left its lane.
        if self.run is None and type(piece) is bytes and len(<bytes>piece) == self.length:
            self.body = piece
            self.iterator = iterator
            return True
        self.result = PutBack(chain((piece,), iterator), result)
        return False

    cdef bytes head(self):
        """The response's head, None if a field of it must be refused."""
        cdef list fields = [*self.fields, ("Content-Length", str(len(self.body)))]
        if not self.keep_alive:
            fields.append(("Connection", "close"))
        return encode_head(self.status.line, fields)

    cdef int leave(self) except -1:
        """Out of the lane: an exchange, and a run that will do again what was done here."""
        exchange = self.connection.leave()
        exchange.received_at = self.received_at
        self.begun = Begun(self.environ)
        self.run = self.connection.lanes.service.go_on(exchange, self.begun, self.context)
        if self.status is not None:
            self.run_write = self.run.start_response(
                f"{self.status.code} {self.status.reason}", self.headers()
            )
        return 0

    cdef int finish(self, error) except -1:
        """Let the run go on with what the application returned or raised."""
        cdef object begun = self.begun
        cdef object result = self.result
        # Through the iterable or a traceback they lead back here, and would wait for the collector.
        self.result = self.iterator = self.begun = None
        begun.result = result
        begun.error = error
        self.run.run()
        if not begun.taken:  # the client had gone while the application ran
            begun.result = begun.error = None
            if error is None:
                PyContext_Enter(self.context)
                try:
                    self.close_result(result)
                finally:
                    PyContext_Exit(self.context)
            elif _is_failure(error):
                self.route.failure(self.asked(), "", error)
        return 0

    cdef dict asked(self):
        """What the logs are told of the request."""
        return {"REQUEST_METHOD": self.method, "REQUEST_URI": self.target}

    cdef int warn_of_more(self) except -1:
        self.route.warn(self.asked(), "the application sent more than its Content-Length; the rest was cut")
        return 0

    cdef int close_result(self, result) except -1:
        """In the call's context."""
        try:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            self.route.failure(self.asked(), ": close()", error)
        return 0

    cdef int exhaust(self, bint lost) except -1:
        """The body is out; the application's iterable still has its end and its close(), or if the
        client is ``lost`` its close() only."""
        PyContext_Enter(self.context)
        try:
            try:
                if not lost:
                    for piece in self.iterator:
                        if _is_piece(piece):
                            self.warn_of_more()
                            break
            except BaseException as error:
                if _is_failure(error):
                    self.route.failure(self.asked(), "", error)
            self.iterator = None
            self.close_result(self.result)
        finally:
            PyContext_Exit(self.context)
        return 0


@cython.final
cdef class LaneConnection:
    """Stands in the engine's tables where a general connection stands, with the methods that the
    engine calls on one.  ``deadline``: see `Connection.deadline`."""

    cdef readonly object sock
    cdef readonly object peer
    cdef public double deadline
    cdef readonly object info
    cdef Lanes lanes
    cdef Route route             # of the last request
    cdef int fd
    cdef bint open
    cdef double keep_alive
    cdef object address, port
    # Where the present request begins in the scratch buffer, and how much is there.
    cdef Py_ssize_t start, filled
    cdef object successor        # the general connection that an unbegun request was left to

    def __init__(self, Lanes lanes, sock, peer, info):
        self.lanes = lanes
        self.sock = sock
        self.peer = peer
        self.info = info
        self.fd = sock.fileno()
        self.open = True
        self.address = peer[0]
        self.port = str(peer[1])
        self.keep_alive = lanes.engine.limits.keep_alive
        self.deadline = _now() + lanes.engine.limits.header_timeout
        lanes.engine.loop.watch(sock, READ, self.on_ready)

    def on_ready(self, events):
        try:
            self.serve()
        except Exception:
            # The service broke its promise; only this client pays for it.
            self.lanes.engine.report("answering a request")
            self.close()

    cdef int serve(self) except -1:
        cdef Lanes lanes = self.lanes
        cdef const unsigned char *data = lanes.scratch
        cdef Head *head = &lanes.head
        cdef Route route
        cdef Py_ssize_t length
        cdef int answered = 0
        self.start = 0
        self.filled = recv(self.fd, lanes.scratch, SCRATCH, 0)
        if self.filled <= 0:
            if self.filled == 0 or not (errno == EAGAIN or errno == EINTR):
                self.close()
            return 0
        while self.start < self.filled:
            if answered == TURN_MAX or recognise(
                data + self.start, self.filled - self.start, &lanes.limits, head
            ) != SIMPLE:
                self.go_general()
                return 0
            length = head.consumed
            route = lanes.find(data + self.start, head, self.route, self.info)
            if route is None or (route.path_start and head.path.length <= route.path_start + 1):
                self.go_general()  # no lane, or the slash rule has a word to say
                return 0
            if head.content_length > 0:
                if head.content_length > route.body_max or head.content_length > self.filled - self.start - length:
                    self.go_general()  # too much, or not all there
                    return 0
                length += head.content_length
            if not head.keep_alive and self.start + length < self.filled:
                self.go_general()  # bytes behind the last request want the general one's care
                return 0
            self.route = route
            if not self.answer(data + self.start, head, route):
                return 0
            self.start += length
            answered += 1
        if lanes.engine.draining:
            self.close()
        else:
            self.deadline = _now() + self.keep_alive
            lanes.engine.stayed_idle(self)
        return 0

    cdef bint answer(self, const unsigned char *data, Head *head, Route route) except -1:
        """Run the application; False if the connection is closed or no longer this one's."""
        cdef Call call = Call.__new__(Call)
        cdef dict environ = self.lanes.environ(data, head, route)
        cdef bint is_head = head.method.length == 4 and memcmp(data + head.method.start, b"HEAD", 4) == 0
        cdef object failure = None
        cdef bytes response
        environ["REMOTE_ADDR"] = self.address
        environ["REMOTE_PORT"] = self.port
        if head.content_length > 0:
            body = PyBytes_FromStringAndSize(<const char *>data + head.consumed, head.content_length)
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(head.content_length)
        call.connection = self
        call.route = route
        call.environ = environ
        call.method = environ["REQUEST_METHOD"]
        call.target = environ["REQUEST_URI"]
        call.context = PyContext_CopyCurrent()
        call.received_at = _now()
        call.keep_alive = head.keep_alive
        PyContext_Enter(call.context)
        try:
            route.activate(environ, route.application)
            call.result = route.application(environ, call)
        except BaseException as error:
            failure = error
        finally:
            PyContext_Exit(call.context)
        if call.run is None:
            if failure is None and call.status is not None and not is_head and call.take_body():
                response = call.head()
                if response is not None:
                    return self.deliver(call, response)
                if call.iterator is not None:
                    call.result = PutBack(chain((call.body,), call.iterator), call.result)
            if call.run is None:
                call.leave()
        call.finish(failure)
        return False

    cdef bint deliver(self, Call call, bytes head) except -1:
        """Send it; False if the connection is closed or no longer this one's."""
        cdef bytes response = head + call.body
        cdef Py_ssize_t size = PyBytes_GET_SIZE(response)
        cdef double started_at = _now()
        cdef double delivered_at
        cdef bint lost
        cdef ssize_t sent = send(self.fd, PyBytes_AS_STRING(response), size, MSG_NOSIGNAL)
        if sent < 0 and (errno == EAGAIN or errno == EINTR):
            sent = 0
        lost = sent < 0
        call.over = True
        if 0 <= sent < size:
            call.length = len(call.body)
            exchange = self.leave()
            self.lanes.service.adopt(exchange)
            exchange.received_at = call.received_at
            try:
                exchange.respond_rest(
                    call.status.code, call.headers(), call.body, response[sent:], reason=call.status.reason
                )
            except ClientDisconnected:
                lost = True
        delivered_at = _now()
        if call.iterator is not None:
            call.exhaust(lost)
        call.result = None  # it may lead back to the call
        if call.route.log is not None and not 0 <= sent < size:
            call.route.log(
                self.peer,
                call.asked(),
                call.status.code,
                0 if lost else size,
                started_at - call.received_at,
                delivered_at - started_at,
            )
        call.environ.pop("skitai.was", None)  # its way back to the environ would wait for the collector
        if sent < 0 or not (call.keep_alive or sent < size):
            self.close()
        return self.open

    # -- out of the lane --------------------------------------------------------------------

    cdef bytes rest(self):
        """What was read, from the present request on; from here on it is somebody else's."""
        self.open = False
        return PyBytes_FromStringAndSize(
            <const char *>self.lanes.scratch + self.start, self.filled - self.start
        )

    cdef int go_general(self) except -1:
        """The present request is the general connection's."""
        data = self.rest()
        self.successor = self.lanes.engine.replace(self)
        self.successor.take_over(data)
        return 0

    cdef object leave(self):
        """The exchange of the present request, on the general connection in our place."""
        data = self.rest()
        return self.lanes.engine.replace(self).take_over_request(data)

    # -- what the engine calls ----------------------------------------------------------------

    def expire(self, now):
        """No request came in time."""
        self.close()

    def finish_soon(self):
        """The server stops: answer what lies in the socket, then close."""
        self.on_ready(READ)
        self.close()
        if self.successor is not None:
            self.successor.finish_soon()

    def close(self):
        """Idempotent; of no effect once another connection has the socket."""
        if self.open:
            self.open = False
            self.lanes.engine.loop.unwatch(self.sock)
            self.sock.close()
            self.lanes.engine.forget(self)


cdef bint _is_piece(piece) except -1:
    """Whether it is a piece of a body, and not an empty one."""
    if not piece:
        return False
    if not isinstance(piece, (bytes, str, bytearray, memoryview)):
        raise TypeError(f"a WSGI application's body is made of bytes, not {type(piece).__name__} (PEP 3333)")
    return True


cdef bint _is_failure(error):
    """Whether it belongs into the application's log."""
    return not isinstance(error, (ClientDisconnected, HTTPError, AppLoadError))


class PutBack:
    """Stands for an iterable of which something was taken."""

    def __init__(self, pieces, iterable):
        self._pieces = pieces
        self._iterable = iterable

    def __iter__(self):
        return self._pieces

    def close(self):
        close = getattr(self._iterable, "close", None)
        if close is not None:
            close()


class _Failed:
    """An iterator that fails as the one did of which it takes the place."""

    def __init__(self, error):
        self._error = error

    def __iter__(self):
        return self

    def __next__(self):
        raise self._error
