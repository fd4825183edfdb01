"""One request on its way, and what became of it.

    WAITING ──a connection──▶ ASKING ──a byte of the answer──▶ ANSWERED ──▶ OVER
       ▲                        │
       └── a kept connection ───┘
           had died, once

What may be asked again and when is RFC 9110 section 9.2.2 and RFC 9112 section 9.3.1: a connection that was
kept may be closed by the server at the moment at which we write.  If no byte of an answer has come, a
request that is repeatable goes out once more, over a connection that is made for it.  What is not
repeatable is asked over a kept connection only if that looks alive, and never twice.

Four clocks: `Request` has their names.  The client looks at ``due``.

The loop thread, but for `cancel` and `resume`, and for what an `Outcome` has once it is OVER.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from skitai._kernels import engine, http1
from skitai.core.outbound.decoding import Decoder, decoder
from skitai.core.outbound.request import Outcome, Request, Response, Sink
from skitai.errors import (
    CallCancelled,
    LocalProtocolError,
    NetworkTimeout,
    ResponseTooLarge,
    SkitaiError,
    WriteError,
)

__all__ = ["Connections", "Fetch", "FetchOwner", "Stage", "kept_for"]

_FOREVER = float("inf")
#: Decoded at once for a sink.
_PIECE_MAX = 1 << 18
#: Say so when their body is empty (RFC 9110 section 8.6).
_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})
#: Of the names Content-Encoding and Keep-Alive.
_CODING, _KEEPING = 16, 10
_KEPT_FOR = re.compile(r"\btimeout=([0-9]{1,9})\b")
_TOO_SLOW = {
    "first_byte_timeout": "no answer began in time",
    "between_bytes_timeout": "nothing was sent or received for too long",
}


class FetchOwner(Protocol):
    """The client."""

    loop: engine.EventLoop

    def look_at(self, due: float) -> None: ...
    def done(self, fetch: Any) -> None:
        """It is over."""


class Connections(Protocol):
    """The pool of an origin."""

    #: As the field Host has it.
    authority: str

    def want(self, fetch: Any) -> None: ...
    def leaves(self, *, unwanted: bool) -> None: ...
    def freed(self, connection: Any) -> None: ...


class Stage(enum.Enum):
    WAITING = "for a connection"
    ASKING = "the request leaves, or its answer is waited for"
    ANSWERED = "the answer has begun"
    OVER = "there is an outcome"

    __hash__ = object.__hash__


_WAITING, _ASKING, _ANSWERED, _OVER = Stage


class Fetch:
    """An `Outcome`, and who can cancel it."""

    __slots__ = (
        "_began",
        "_client",
        "_connection",
        "_decoder",
        "_head",
        "_is_kept",
        "_limit",
        "_on_done",
        "_pieces",
        "_runs_out",
        "_size",
        "_stage",
        "due",
        "elapsed",
        "error",
        "is_queued",
        "pool",
        "request",
        "response",
        "wants_new",
    )

    def __init__(self, client: FetchOwner, request: Request, on_done: Callable[[Outcome], None]) -> None:
        self._client = client
        self._on_done: Callable[[Outcome], None] | None = on_done
        self._began = monotonic()
        self._stage = _WAITING
        #: An `engine.OutboundConnection`, but for questions over WebSockets (messages.py).
        self._connection: Any = None
        #: When the clock runs out that runs beside the deadline.
        self._runs_out = _FOREVER
        #: Of the origin; None: nobody has looked at it yet.
        self.pool: Connections | None = None
        self.request = request
        self.response: Response | None = None
        self.error: SkitaiError | None = None
        self.elapsed = 0.0
        #: When the next clock runs out.
        self.due = request.deadline
        #: For the pool: it is among those that wait for a connection.
        self.is_queued = False
        #: Not a connection that was kept: the last one of these was dead.
        self.wants_new = False

    # -- any thread ---------------------------------------------------------------------------

    def cancel(self, error: SkitaiError | None = None) -> None:
        self._client.loop.call_soon(self.fail, error or CallCancelled("the call was cancelled"))

    def extend(self, deadline: float) -> None:
        self.request.deadline = deadline  # which is looked at again when it seems to have passed

    def resume(self) -> None:
        """The sink has room again."""
        self._client.loop.call_soon(self._resume)

    # -- a connection -------------------------------------------------------------------------

    def go(self, connection: Any) -> None:
        """``connection``, which is idle, is ours."""
        request = self.request
        pool = self.pool
        assert pool is not None
        target, headers = request.target, request.headers
        if request.origin.proxy is not None and request.origin.scheme == "http":
            target, headers = _for_proxy(request, pool.authority)
        if request.body != b"" or request.method in _WITH_LENGTH:
            headers = _framed(request, headers)
        self._connection = connection
        #: It has served others before: it may have ended since.
        self._is_kept = connection.served > 0
        self._stage = _ASKING
        try:
            connection.ask(request.method, target, pool.authority, headers, request.body, self)
        except LocalProtocolError as error:
            self.fail(error)
            return
        if connection.is_sending:
            self._set_clock("between_bytes_timeout", request.between_bytes_timeout)
        elif request.first_byte_timeout:
            self._set_clock("first_byte_timeout", request.first_byte_timeout)

    def go_on(self, connection: Any, began_at: float) -> None:
        """``connection`` is ours, and the request has left over it, or is about to."""
        request = self.request
        pool = self.pool
        assert pool is not None
        body = request.body
        assert isinstance(body, bytes)
        headers = request.headers
        if body or request.method in _WITH_LENGTH:
            headers = _framed(request, headers)
        self._connection = connection
        self._is_kept = connection.served > 0
        self._stage = _ASKING
        self._began = began_at
        connection.hand_over(request.method, request.target, pool.authority, headers, len(body), self)
        if connection.is_sending:
            self._set_clock("between_bytes_timeout", request.between_bytes_timeout)
        else:
            self._limit = "first_byte_timeout"
            self._runs_out = began_at + (request.first_byte_timeout or _FOREVER)
            self._look()

    def accepts(self, connection: Any) -> bool:
        """Whether it may be asked over this one, which was kept."""
        return not self.wants_new and (self.request.repeatable or connection.seems_alive())

    # -- clocks -------------------------------------------------------------------------------

    def _set_clock(self, limit: str, seconds: float) -> None:
        """From now on the clock of ``limit`` runs, beside the deadline; 0 seconds: none."""
        #: Which one it is.
        self._limit = limit
        self._runs_out = monotonic() + seconds if seconds else _FOREVER
        self._look()

    def _look(self) -> None:
        self.due = min(self._runs_out, self.request.deadline)
        self._client.look_at(self.due)

    def expire(self, now: float) -> None:
        """``due`` has passed."""
        if now >= self.request.deadline:
            waited = now - self._began
            self.fail(NetworkTimeout(f"no complete answer within {waited:.3g} s", limit="timeout"))
        elif now >= self._runs_out:
            self.fail(NetworkTimeout(_TOO_SLOW[self._limit], limit=self._limit))
        else:
            self._look()  # whoever waits has given it more time

    # -- the answer: engine.Taker ---------------------------------------------------------------

    def sent(self, complete: bool) -> None:
        request = self.request
        if complete and self._stage is _ASKING:
            self._set_clock("first_byte_timeout", request.first_byte_timeout)
        else:
            self._set_clock("between_bytes_timeout", request.between_bytes_timeout)

    def heard(self) -> None:
        self._stage = _ANSWERED
        between = self.request.between_bytes_timeout
        if between or self._runs_out != _FOREVER:
            self._set_clock("between_bytes_timeout", between)

    @property
    def is_patient(self) -> bool:
        request = self.request
        return request.sink is None and not (request.first_byte_timeout or request.between_bytes_timeout)

    def whole(self, head: http1.ResponseHead, body: bytes, is_noted: bool) -> bool:
        request = self.request
        if request.sink is not None:
            return False
        if is_noted and self._heed(head) and request.decodes:
            undone = _undone(head, body, request.response_max + 1)
            if undone is None:
                return False
            body = undone
        if len(body) > request.response_max:
            return False
        self._connection = None
        self.response = Response(head, body, [])
        self._finish()
        return True

    def interim(self, head: http1.ResponseHead) -> None:
        """Nobody has use for it."""

    def head(self, head: http1.ResponseHead) -> None:
        request = self.request
        self._head = head
        self._decoder: Decoder | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        if self._heed(head) and request.decodes:
            self._decoder = decoder(head.get("content-encoding") or "")
        if request.sink is not None:
            request.answered_after = monotonic() - self._began
            self._guarded(request.sink.begin, head, self.resume)

    def _heed(self, head: http1.ResponseHead) -> bool:
        """How long the connection is kept; whether the body is coded."""
        is_coded = False
        for name, value in head.headers:
            size = len(name)  # a name in lower case is made for few of them
            if size == _CODING:
                is_coded = is_coded or name.lower() == "content-encoding"
            elif size == _KEEPING and name.lower() == "keep-alive" and self._connection is not None:
                self._connection.kept_for = kept_for(value)
        return is_coded

    def data(self, data: bytes) -> bool:
        if self._decoder is not None:
            return self._decode(self._decoder, data)
        if self.request.sink is not None:
            return self._pass_on(self.request.sink, data)
        self._keep(data)
        return True

    def _decode(self, decoder: Decoder, data: bytes) -> bool:
        sink = self.request.sink
        try:
            if sink is None:
                # One byte more than may be: who needs it is told.
                self._keep(decoder.push(data, self.request.response_max - self._size + 1))
                return True
            piece = decoder.push(data, _PIECE_MAX)
        except SkitaiError as error:
            self.fail(error)
            return True
        has_room = not piece or self._pass_on(sink, piece)
        if self._stage is _OVER or not decoder.pending:
            return has_room
        # A few bytes may stand for gigabytes: no more are read before these are undone, a piece in each turn
        # of the loop, which has others to serve.
        if has_room:
            self._set_clock("", 0)
            self._client.loop.call_soon(self._resume)
        return False

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        most = self.request.response_max
        if self._size > most:
            self.fail(ResponseTooLarge(f"the answer is longer than {most} bytes (response_max)"))
        elif data:
            self._pieces.append(data)

    def _pass_on(self, sink: Sink, data: bytes) -> bool:
        has_room = self._guarded(sink.write, data) is not False
        if not has_room:
            self._set_clock("", 0)  # it is not the server who is slow
        return has_room

    def _guarded(self, step: Callable[..., object], *args: object) -> object:
        try:
            return step(*args)
        except Exception as error:
            failure = WriteError(f"the answer could not be kept: {error}")
            failure.__cause__ = error
            self.fail(failure)
            return None

    def end(self, trailers: http1.Headers) -> None:
        if self._stage is _OVER:
            return
        self._connection = None
        if self._decoder is not None and not self._ends_well(self._decoder):
            return
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.response = Response(self._head, body, trailers)
        self._finish()

    def _ends_well(self, decoder: Decoder) -> bool:
        try:
            decoder.end()
        except SkitaiError as error:
            self.fail(error)
        return self._stage is not _OVER

    def failed(self, error: SkitaiError, unanswered: bool) -> None:
        self._connection = None
        if self._stage is _OVER:
            return
        if unanswered and self._is_kept and self.request.repeatable and self._rewind():
            self._stage = _WAITING
            self.wants_new = True
            self._set_clock("", 0)
            assert self.pool is not None
            self.pool.want(self)
        else:
            self.fail(error)

    def _rewind(self) -> bool:
        body = self.request.body
        return isinstance(body, bytes) or body.rewind()

    def fail(self, error: SkitaiError) -> None:
        """It is over, unless it was so before."""
        if self._stage is _OVER:
            return
        self.error = error
        if self.is_queued and self.pool is not None:
            self.is_queued = False
            self.pool.leaves(unwanted=isinstance(error, CallCancelled))
        connection, self._connection = self._connection, None
        if connection is not None:
            # What is still to come of the answer would be read as that of the next request.
            connection.close()
            assert self.pool is not None
            self.pool.freed(connection)
        self._finish()

    def _finish(self) -> None:
        if self._stage is _ANSWERED:
            self._pieces = []
            self._decoder = None
        self._stage = _OVER
        self.due = _FOREVER
        self.elapsed = monotonic() - self._began
        body = self.request.body
        if not isinstance(body, bytes):
            body.close()
        self._client.done(self)
        # Whoever is told may hold us, and would wait for the collector.
        on_done, self._on_done = self._on_done, None
        assert on_done is not None
        on_done(self)

    def _resume(self) -> None:
        decoder = self._decoder
        if decoder is not None and decoder.pending and not self._decode(decoder, b""):
            return
        if self._connection is not None:
            self._set_clock("between_bytes_timeout", self.request.between_bytes_timeout)
            self._connection.resume()


def kept_for(value: str) -> float:
    """How long the server keeps the connection that says this in Keep-Alive; seconds."""
    found = _KEPT_FOR.search(value)
    return float(found[1]) if found else _FOREVER


def _for_proxy(request: Request, authority: str) -> tuple[str, http1.Headers]:
    """Target and fields of what a proxy passes on in the clear (RFC 9112 section 3.2.2)."""
    authorization = request.origin.proxy_authorization
    added = [("Proxy-Authorization", authorization)] if authorization else []
    return f"http://{authority}{request.target}", [*request.headers, *added]


def _framed(request: Request, headers: http1.Headers) -> http1.Headers:
    """With what says where the body ends."""
    body = request.body
    size = len(body) if isinstance(body, bytes) else body.size
    if size is None:
        return [*headers, ("Transfer-Encoding", "chunked")]
    return [*headers, ("Content-Length", str(size))]


def _undone(head: http1.ResponseHead, body: bytes, limit: int) -> bytes | None:
    """The first ``limit`` bytes of ``body`` without its codings; None: it has a fault, whatever that is."""
    try:
        undoing = decoder(head.get("content-encoding") or "")
        if undoing is None:
            return body
        undone = undoing.push(body, limit)
        if not undoing.pending:
            undoing.end()
    except SkitaiError:
        return None
    return undone
