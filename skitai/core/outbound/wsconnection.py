"""A WebSocket that is kept to ask questions over it: one message out, the next one in is the answer.

    OPENING ──opened──▶ IDLE ──ask──▶ ASKING ──a message──▶ ANSWERED ──the next turn──▶ IDLE
                          ├── hand_over ──▶ TALKING: messages as they come, until the end
                          └── closed, or a message that nobody has asked for: anywhere ──▶ CLOSED

Nothing in a message says what it answers.  So a server that says more than it is asked is not asked again
over this connection, lest somebody gets the answer to another question; what came together with the answer
shows before the next question leaves, for the connection is free only with the next turn of the loop.

The loop thread.
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from skitai._kernels import engine
from skitai.core.outbound.connecting import Means
from skitai.errors import ClientDisconnected, ReadError, SkitaiError

if TYPE_CHECKING:
    import ssl

__all__ = ["Listener", "Questioner", "WebSocketConnection", "WebSocketTable"]

#: Between two looks at the clocks of all.
_SWEEP_INTERVAL = 1.0
#: RFC 6455 section 7.1.5: the connection has ended without a close.
_ABNORMAL = 1006


class WebSocketTable:
    """An `engine.WebSocketClient`: those of one pool, also while they are being closed."""

    gently = False

    def __init__(self, client: Means, report: Callable[[str], None]) -> None:
        self.loop = client.loop
        # Who waits for an answer has a clock, and so has the pool.
        self.limits = replace(client.limits, ws_idle_timeout=0.0)
        self.report = report
        self.scratch = client.scratch
        self.websockets = engine.WebSocketTotals()
        self._open: set[engine.WebSocket] = set()
        self._is_sweeping = False

    def entered(self, websocket: engine.WebSocket) -> None:
        self._open.add(websocket)
        if not self._is_sweeping:
            self._is_sweeping = True
            self.loop.call_later(_SWEEP_INTERVAL, self._sweep)

    def forget(self, connection: engine.WebSocket) -> None:
        self._open.discard(connection)

    def limited(self, limit: str, text: str) -> None:
        """Whoever waits for an answer hears of the end."""

    def _sweep(self) -> None:
        now = monotonic()
        for websocket in tuple(self._open):
            if websocket.deadline <= now:
                websocket.expire(now)
        self._is_sweeping = bool(self._open)
        if self._is_sweeping:
            self.loop.call_later(_SWEEP_INTERVAL, self._sweep)


class Questioner(Protocol):
    """Whose question is under way."""

    def answered(self, message: str | bytes) -> None: ...
    def failed(self, error: SkitaiError, unanswered: bool) -> None:
        """``unanswered``: it may be asked once more."""


class Listener(Protocol):
    """Whose connection it is until its end."""

    def message(self, message: str | bytes) -> bool:
        """As `engine.Receiver.message`."""

    def closed(self, code: int, reason: str) -> None: ...


class _Stage(enum.Enum):
    OPENING = "no WebSocket as yet"
    IDLE = "nothing is asked"
    ASKING = "a question is on its way, or its answer"
    TALKING = "it is somebody's own"
    ANSWERED = "whatever comes now, nobody has asked for"
    CLOSED = "over"

    __hash__ = object.__hash__


class WebSocketConnection:
    """Of a pool: a `Pooled`; of its WebSocket: the `engine.Receiver`."""

    __slots__ = (
        "_listener",
        "_loop",
        "_on_freed",
        "_on_opened",
        "_questioner",
        "_stage",
        "_websocket",
        "idle_until",
        "kept_for",
        "served",
        "tls",
    )

    def __init__(
        self,
        loop: engine.EventLoop,
        tls: ssl.SSLObject | None,
        on_opened: Callable[[], None],
        on_freed: Callable[[Any], None],
    ) -> None:
        """``on_freed(self)``: it is IDLE again, or CLOSED without `close`."""
        self._loop = loop
        self._on_opened: Callable[[], None] | None = on_opened
        self._on_freed = on_freed
        self._stage = _Stage.OPENING
        self._websocket: engine.WebSocket | None = None
        self._questioner: Questioner | None = None
        self._listener: Listener | None = None
        self.tls = tls
        self.served = 0
        self.kept_for = float("inf")
        self.idle_until = 0.0

    @property
    def is_idle(self) -> bool:
        return self._stage is _Stage.IDLE

    def seems_alive(self) -> bool:
        """All that was sent was taken, and nothing, not the end either, has come since the last answer."""
        websocket = self._websocket
        if self._stage is not _Stage.IDLE or websocket is None or websocket.waiting:
            return False
        try:
            websocket.sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return False

    def ask(self, message: str | bytes, questioner: Questioner) -> bool:
        """False: nothing of it was sent, nor will be; the connection is closed."""
        assert self._websocket is not None
        try:
            self._websocket.send(message)
        except ClientDisconnected:
            self.close()
            return False
        self._stage = _Stage.ASKING
        self._questioner = questioner
        return True

    def hand_over(self, listener: Listener) -> engine.WebSocket:
        """It is ``listener``'s from now on; nobody else gets it afterwards."""
        assert self._websocket is not None
        self._stage = _Stage.TALKING
        self._listener = listener
        return self._websocket

    def close(self) -> None:
        """The server is told, and whose it was is not.  Idempotent."""
        self._stage = _Stage.CLOSED
        self._questioner = self._listener = None
        websocket, self._websocket = self._websocket, None
        if websocket is not None:
            websocket.start_closing()

    # -- what the WebSocket tells: engine.Receiver -----------------------------------------------

    def opened(self, websocket: engine.WebSocket) -> None:
        self._websocket = websocket
        self._stage = _Stage.IDLE
        on_opened, self._on_opened = self._on_opened, None
        assert on_opened is not None
        on_opened()

    def message(self, message: str | bytes) -> bool:
        if self._listener is not None:
            return self._listener.message(message)
        questioner, self._questioner = self._questioner, None
        if questioner is not None:
            self.served += 1
            self._stage = _Stage.ANSWERED
            self._loop.call_soon(self._free)
            questioner.answered(message)
        elif self._stage is _Stage.IDLE:
            self.close()
            self._on_freed(self)
        else:
            self.close()
        return True

    def _free(self) -> None:
        if self._stage is _Stage.ANSWERED:
            self._stage = _Stage.IDLE
        self._on_freed(self)

    def closed(self, code: int, reason: str) -> None:
        stage, self._stage = self._stage, _Stage.CLOSED
        self._websocket = None
        questioner, self._questioner = self._questioner, None
        if questioner is not None:
            questioner.failed(_without_answer(code, reason), False)
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.closed(code, reason)
        if stage in (_Stage.IDLE, _Stage.ASKING, _Stage.TALKING):
            self._on_freed(self)


def _without_answer(code: int, reason: str) -> ReadError:
    if code == _ABNORMAL:
        return ReadError("the connection of the WebSocket ended without an answer")
    return ReadError(f"the WebSocket was closed without an answer: {code} {reason}".rstrip())
