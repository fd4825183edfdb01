"""The half of a WebSocket that any thread may use: what is sent, and the bound of what waits.

`lock` guards the core's sending half, the queue and the phase.  Beyond ``ws_queue_max`` nothing more is
taken, and the caller is told by an error: no message is lost without somebody who knows.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import ClassVar

from skitai import _forks
from skitai._pure.engine.channel import Channel
from skitai._pure.engine.liveness import Liveness
from skitai._pure.engine.loop import READ
from skitai._pure.engine.secure import Transport
from skitai._pure.engine.wsphases import CLOSED, CLOSING, MOVES, OPEN, Phase, WebSocketOwner
from skitai._pure.websocket import CloseCode, Connection
from skitai.errors import ClientDisconnected, SendQueueFull, WriteError
from skitai.limits import Limits

__all__ = ["WebSocketSender"]

_ANY_LIMITS = Limits()


class WebSocketSender(Channel):
    __slots__ = ("_core", "_corked", "_liveness", "_on_room", "deadline", "phase", "refused", "sent")

    #: What reads and writes frames; the compiled build has its own.
    core: ClassVar[type[Connection]] = Connection

    def __init__(self, owner: WebSocketOwner, sock: Transport, core: Connection, liveness: Liveness) -> None:
        super().__init__(owner.loop, sock, owner.limits)
        self._core = core
        self._liveness = liveness
        #: What the loop thread sends leaves together, at the end of its turn.
        self._corked = False
        self._on_room: Callable[[], None] | None = None
        self.phase: Phase = OPEN
        #: Messages; `refused` were not taken, for the queue was full.
        self.sent = self.refused = 0
        #: Checked by the owner, who calls `WebSocket.expire` once it has passed.
        self.deadline = liveness.deadline

    def send(self, message: str | bytes) -> bool:
        """Send a message, str as text; False: the peer is slow, so ask for no more until `when_room`.

        Raises SendQueueFull, and takes nothing, where ``ws_queue_max`` bytes wait already, and
        ClientDisconnected where nothing can be sent any more."""
        _forks.check()
        with self.lock:
            self._check_room()
            return self._queue(self._core.send_message(message))

    def send_encoded(self, frames: bytes) -> bool:
        """The same for what `encode` has made: it is shared by many."""
        _forks.check()
        with self.lock:
            self._check_room()
            return self._queue(frames)

    @classmethod
    def encode(cls, message: str | bytes) -> bytes:
        """A message for `send_encoded` of any WebSocket of a server; it is not compressed."""
        return cls.core(_ANY_LIMITS, is_client=False).send_message(message)

    def when_room(self, callback: Callable[[], None]) -> bool:
        """Call ``callback()`` in the loop thread once the peer has taken most of what waits, or has gone.
        False: there is room already, and nothing will be called."""
        with self.lock:
            if self.phase is CLOSED or self.outgoing.size <= self.limits.ws_queue_max // 4:
                return False
            self._on_room = callback
            return True

    def start_closing(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Say that we send nothing more; what waits is sent before.  Once is enough.

        Raises LocalProtocolError for a code or a reason that cannot be sent."""
        _forks.check()
        with self.lock:
            if self.phase is not OPEN:
                return
            frame = self._core.send_close(code, reason)
            self._move(CLOSING)
            self.deadline = monotonic() + self.limits.ws_close_timeout
            self._flush(frame)

    @property
    def waiting(self) -> int:
        """Bytes that the peer has not taken."""
        return self.outgoing.size

    def _check_room(self) -> None:
        if self.phase is not OPEN:
            raise ClientDisconnected("the WebSocket is closed, or about to be")
        if self.outgoing.size >= self.limits.ws_queue_max:
            self.refused += 1
            raise SendQueueFull(
                f"{self.outgoing.size} bytes wait for a slow peer of a WebSocket already (ws_queue_max)"
            )

    def _queue(self, frames: bytes) -> bool:
        self.sent += 1
        self._liveness.moved()
        self._flush(frames)
        return self.outgoing.size < self.limits.ws_queue_max

    def _flush(self, frames: bytes) -> None:
        if self._corked and self.loop.in_loop_thread():
            self.outgoing.append(frames)
            return
        try:
            self.flush(frames)
        except WriteError:
            # What the peer has said before may lie in the socket; the end shows there too.
            self.outgoing.clear()
            self.loop.call_soon(self._cannot_send)

    def _move(self, phase: Phase) -> None:
        """Under the lock."""
        if phase not in MOVES[self.phase]:
            raise RuntimeError(f"a WebSocket may not go from {self.phase.name} to {phase.name}")
        self.phase = phase

    def _cannot_send(self) -> None:
        """The loop thread.  An end that reading will show is left to it: see `_flush`."""
        if self.phase is not OPEN or not self._interest & READ:
            self.close()
