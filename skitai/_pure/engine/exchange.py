"""One request and its response, as the layers above the engine see it.

The engine makes an `Exchange` when a request head is complete and hands it to the
service.  From `Service.execute` on, *one thread at a time* holds it: the one that the
service gave it to.  That thread sends the response from where it is; only what the
socket does not take at once is left to the loop thread.

Every method takes the connection's lock and first asks whether this exchange is still
the connection's current one.  When the client has gone, or the response came too late
and the engine answered 503 in its place, it is not, and `ClientDisconnected` is raised:
a late handler can neither write into somebody else's response nor see a half-dead one.  Who
would send in a child that a handler has forked does not get as far as that (`skitai._forks`).

How far it is: `progress`.
"""

from __future__ import annotations

import selectors
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeAlias

from skitai import _forks
from skitai._pure.engine.keeping import LastingFile
from skitai._pure.engine.loop import EventLoop, Timer
from skitai._pure.engine.outgoing import Outgoing
from skitai._pure.engine.progress import (
    DELIVERED,
    ENDED,
    GONE,
    MOVES,
    PENDING,
    STREAMING,
    Progress,
)
from skitai._pure.engine.secure import Transport
from skitai._pure.http1 import Headers, RequestHead, ServerConnection
from skitai._waiting import Future, parks
from skitai.errors import ClientDisconnected, ResponseOverdue, WriteError
from skitai.limits import Limits

if TYPE_CHECKING:
    import ssl

__all__ = [
    "DELIVERED",
    "ENDED",
    "GONE",
    "PENDING",
    "STREAMING",
    "BodySink",
    "Exchange",
    "Meter",
    "Part",
    "Progress",
    "Wire",
]

#: Of a body that comes from a file: bytes, or offset and count of a range.
Part: TypeAlias = bytes | tuple[int, int]

#: A body up to this is copied behind its head: one plain send costs less than gathering two.
_COPY_MAX = 16384


class Meter(Protocol):
    """Told what a thread does in an application, by that thread itself."""

    @property
    def burns(self) -> bool:
        """What is known by now: see `Job.burns`."""

    def begin(self) -> None: ...
    def end(self) -> None: ...


class BodySink(Protocol):
    """Takes a request's body as it comes, in the loop thread."""

    def write(self, data: bytes) -> object:
        """False: no more until `Exchange.resume_body`.  Raises HTTPError to refuse the rest of the body with
        that status."""

    def finish(self) -> None:
        """The body is complete."""

    def close(self) -> None:
        """The body is not wanted any more, or never came; may be called twice."""


class Wire(Protocol):
    """What an exchange needs of its connection; all but ``peer``, ``info``, ``loop``, ``limits``
    and ``tls`` under ``lock``."""

    exchange: Exchange | None
    http: ServerConnection
    lock: threading.Lock
    outgoing: Outgoing
    peer: tuple[str, int]
    sent_before: int
    sock: Transport

    @property
    def info(self) -> Any: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def loop(self) -> EventLoop: ...
    @property
    def tls(self) -> ssl.SSLObject | None: ...
    def own_lines(self, headers: Headers) -> bytes: ...
    def keep(self, exchange: Exchange, lasting: LastingFile, descriptor: int) -> None: ...
    def resume_body(self) -> None: ...
    def prepare_response(self, exchange: Exchange) -> None: ...
    def response_delivered(self, exchange: Exchange) -> None: ...
    def flush(self, data: bytes = b"") -> bool: ...
    def abandon(self, *, reset: bool) -> None: ...


#: ``(owner, sock, peer, info)`` to what stands in the engine's tables from then on.
Successor: TypeAlias = Callable[[Any, Transport, tuple[str, int], Any], Any]


class Exchange:
    """Times are ``time.monotonic()`` seconds; ``bytes_sent`` counts what the operating system took
    of head, framing and body."""

    __slots__ = (
        "_on_lost",
        "_on_room",
        "burns",
        "bytes_sent",
        "connection",
        "context",
        "delivered_at",
        "further_fields",
        "head",
        "is_parked",
        "is_passed_on",
        "lasts",
        "meter",
        "overdue",
        "progress",
        "queue_max",
        "received_at",
        "response_timeout",
        "sink",
        "slot",
        "started_at",
        "status",
        "successor",
        "trailers",
    )

    def __init__(self, connection: Wire, head: RequestHead) -> None:
        self.connection = connection
        self.head = head
        #: The service's own: what it decided about this request.
        self.context: Any = None
        #: The service's too: fields of whatever answer is given, unless it has some of the same name.
        self.further_fields: Sequence[tuple[str, str]] = ()
        #: Where the request's body goes; None discards it.  The engine closes it if the request
        #: never gets as far as `Service.execute`; afterwards that is the service's.
        self.sink: BodySink | None = None
        #: Seconds from the complete request to the head of the response.
        self.response_timeout = connection.limits.response_timeout
        #: Set where the handler is known to last, and perhaps to compute (`Job.burns`): to be told how
        #: long it took, and how long on the processor; seconds.
        self.meter: Meter | None = None
        #: Its handler is known to compute, to last (`Job.burns`, `Job.lasts`).
        self.burns = False
        self.lasts = False
        #: Its handler waits on a stack that is parked: it holds no thread.
        self.is_parked = False
        #: Set by the service when it admits the request, which it passes on while that comes: it is
        #: not asked to execute it, its sink is told of the end even where the response has begun, and 100
        #: (Continue) is its own to send.
        self.is_passed_on = False
        #: Fields behind the body of such a request, once its sink is told of the end.
        self.trailers: Headers = []
        #: response_timeout has passed, and the client was answered in the holder's place.
        self.overdue = False
        self.progress = PENDING
        #: Bytes that may wait for the client before `write` asks for no more.
        self.queue_max = connection.limits.write_queue_max
        self.status = 0
        self.bytes_sent = 0
        #: Where it is counted (`MountSlots`), as the service says when it admits it.
        self.slot = 0
        self.received_at = monotonic()
        self.started_at = 0.0
        self.delivered_at = 0.0
        #: Who has the connection behind a response of 101.
        self.successor: Successor | None = None
        self._on_lost: Callable[[], None] | None = None
        self._on_room: Callable[[], None] | None = None

    @property
    def peer(self) -> tuple[str, int]:
        """Address and port of the socket's other end; ``("", 0)`` for a unix socket."""
        return self.connection.peer

    @property
    def listener(self) -> Any:
        """What the service passed as ``info`` when it opened the listener."""
        return self.connection.info

    @property
    def tls(self) -> ssl.SSLObject | None:
        """What was agreed with the client (``version()``, ``cipher()``, ``getpeercert()``; nothing else of it
        is for asking); None: nothing is encrypted."""
        return self.connection.tls

    # -- the response; the holder's thread ----------------------------------------------

    def respond(self, status: int, headers: Headers, body: bytes = b"", *, reason: str | None = None) -> None:
        """The whole response; head and body leave in one system call."""
        _forks.check()
        connection = self.connection
        with connection.lock:
            self._check_current(PENDING)
            head = self._open(status, headers, reason)
            http = connection.http
            if len(body) <= _COPY_MAX:
                whole = head + http.send_data(body) + http.end_of_message()
                self.progress = MOVES[self.progress][ENDED]
                self._flush(whole)
            else:
                outgoing = connection.outgoing
                outgoing.append(head)
                outgoing.append(http.send_data(body))
                outgoing.append(http.end_of_message())
                self.progress = MOVES[self.progress][ENDED]
                self._flush()

    def respond_file(
        self,
        status: int,
        headers: Headers,
        file: BinaryIO,
        offset: int,
        count: int,
        *,
        reason: str | None = None,
    ) -> None:
        """The same with ``count`` bytes of ``file``, which is taken over and closed.

        ``headers`` must carry the Content-Length.  The file is closed also when this raises.
        """
        self.respond_parts(status, headers, file, ((offset, count),), reason=reason)

    def respond_parts(
        self,
        status: int,
        headers: Headers,
        file: BinaryIO,
        parts: Sequence[Part],
        *,
        reason: str | None = None,
    ) -> None:
        """The same with several ranges of ``file``, the last of them not empty, and bytes around them."""
        _forks.check()
        connection = self.connection
        try:
            with connection.lock:
                self._check_current(PENDING)
                outgoing, http = connection.outgoing, connection.http
                outgoing.append(self._open(status, headers, reason))
                last = max(place for place, part in enumerate(parts) if type(part) is tuple)
                for place, part in enumerate(parts):
                    if isinstance(part, bytes):
                        outgoing.append(http.send_data(part))
                    elif http.skip_data(part[1]):
                        outgoing.append_file(file, *part, is_last=place == last)
                    elif place == last:  # HEAD: the length is told, the bytes stay
                        file.close()
                outgoing.append(http.end_of_message())
                self.progress = MOVES[self.progress][ENDED]
                self._flush()
        except BaseException:
            file.close()
            raise

    def keep(self, lasting: LastingFile, descriptor: int) -> None:
        """Loop thread: the answer is (a part of) ``lasting``, open as ``descriptor`` where it brings no
        content; the engine may give it to others without asking."""
        self.connection.keep(self, lasting, descriptor)

    def start(self, status: int, headers: Headers, *, reason: str | None = None) -> None:
        """Hand over the head; it leaves with the first `write` or with `end`."""
        _forks.check()
        with self.connection.lock:
            self._check_current(PENDING)
            self.connection.outgoing.append(self._open(status, headers, reason))

    def switch(self, headers: Headers, successor: Successor) -> None:
        """101: with its last byte the connection is no longer HTTP's, and ``successor`` is called in the loop
        thread.  Raises LocalProtocolError where the client has not asked for it."""
        _forks.check()
        connection = self.connection
        with connection.lock:
            self._check_current(PENDING)
            own = connection.own_lines(headers)
            self._leave_http(101, connection.http.send_informational(101, headers, own), successor)

    def establish(self, successor: Successor) -> None:
        """200 to CONNECT, and the same."""
        _forks.check()
        connection = self.connection
        with connection.lock:
            self._check_current(PENDING)
            own = connection.own_lines([])
            self._leave_http(
                200, connection.http.send_response(200, [], "Connection established", own), successor
            )

    def _leave_http(self, status: int, head: bytes, successor: Successor) -> None:
        self.status = status
        self.started_at = monotonic()
        self.successor = successor
        self.progress = MOVES[self.progress][STREAMING]
        self.progress = MOVES[self.progress][ENDED]
        self._flush(head)

    def inform(self, status: int, headers: Headers) -> bool:
        """An interim response, other than 101; clients of HTTP/1.0 get none.  False: more waits for the
        client than should, and nothing will say when it does no more."""
        _forks.check()
        connection = self.connection
        with connection.lock:
            self._check_current(PENDING)
            self._flush(connection.http.send_informational(status, headers))
            return connection.outgoing.size < self.queue_max

    def write(self, data: bytes) -> bool:
        """Send a piece of the body; False asks for no more until `when_room`."""
        _forks.check()
        connection = self.connection
        with connection.lock:
            self._check_current(STREAMING)
            self._flush(connection.http.send_data(data))
            return connection.outgoing.size < self.queue_max

    def write_waiting(self, data: bytes) -> None:
        """`write` for WSGI's ``write()``: parks the calling stack or blocks its thread until there is room.

        In the loop thread (``threads = 0``) nobody else could send meanwhile: the socket
        itself is waited for, and everybody else waits too.
        """
        if self.write(data):
            return
        if not parks() and self.connection.loop.in_loop_thread():
            self._flush_blocking()
            return
        room = Future()

        def go_on() -> None:
            room.complete()

        if self.when_room(go_on):
            # The stall limit of the connection ends this wait: it makes the exchange GONE.
            room.wait()

    def end(self, trailers: Headers | None = None) -> None:
        """The message is complete; ``trailers`` are left out where it is not sent in chunks."""
        _forks.check()
        with self.connection.lock:
            self._check_current(STREAMING)
            http = self.connection.http
            end = http.end_of_message(trailers if trailers and http.response_chunked else ())
            self.progress = MOVES[self.progress][ENDED]
            self._flush(end)

    def abort(self) -> None:
        """End the connection so that the client sees a truncated message, never a lie."""
        _forks.check()
        connection = self.connection
        with connection.lock:
            if connection.exchange is self and self.progress is not DELIVERED:
                self._lose()
                connection.abandon(reset=True)

    def when_room(self, callback: Callable[[], None]) -> bool:
        """Call ``callback()`` in the loop thread once the client has taken most of what waits,
        or has gone.  False: there is room already, and nothing will be called."""
        connection = self.connection
        with connection.lock:
            self._check_current(STREAMING)
            if connection.outgoing.size <= self.queue_max // 4:
                return False
            self._on_room = callback
            return True

    def when_lost(self, callback: Callable[[], None]) -> bool:
        """Call ``callback()`` in the loop thread once a response can never be complete: the client has
        gone, or was answered in the holder's place.  False: so it is already, and nothing will be called."""
        with self.connection.lock:
            if not self.is_current:
                return False
            self._on_lost = callback
            return True

    @property
    def loss(self) -> ClientDisconnected | None:
        """Why the response will never be complete; None while it can be, or is."""
        if self.progress is not GONE:
            return None
        if self.overdue:
            return ResponseOverdue("response_timeout has passed: the client was answered 503 in your place")
        return ClientDisconnected("the client has gone: nobody waits for the response")

    def resume_body(self) -> None:
        """Loop thread: the sink has room again."""
        if self.connection.exchange is self:
            self.connection.resume_body()

    def yield_turn(self, callback: Callable[[], None]) -> None:
        """Call ``callback()`` in the loop thread after the other connections had their turn."""
        self.connection.loop.call_soon(callback)

    @property
    def call_later(self) -> Callable[[float, Callable[[], None]], Timer]:
        """Loop thread: ``call_later(delay, callback)`` calls ``callback()`` there in ``delay`` seconds,
        whatever becomes of this exchange, of which it holds nothing."""
        return self.connection.loop.call_later

    @property
    def is_current(self) -> bool:
        """Whether a response can still be given; False once the client is known to be gone."""
        return self.connection.exchange is self and self.progress is not GONE

    # -- inside the engine; under the connection's lock -----------------------------------

    def _check_current(self, wanted: Progress) -> None:
        if self.connection.exchange is not self or self.progress is GONE:
            raise ClientDisconnected("the client has gone, or was answered in your place (response_timeout)")
        if self.progress is not wanted:
            raise RuntimeError(f"the response is {self.progress.name}, this call needs {wanted.name}")

    def _open(self, status: int, headers: Headers, reason: str | None) -> bytes:
        """The head on the wire; from here on the response is this one."""
        connection = self.connection
        if self.further_fields:
            given = {name.lower() for name, _ in headers}
            headers = [*headers, *(field for field in self.further_fields if field[0].lower() not in given)]
        connection.prepare_response(self)
        head = connection.http.send_response(status, headers, reason, connection.own_lines(headers))
        self.status = status
        self.started_at = monotonic()
        self.progress = MOVES[self.progress][STREAMING]
        return head

    def _flush(self, data: bytes = b"") -> None:
        connection = self.connection
        try:
            empty = connection.flush(data)
        except WriteError as error:
            self._lose()
            connection.abandon(reset=False)
            raise ClientDisconnected(str(error)) from error
        if empty and self.progress is ENDED:
            self._deliver()

    def _flush_blocking(self) -> None:
        connection = self.connection
        with selectors.DefaultSelector() as selector:
            selector.register(connection.sock, selectors.EVENT_WRITE)
            while connection.outgoing.size:
                if not selector.select(connection.limits.send_stall_timeout):
                    self.abort()
                    raise ClientDisconnected("the client took no byte within send_stall_timeout")
                with connection.lock:
                    self._check_current(STREAMING)
                    self._flush()

    def _deliver(self) -> None:
        self._finish(DELIVERED)
        self.connection.response_delivered(self)

    def _lose(self) -> None:
        """The response will never be complete; tell those who wait for it.  Idempotent."""
        if self.progress is GONE:
            return
        callbacks = (self._take_room_callback(), self._on_lost)
        self._finish(GONE)
        for callback in callbacks:
            if callback is not None:
                self.connection.loop.call_soon(callback)

    def _finish(self, progress: Progress) -> None:
        self.progress = MOVES[self.progress][progress]
        self._on_lost = None
        self.delivered_at = monotonic()
        outgoing = self.connection.outgoing
        self.bytes_sent = outgoing.total - outgoing.size - self.connection.sent_before

    def _take_room_callback(self) -> Callable[[], None] | None:
        callback, self._on_room = self._on_room, None
        return callback
