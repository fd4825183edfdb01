"""What stands in the place of an HTTP exchange where an application is called for a WebSocket.

A `Run` calls the application as it does for a request, and tells its exchange what came of it.  Here that is
kept until it is complete, in memory, and handed over as one `Outcome`: it becomes a message, or nothing.

One thread at a time, the run's; `lose` comes from the loop thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, NamedTuple

from skitai._kernels import engine, http1
from skitai.errors import ClientDisconnected

__all__ = ["CallStage", "Origin", "Outcome"]


class Outcome(NamedTuple):
    """``status``: 0, the application's answer broke off."""

    status: int
    headers: http1.Headers
    body: bytes


class Origin(NamedTuple):
    """What is left of an exchange that was answered with 101; the connection that it was on is no more."""

    head: http1.RequestHead
    peer: tuple[str, int]
    listener: Any
    tls: Any
    context: Any
    response_timeout: float

    @classmethod
    def of(cls, exchange: engine.Exchange) -> Origin:
        return cls(*(getattr(exchange, name) for name in cls._fields))


class CallStage:
    """As much of an `engine.Exchange` as a run needs."""

    def __init__(
        self,
        exchange: engine.Exchange | Origin,
        on_done: Callable[[Outcome], None],
        call_soon: Callable[[Callable[[], None]], object],
        body_max: int,
    ) -> None:
        """``exchange``: the one of the handshake; ``on_done(outcome)`` is called once, in the run's thread;
        ``body_max``: bytes; more is a broken answer."""
        self.head = exchange.head
        self.peer = exchange.peer
        self.listener = exchange.listener
        self.tls = exchange.tls
        self.context = exchange.context
        self.response_timeout = exchange.response_timeout
        self.is_parked = False
        #: What is known of the route by now: see `engine.Job`.
        self.burns = self.lasts = False
        self.meter: engine.Meter | None = None
        self.yield_turn = call_soon
        self._on_done: Callable[[Outcome], None] | None = on_done
        self._body_max = body_max
        self._status = 0
        self._headers: http1.Headers = []
        self._pieces: list[bytes] = []
        self._size = 0
        self._lock = threading.Lock()
        self._on_lost: Callable[[], None] | None = None
        self._is_lost = False

    def is_slow(self, meter: engine.Meter, burns: bool) -> None:
        """The route is known to last."""
        self.meter, self.burns, self.lasts = meter, burns, True

    def settle(self) -> None:
        """The answer was sent without a run: whoever has kept this has nothing to wait for."""
        self._on_done = None

    # -- what a run says ------------------------------------------------------------------

    def respond(
        self, status: int, headers: http1.Headers, body: bytes = b"", *, reason: str | None = None
    ) -> None:
        self.start(status, headers, reason=reason)
        self.write(body)
        self.end()

    def start(self, status: int, headers: http1.Headers, *, reason: str | None = None) -> None:
        self._check()
        self._status, self._headers = status, headers
        self._pieces, self._size = [], 0  # what was too long goes, and an error page comes instead

    def write(self, data: bytes) -> bool:
        self._check()
        self._size += len(data)
        if self._size > self._body_max:
            raise ValueError(
                f"what the application gave for a WebSocket is longer than a message may be: "
                f"{self._body_max} bytes (ws_message_max)"
            )
        self._pieces.append(data)
        return True

    def write_waiting(self, data: bytes) -> None:
        self.write(data)

    def respond_parts(
        self,
        status: int,
        headers: http1.Headers,
        file: BinaryIO,
        parts: Sequence[engine.Part],
        *,
        reason: str | None = None,
    ) -> None:
        with file:
            self.start(status, headers, reason=reason)
            for part in parts:
                if isinstance(part, bytes):
                    self.write(part)
                else:
                    file.seek(part[0])
                    self.write(file.read(min(part[1], self._body_max + 1)))
            self.end()

    def respond_file(
        self,
        status: int,
        headers: http1.Headers,
        file: BinaryIO,
        offset: int,
        count: int,
        *,
        reason: str | None = None,
    ) -> None:
        self.respond_parts(status, headers, file, ((offset, count),), reason=reason)

    def end(self) -> None:
        self._done(Outcome(self._status, self._headers, b"".join(self._pieces)))

    def abort(self) -> None:
        self._done(Outcome(0, [], b""))

    def when_room(self, callback: Callable[[], None]) -> bool:
        return False

    def _done(self, outcome: Outcome) -> None:
        on_done, self._on_done = self._on_done, None
        self._pieces = []
        if on_done is not None:
            on_done(outcome)

    # -- whether anybody waits for it -------------------------------------------------------

    @property
    def is_current(self) -> bool:
        return not self._is_lost and self._on_done is not None

    @property
    def loss(self) -> ClientDisconnected | None:
        return (
            ClientDisconnected("the WebSocket is closed: nobody waits for the answer")
            if self._is_lost
            else None
        )

    def when_lost(self, callback: Callable[[], None]) -> bool:
        with self._lock:
            if not self.is_current:
                return False
            self._on_lost = callback
            return True

    def lose(self) -> None:
        """The connection is closed."""
        with self._lock:
            if not self.is_current:
                return
            self._is_lost = True
            callback, self._on_lost = self._on_lost, None
        if callback is not None:
            callback()

    def _check(self) -> None:
        if self._is_lost:
            raise ClientDisconnected("the WebSocket is closed")
