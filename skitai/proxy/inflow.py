"""The body of a request on its way to a member: as much of it is here as fits, and the client waits with
the rest.

    client ──write──▶ pieces that wait ──read──▶ a member          read, and kept to be read once more

What has left is kept, to be sent to another member, until it is more than `relay_buffer_max`; from then on
the request has one chance.  A body that is all here before a connection is goes in one piece with its head.

The engine writes (`engine.BodySink`), a connection of ours reads (`request.Body`); the loop thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from skitai._kernels import engine, http1
from skitai.errors import HTTPError
from skitai.proxy.headfields import trailer_fields

__all__ = ["Inflow"]


class Inflow:
    __slots__ = (
        "_exchange",
        "_is_complete",
        "_is_held",
        "_kept",
        "_kept_size",
        "_most",
        "_on_news",
        "_room",
        "_waiting",
        "_waiting_size",
        "is_starved",
        "size",
    )

    def __init__(self, exchange: engine.Exchange, body_max: int, on_news: Callable[[], None]) -> None:
        """``on_news()`` is called when there is something again for whoever had to wait."""
        self._exchange = exchange
        self._on_news = on_news
        self._most = exchange.connection.limits.relay_buffer_max
        self._room = body_max
        self._waiting: deque[bytes] = deque()
        self._waiting_size = 0
        #: What has left, in order; None: more than may be kept.
        self._kept: list[bytes] | None = []
        self._kept_size = 0
        self._is_complete = False
        #: The client was told to wait.
        self._is_held = False
        #: The one who reads waits for the client.
        self.is_starved = False
        #: As of `request.Body`.
        self.size = None if exchange.head.chunked else exchange.head.content_length

    # -- engine.BodySink ----------------------------------------------------------------------

    def write(self, data: bytes) -> bool:
        self._room -= len(data)
        if self._room < 0:
            raise HTTPError(413, "The body is larger than body_max allows.")
        self._waiting.append(data)
        self._waiting_size += len(data)
        self._tell()
        self._is_held = self._waiting_size >= self._most
        return not self._is_held

    def finish(self) -> None:
        self._is_complete = True
        self._tell()

    def _tell(self) -> None:
        if self.is_starved:
            self.is_starved = False
            self._on_news()

    # -- request.Body -------------------------------------------------------------------------

    def read(self, size: int) -> bytes | None:
        if not self._waiting:
            self.is_starved = not self._is_complete
            return None if self.is_starved else b""
        piece = self._waiting.popleft()
        if len(piece) > size:
            self._waiting.appendleft(piece[size:])
            piece = piece[:size]
        self._waiting_size -= len(piece)
        self._keep(piece)
        if self._is_held and self._waiting_size <= self._most // 2:
            self._is_held = False
            self._exchange.resume_body()
        return piece

    def _keep(self, piece: bytes) -> None:
        self._kept_size += len(piece)
        if self._kept_size > self._most:
            self._kept = None
        elif self._kept is not None:
            self._kept.append(piece)

    @property
    def trailers(self) -> http1.Headers:
        return trailer_fields(self._exchange.trailers)

    def rewind(self) -> bool:
        if self._kept is None:
            return False
        self._waiting.extendleft(reversed(self._kept))
        self._waiting_size += self._kept_size
        self._kept = []
        self._kept_size = 0
        self.is_starved = False
        return True

    def copy(self) -> Inflow:
        raise RuntimeError("a body that is passed on goes to one member at a time")

    def close(self) -> None:
        """Nobody wants the rest, which the engine reads and forgets, or does not read."""
        exchange = self._exchange
        if exchange.sink is self:  # which leads back here, and would wait for the collector
            exchange.sink = None
            exchange.resume_body()
        self._on_news = _nobody
        self._waiting.clear()
        self._kept = None

    @property
    def whole(self) -> bytes | None:
        """All of it, where it is here and has no trailers, and nothing of it has left; else None."""
        if not self._is_complete or self._kept_size or self._exchange.trailers:
            return None
        return b"".join(self._waiting)


def _nobody() -> None:
    """Who waited has left."""
