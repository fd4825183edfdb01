"""A connection that we have opened: one request after the other, each answered before the next.

    IDLE ──ask──▶ ASKING ──the answer is complete──▶ IDLE, or CLOSED where nothing may follow
      │              ├──────── broken, closed ─────▶ CLOSED
      │              └──────── 101: given away ────▶ CLOSED
      └── whatever comes unasked, or the end ──────▶ CLOSED

Who asks gives a `Taker`, and hears of the answer as it comes.  A server may answer before it has read the
whole request, and close: so when sending fails we go on reading, and only if no answer comes is that the
failure.  The answer ends the exchange all the same, for what it has not read would be taken for the
next request: such a connection is closed.

The loop thread, all of it.
"""

from __future__ import annotations

import enum
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from skitai._pure.engine.channel import RESET_ON_CLOSE
from skitai._pure.engine.loop import READ, WRITE, EventLoop, change_watch
from skitai._pure.engine.outgoing import Outgoing
from skitai._pure.engine.secure import SecureSocket, Transport
from skitai._pure.http1 import (
    NEED_DATA,
    PAUSED,
    ClientConnection,
    ConnectionClosed,
    Data,
    EndOfMessage,
    Headers,
    ResponseHead,
    State,
)
from skitai.errors import ReadError, RemoteProtocolError, SkitaiError, WriteError
from skitai.limits import Limits

if TYPE_CHECKING:
    import ssl

__all__ = ["OutboundConnection", "OutboundOwner", "SwitchTaker", "Taker"]

#: Read from a body at once.
_PIECE = 65536
#: A body up to this leaves together with the head.
_COPY_MAX = 16384
#: Of the name Host.
_HOST = 4


class Source(Protocol):
    """A body that is not in memory."""

    def read(self, size: int) -> bytes | None:
        """The next bytes, empty at the end; None: not yet, and `OutboundConnection.send_on` will say when."""

    @property
    def trailers(self) -> Headers:
        """Asked for at the end; only what is sent in chunks may have some."""


class Taker(Protocol):
    """Whoever has asked."""

    def sent(self, complete: bool) -> None:
        """The system has taken some of the request; ``complete``: its last byte."""

    def heard(self) -> None:
        """Some of the answer has come, perhaps not enough to be told of."""

    @property
    def is_patient(self) -> bool:
        """It has no use for an answer before all of it is there.  Asked by the compiled build, as `whole`."""

    def whole(self, head: ResponseHead, body: bytes, is_noted: bool) -> bool:
        """All of the answer at once, in the place of `head`, `data` and `end` without trailers.

        ``is_noted``: it has a field Content-Encoding or Keep-Alive.  False: it is wanted piece by piece, and
        nothing has changed.
        """

    def interim(self, head: ResponseHead) -> None:
        """An interim head, before the final one; not 101."""

    def head(self, head: ResponseHead) -> None:
        """The final head."""

    def data(self, data: bytes) -> bool:
        """A piece of the body; False: no more until `OutboundConnection.resume`."""

    def end(self, trailers: Headers) -> None:
        """The answer is complete.  The connection is no longer this taker's."""

    def failed(self, error: SkitaiError, unanswered: bool) -> None:
        """There will be no answer, or no more of it; ``unanswered``: not a byte of it has come."""


class SwitchTaker(Taker, Protocol):
    """Whoever has asked for another protocol."""

    def switched(self, head: ResponseHead, sock: Transport, left: bytes) -> None:
        """101: ``sock`` is this taker's, watched by nobody; ``left`` is what came behind the head."""


class OutboundOwner(Protocol):
    """Who keeps connections between two requests."""

    def freed(self, connection: OutboundConnection) -> None:
        """It is IDLE again, or CLOSED."""


class Standing(enum.Enum):
    IDLE = "nothing is asked"
    ASKING = "a request is on its way, or its answer"
    CLOSED = "over"

    __hash__ = object.__hash__


_IDLE, _ASKING, _CLOSED = Standing


class OutboundConnection:
    """``sock`` is connected, non-blocking, and has shaken hands where TLS is spoken."""

    __slots__ = (
        "_body",
        "_http",
        "_interest",
        "_is_silent",
        "_loop",
        "_outgoing",
        "_owner",
        "_scratch",
        "_switching",
        "_taker",
        "_write_error",
        "idle_until",
        "kept_for",
        "served",
        "sock",
        "standing",
    )

    def __init__(
        self, owner: OutboundOwner, loop: EventLoop, sock: Transport, limits: Limits, scratch: memoryview
    ) -> None:
        """``scratch``: what all connections of a loop read into (`Engine.scratch`)."""
        self._owner = owner
        self._loop = loop
        self._scratch = scratch
        self._http = ClientConnection(limits)
        self._outgoing = Outgoing()
        self._taker: Taker | None = None
        self._switching: SwitchTaker | None = None
        self._body: Source | None = None
        self._write_error: WriteError | None = None
        self._is_silent = True
        self._interest = READ
        self.sock = sock
        self.standing = _IDLE
        #: Requests that were answered here.
        self.served = 0
        #: For the owner: how long the server keeps it, in seconds.
        self.kept_for = float("inf")
        #: For the owner: when it is closed for having nothing to do.
        self.idle_until = 0.0
        loop.watch(sock, READ, self._on_ready)

    @property
    def is_idle(self) -> bool:
        return self.standing is _IDLE

    @property
    def tls(self) -> ssl.SSLObject | None:
        return self.sock.tls if isinstance(self.sock, SecureSocket) else None

    @property
    def is_sending(self) -> bool:
        """Some of the request has not left."""
        return self._interest & WRITE != 0

    def seems_alive(self) -> bool:
        """Nothing, and not the end, has come since the last answer."""
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return False

    # -- asking -------------------------------------------------------------------------------

    def ask(
        self, method: str, target: str, host: str, headers: Headers, body: bytes | Source, taker: Taker
    ) -> None:
        """Send a request; ``taker`` is told of all that follows, and of nothing before this has returned.

        ``host`` is sent in the field of this name, unless ``headers`` have another one; where there is a body
        they have Content-Length or Transfer-Encoding.

        Raises LocalProtocolError: this may not be sent; the connection is as it was.
        """
        if not any(len(name) == _HOST and name.lower() == "host" for name, _ in headers):
            headers = [("Host", host), *headers]
        data = self._http.send_request(method, target, headers)
        self.standing = _ASKING
        self._taker = taker
        self._is_silent = True
        if isinstance(body, bytes):
            if len(body) <= _COPY_MAX:
                data += self._http.send_data(body) + self._http.end_of_message()
            else:
                self._outgoing.append(data)
                self._outgoing.append(self._http.send_data(body))
                data = self._http.end_of_message()
        else:
            self._body = body
        try:
            empty = self._outgoing.send(self.sock, data)
        except WriteError as error:
            self._cannot_send(error)
            return
        if not empty or self._body is not None:
            self._set_interest(self._interest | WRITE)

    def ask_to_switch(self, method: str, target: str, headers: Headers, taker: SwitchTaker) -> None:
        """`ask` without a body, ``headers`` being with Host and Upgrade: the answer may be 101, which ends
        this connection for its owner."""
        self._switching = taker
        self.ask(method, target, "", headers, b"", taker)

    def send_on(self) -> None:
        """The source of the body has something again, or its end."""
        if self._body is not None:
            self._set_interest(self._interest | WRITE)

    def resume(self) -> None:
        """The taker has room again."""
        if self.standing is _ASKING and not self._interest & READ:
            self._set_interest(self._interest | READ)
            self._advance()

    def close(self) -> None:
        """Its taker is told nothing.  In the midst of a request the server gets a reset.  Idempotent."""
        if self.standing is _CLOSED:
            return
        is_cut = self._taker is not None or self._body is not None or self.is_sending
        self.standing = _CLOSED
        self._taker = self._switching = self._body = None
        self._set_interest(0)
        self._outgoing.clear()
        if is_cut:
            # The system would keep what the server does not read, megabytes of it, and offer it for minutes.
            with suppress(OSError):  # the server has closed already
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        elif isinstance(self.sock, SecureSocket):
            self.sock.say_goodbye()
        self.sock.close()

    def give_up(self) -> None:
        """`close`, of which the owner is told."""
        self.close()
        self._owner.freed(self)

    # -- the socket ---------------------------------------------------------------------------

    def _on_ready(self, events: int) -> None:
        if events & WRITE & self._interest:
            self._on_writable()
        if events & READ & self._interest:
            self._on_readable()

    def _set_interest(self, interest: int) -> None:
        self._interest = change_watch(self._loop, self.sock, self._interest, interest, self._on_ready)

    def _on_writable(self) -> None:
        taker = self._taker
        assert taker is not None
        try:
            empty = self._outgoing.flush(self.sock)
            while empty and self._body is not None:
                piece = self._next_piece(self._body)
                if piece is None:
                    break
                empty = self._outgoing.send(self.sock, piece)
        except WriteError as error:
            self._cannot_send(error)
            return
        except Exception as error:
            # Its source has failed, or does not keep to its size: what was sent is no whole request.
            self._fail(WriteError(f"the body of the request could not be sent: {error}"), cause=error)
            return
        if empty:
            self._set_interest(self._interest & ~WRITE)
        taker.sent(empty and self._body is None)

    def _next_piece(self, body: Source) -> bytes | None:
        data = body.read(_PIECE)
        if data:
            return self._http.send_data(data)
        if data is None:
            return None
        self._body = None
        return self._http.end_of_message(body.trailers)

    def _cannot_send(self, error: WriteError) -> None:
        """An answer may have come, or be about to."""
        self._write_error = error
        self._body = None
        self._outgoing.clear()
        self._set_interest(self._interest & ~WRITE | READ)

    def _on_readable(self) -> None:
        try:
            data = bytes(self._scratch[: self.sock.recv_into(self._scratch)])
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            failure = ReadError(f"reading from the server failed: {error.strerror or error}")
            self._fail(self._write_error or failure, cause=error)
            return
        if self._taker is None:
            self.close()  # nobody has asked; or the end
            self._owner.freed(self)
            return
        if data:
            self._is_silent = False
            self._taker.heard()
        elif self._is_silent:
            closed = ReadError("the server closed the connection without an answer")
            self._fail(self._write_error or closed)
            return
        elif isinstance(self.sock, SecureSocket) and not self.sock.ended and self._http.ends_with_connection:
            self._fail(ReadError("the connection ended without TLS's close_notify: the answer may be cut"))
            return
        self._http.receive_data(data)
        self._advance()

    def _advance(self) -> None:
        taker = self._taker
        try:
            while taker is self._taker and taker is not None:
                event = self._http.next_event()
                if event is NEED_DATA:
                    return
                if type(event) is Data:
                    if not taker.data(event.data):
                        self._set_interest(self._interest & ~READ)
                        return
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
                    self._fail(self._write_error or closed)
        except RemoteProtocolError as error:
            # Its traceback leads to the taker, who keeps it and would wait for the collector.
            self._fail(error.with_traceback(None))

    def _switch(self, head: ResponseHead) -> None:
        taker, self._switching = self._switching, None
        if taker is None:
            raise RemoteProtocolError("101 (Switching Protocols) where nobody asked for it")
        self._taker = None
        self.standing = _CLOSED
        self._set_interest(0)
        taker.switched(head, self.sock, self._http.trailing_data)
        self._owner.freed(self)

    def _end(self, taker: Taker, event: EndOfMessage) -> None:
        self._taker = self._switching = None
        self.served += 1
        if self._may_go_on():
            self._http.start_next_cycle()
            self.standing = _IDLE
        else:
            self.close()
        taker.end(event.trailers)
        self._owner.freed(self)

    def _may_go_on(self) -> bool:
        """Both messages are complete, and nothing lies behind them."""
        http = self._http
        if self._outgoing.size or self._write_error is not None:
            return False
        return http.our_state is State.DONE and not http.must_close and not http.buffered

    def _fail(self, error: SkitaiError, *, cause: BaseException | None = None) -> None:
        taker, unanswered = self._taker, self._is_silent
        error.__cause__ = cause or error.__cause__
        self.close()
        if taker is not None:
            taker.failed(error, unanswered)
        self._owner.freed(self)
