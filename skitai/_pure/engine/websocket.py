"""A WebSocket on the loop: what follows a 101 on a connection, at either end.

The connection that spoke HTTP has given its socket away (`Exchange.switch`, `WebSocketOpening`), and a
`WebSocket` stands in its place: in the engine's tables, or in those of a client.  Bytes become messages in
the core (`skitai._pure.websocket`).  The storeys below are `Channel` (bytes out), `WebSocketSender` (any
thread) and `WebSocketIntake` (bytes in, messages up); here are the beginning, the clocks and the end.

Phases are in `wsphases`, clocks in `liveness`.  The loop thread, but for `accept`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from skitai._pure.engine.exchange import Exchange
from skitai._pure.engine.liveness import Due, Liveness
from skitai._pure.engine.loop import READ, WRITE
from skitai._pure.engine.secure import Transport
from skitai._pure.engine.wsintake import WebSocketIntake
from skitai._pure.engine.wsphases import CLOSED, CLOSING, OPEN, PARTING, Receiver, WebSocketOwner
from skitai._pure.websocket import Close, CloseCode, Connection, Fault, Side, accept

__all__ = ["WebSocket"]

_FOREVER = float("inf")


class WebSocket(WebSocketIntake):
    __slots__ = ("_is_client", "_is_told", "info", "peer", "subprotocol")

    def __init__(
        self,
        owner: WebSocketOwner,
        sock: Transport,
        peer: tuple[str, int],
        info: Any,
        core: Connection,
        receiver: Receiver,
        *,
        is_client: bool = False,
        subprotocol: str | None = None,
        idle_timeout: float | None = None,
    ) -> None:
        """``sock`` is connected, non-blocking, and watched by nobody; ``info`` as for a connection that
        speaks HTTP; ``idle_timeout``: in place of ``ws_idle_timeout``."""
        idle = owner.limits.ws_idle_timeout if idle_timeout is None else idle_timeout
        super().__init__(owner, sock, core, Liveness(owner.limits, idle), receiver)
        self._is_client = is_client
        #: The receiver has heard of the end.
        self._is_told = False
        self.peer = peer
        self.info = info
        self.subprotocol = subprotocol

    @classmethod
    def accept(
        cls,
        exchange: Exchange,
        receiver: Receiver,
        *,
        subprotocols: Sequence[str] = (),
        idle_timeout: float | None = None,
        message_max: int | None = None,
        fields: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Answer ``exchange``, whose request is complete, with 101; ``receiver`` hears of all else.  The
        thread that holds the exchange.

        ``idle_timeout`` and ``message_max`` in place of ``ws_idle_timeout`` and ``ws_message_max``;
        ``fields`` go into the answer.  Raises RemoteProtocolError, with the status to answer, for a request
        that is no proper handshake, and ClientDisconnected."""
        limits = exchange.connection.limits
        opened = accept(exchange.head, subprotocols, limits.ws_deflate_window)
        core = cls.core(limits, is_client=False, deflate=opened.deflate, message_max=message_max)

        def succeed(owner: WebSocketOwner, sock: Transport, peer: tuple[str, int], info: Any) -> WebSocket:
            return cls(
                owner,
                sock,
                peer,
                info,
                core,
                receiver,
                subprotocol=opened.subprotocol,
                idle_timeout=idle_timeout,
            )

        exchange.switch([*opened.fields, *fields], succeed)

    def tell(self) -> None:
        """Bring the counts up to date, where a build counts elsewhere."""

    def begin(self, left: bytes) -> None:
        """``left`` is what was read behind the handshake."""
        totals = self._owner.websockets
        totals.opened += 1
        totals.open += 1
        if self._call(self._receiver.opened, self) and left:
            self._take(left)

    # -- the end ------------------------------------------------------------------------------------

    def _on_close(self, close: Close) -> None:
        with self.lock:
            if self.phase is CLOSED:
                return
            self._flush(self._core.answer_close(close))
            self._move(PARTING)
        self._tell_end(close.code, close.reason)
        self._part()

    def _on_fault(self, fault: Fault) -> None:
        with self.lock:
            if self.phase is CLOSED:
                return
            if self._core.our_side is Side.OPEN:
                self._flush(self._core.send_close(fault.code, fault.reason))
            self._move(PARTING)
        self._tell_end(fault.code, fault.reason)
        self._part()

    def _part(self) -> None:
        """Both have said all, or the peer is not listened to any more: wait until it has taken what waits,
        and for its end where that is to come first (RFC 6455 section 7.1.1)."""
        self._inbox.clear()
        self._inbox_size = 0
        self.deadline = monotonic() + self.limits.ws_close_timeout
        if self._corked:
            self.loop.call_soon(self._go_on_parting)
        else:
            self._go_on_parting()

    def _go_on_parting(self) -> None:
        if self.phase is not PARTING or self.outgoing.size:
            return
        if not self.say_goodbye():
            self._set_interest(self._interest | WRITE)
        elif self._core.their_side is Side.FAILED:
            # More may be on its way, and closing would answer it with a reset (as `Connection._shut`).
            self._close_sending()
        elif not self._is_client:
            self.close()

    def _close_sending(self) -> None:
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()

    def _tell_end(self, code: int, reason: str) -> None:
        if not self._is_told:
            self._is_told = True
            self._call(self._receiver.closed, code, reason)

    def _call(self, callback: Callable[..., None], *arguments: Any) -> bool:
        try:
            callback(*arguments)
        except Exception:
            self._owner.report("in the receiver of a WebSocket")
            self._cut("")
            return False
        return True

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        with self.lock:
            patience = self.patience(now) if self.outgoing.size else _FOREVER
        if patience <= now:
            self._cut("send_stall_timeout")
            return
        if self.phase is not OPEN:
            if patience is _FOREVER:
                self._cut("ws_close_timeout" if self.phase is CLOSING else "")
            else:
                self.deadline = patience  # what waits is taken first, as long as any of it is
            return
        if not self._interest & READ:
            self._liveness.unread(now)
        due = self._liveness.due(now)
        if due is Due.PING:
            with self.lock:
                self._flush(self._core.send_ping())
        elif due is Due.SILENT:
            self._cut("ws_ping_timeout")
            return
        elif due is Due.IDLE:
            self.start_closing(CloseCode.NORMAL, "idle")
            return
        elif due is Due.SLOW:
            self.start_closing(CloseCode.POLICY_VIOLATION, "a frame comes too slowly (body_rate_min)")
            return
        self.deadline = min(patience, self._liveness.deadline)

    def _cut(self, limit: str) -> None:
        if limit:
            self._owner.limited(limit, f"cut a WebSocket of {self.peer[0]}")
        with self.lock:
            self.abandon(reset=True)

    def finish_soon(self) -> None:
        """The server stops, or makes room for a new one: answer what has come, then close."""
        gently = self._owner.gently
        self._farewell = CloseCode.SERVICE_RESTART if gently else CloseCode.GOING_AWAY
        self._leave()

    def cut(self) -> None:
        """The loop has ended."""
        self.sock.close()

    def close(self) -> None:
        """Loop thread.  Idempotent."""
        with self.lock:
            if self.phase is CLOSED:
                return
            is_clean = self.phase is PARTING and not self.outgoing.size
            self._move(CLOSED)
            self._set_interest(0)
            if is_clean:
                self.say_goodbye()
            self.outgoing.clear()
            self.sock.close()
            on_room, self._on_room = self._on_room, None
        self.deadline = _FOREVER
        self._inbox.clear()
        totals = self._owner.websockets
        totals.open -= 1
        totals.add(self)
        self._owner.forget(self)
        self._tell_end(CloseCode.ABNORMAL, "")
        if on_room is not None:
            on_room()

    # -- writing: what the channel tells --------------------------------------------------------------

    def _on_waiting(self) -> None:
        if self.phase is CLOSED:
            return
        self._set_interest(self._interest | WRITE)
        self.deadline = min(self.deadline, self.patience(monotonic()))

    def _on_taken(self, empty: bool) -> Callable[[], None] | None:
        if self.phase is PARTING:
            return self._go_on_parting if empty else None
        if self.outgoing.size <= self.limits.ws_queue_max // 4:
            return self._has_room
        return None

    def _has_room(self) -> None:
        callback, self._on_room = self._on_room, None
        if callback is not None:
            callback()
        if self.phase is not CLOSED:
            self._deliver()

    def _on_broken(self) -> None:
        """Reading shows the end."""
