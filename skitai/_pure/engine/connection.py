"""One client's connection: bytes in, requests up, responses out, and the clock over it all.

The storeys below are `Channel` (bytes out), `Intake` (bytes in, understood) and `Answering` (one
request after the other).  Here are refusals, the clock and the end.  Who owns what:

* The **loop thread** owns the socket's reading side, the phase, the deadline and, but for
  the phase ANSWERING, the HTTP kernel (`http`).
* In ANSWERING the kernel's sending side belongs to the thread that holds the exchange; the
  loop thread only puts what it reads into `_ahead` and does not touch the kernel.
* `lock` guards the outgoing queue, the kernel's sending side and `exchange`.  It is held for
  one append and one non-blocking send, never while waiting or while calling the service.

Phases and their clocks are in `phases`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from skitai._pure.engine.answering import Answering, AnsweringOwner
from skitai._pure.engine.exchange import DELIVERED, GONE, PENDING, Exchange
from skitai._pure.engine.loop import READ, WRITE
from skitai._pure.engine.phases import ANSWERING, BODY, CLOSED, HEAD, IDLE, LINGER, MOVES, Phase
from skitai._pure.engine.secure import Transport
from skitai._pure.http1 import Headers, State
from skitai.errors import ClientDisconnected, RemoteProtocolError, WriteError

__all__ = ["Connection", "Owner"]

_FOREVER = float("inf")


class Owner(AnsweringOwner, Protocol):
    """What a connection needs of the engine that accepted it, besides."""

    def became_idle(self, connection: Connection) -> None: ...
    def became_busy(self, connection: Connection) -> None: ...
    def forget(self, connection: Connection) -> None: ...


class Connection(Answering):
    __slots__ = ("_linger_until",)

    _owner: Owner

    def __init__(self, owner: Owner, sock: Transport, peer: tuple[str, int], info: Any) -> None:
        super().__init__(owner, sock, peer, info)
        self._linger_until = 0.0

    # -- refusals and the clock -----------------------------------------------------------

    def _refuse(self, error: RemoteProtocolError) -> None:
        """The peer broke the protocol or a limit: say so once, then close."""
        exchange = self.exchange
        if exchange is not None and exchange.progress is not PENDING:
            # Its answer is out already (an early one); the rest of the body is rubbish.
            with self.lock:
                self.http.refuse_keep_alive()
                delivered = exchange.progress is DELIVERED
            if delivered:
                self._release(exchange)
                self._shut()
            else:
                self._move(ANSWERING)
                self.deadline = monotonic() + self.limits.send_stall_timeout
            return
        if exchange is None and self.http.our_state is not State.IDLE:
            self._shut()  # the drained rest of a request that was answered and logged
            return
        headers, body = self._owner.service.refusal(error, self.peer, exchange)
        if exchange is None:
            self._owner.answered(error.status)
            self._send_last(error.status, headers, body)
            return
        if self.phase is not ANSWERING:
            self._move(ANSWERING)
        self.http.refuse_keep_alive()
        try:
            exchange.respond(error.status, headers, body)
        except ClientDisconnected:
            return
        if exchange.progress is DELIVERED:
            self._answered(exchange)

    def _send_last(self, status: int, headers: Headers, body: bytes) -> None:
        """A response to what was not understood as a request."""
        with self.lock:
            self.http.refuse_keep_alive()
            self.outgoing.append(
                self.http.send_response(status, headers, own_lines=self.own_lines(headers))
                + self.http.send_data(body)
                + self.http.end_of_message()
            )
            try:
                sent = self.outgoing.flush(self.sock)
            except WriteError:
                sent = False
        # A refusal is far smaller than any socket buffer; a client that has not even read
        # its earlier responses will miss it.
        if sent:
            self._shut()
        else:
            self.close()

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        if self.phase is IDLE or self.phase is LINGER:
            self.close()
        elif self.phase is HEAD:
            self._refuse(
                RemoteProtocolError("The request head did not arrive in time (header_timeout).", status=408)
            )
        elif self.phase is BODY:
            if self._is_held:
                self._wait_for_room(now)
            elif self._is_too_slow(now):
                self._refuse(
                    RemoteProtocolError("The request body arrives too slowly (body_rate_min).", status=408)
                )
        elif self.phase is ANSWERING:
            self._check_answer(now)

    def _wait_for_room(self, now: float) -> None:
        """The body is not read, and whoever takes it has clocks of its own; but that may be because the
        client does not take its answer."""
        if self._upload is not None:
            self._upload.begin_period(now)
        if self.exchange is not None:
            self._check_stall(self.exchange, now)

    def _is_too_slow(self, now: float) -> bool:
        upload = self._upload
        if upload is None:  # there is no body: its end is about to be read
            self.deadline = now + self.limits.body_rate_grace
            return False
        too_slow = upload.is_too_slow(now)
        self.deadline = upload.deadline
        return too_slow

    def _check_answer(self, now: float) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        with self.lock:
            replacement = self._replace(exchange) if exchange.progress is PENDING else None
        if replacement is None:
            self._check_stall(exchange, now)
            return
        self.deadline = now + self.limits.send_stall_timeout
        headers, body = self._owner.service.overdue(replacement)
        try:
            replacement.respond(503, headers, body)
        except ClientDisconnected:
            return

    def _replace(self, exchange: Exchange) -> Exchange:
        """Under the lock: the late handler keeps ``exchange``, which is not the current one any more."""
        self.exchange = replacement = Exchange(self, exchange.head)
        replacement.context = exchange.context
        replacement.further_fields = exchange.further_fields
        replacement.received_at = exchange.received_at
        replacement.slot = exchange.slot
        replacement.response_timeout = exchange.response_timeout
        exchange.overdue = True
        exchange._lose()
        self.http.refuse_keep_alive()
        return replacement

    def _check_stall(self, exchange: Exchange, now: float) -> None:
        """The head is out; the only clock left is the client's, while bytes wait for it."""
        with self.lock:
            waiting = self.outgoing.size
            self.deadline = self.patience(now)
            if self.deadline > now:
                return
            exchange._lose()
            self.abandon(reset=True)
        text = f"cut {self.peer[0]}, for which {waiting} bytes waited"
        self._owner.service.limited("send_stall_timeout", text)

    # -- the end --------------------------------------------------------------------------

    def _shut(self) -> None:
        """No further request here.  Closing with unread bytes would send a reset, which can
        destroy the response before the client has read it (RFC 9112 section 9.6)."""
        clean = self.http.their_state in (State.DONE, State.CLOSED, State.MUST_CLOSE)
        # A client that sends its next request at this moment shall see the answer that it has got.
        clean = clean and not self._owner.gently
        over = self._eof or (clean and not self._ahead and not self.http.buffered)
        said = self.say_goodbye()
        if said and (over or not self._close_sending()):
            self.close()
            return
        self._move(LINGER)
        # Who floods leaves a connection behind with each refusal, until what it has sent is read.
        self._ahead.clear()
        self.http.forget_received()
        now = monotonic()
        self._linger_until = now + self.limits.linger_timeout
        self.deadline = now + min(self.limits.linger_idle, self.limits.linger_timeout)
        self._set_interest((0 if self._eof else READ) | (0 if said else WRITE))

    def _close_sending(self) -> bool:
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True

    def _on_taken(self, empty: bool) -> Callable[[], None] | None:
        return self._go_on_parting if self.phase is LINGER else super()._on_taken(empty)

    def _go_on_parting(self) -> None:
        """The client's buffers were too full for a goodbye, and are not any more."""
        if not self.say_goodbye():
            self._set_interest(self._interest | WRITE)
        elif self._eof or not self._close_sending():
            self.close()

    def _discard(self, data: bytes) -> None:
        now = monotonic()
        if not data or now >= self._linger_until:
            self.close()
        else:
            self.deadline = min(now + self.limits.linger_idle, self._linger_until)

    def _hang_up(self) -> None:
        with self.lock:
            if self.exchange is not None and self.exchange.progress is not DELIVERED:
                self.exchange._lose()
            self.outgoing.clear()
        self.close()

    def give_away(self) -> Transport:
        """The socket, for another reader: this connection is idle, or no longer HTTP's, and is no more."""
        self._move(Phase.CLOSED)
        self.deadline = _FOREVER
        self._set_interest(0)
        return self.sock

    def finish_soon(self) -> None:
        """The server stops: answer what is here or on its way, then close."""
        if self.phase is IDLE:
            self._on_readable()  # a request that lies in the socket would be lost by closing
        if self.phase is IDLE:
            self._advance()  # and so would one that has given way to others
        if self.phase is IDLE and not self._owner.gently and not self._has_more():
            self.close()

    def cut(self) -> None:
        """The loop has ended."""
        self.sock.close()

    def close(self) -> None:
        """Loop thread.  Idempotent."""
        if self.phase is CLOSED:
            return
        self._move(CLOSED)
        self.deadline = _FOREVER
        self._set_interest(0)
        exchange = self.exchange
        if exchange is not None:
            with self.lock:
                if exchange.progress not in (DELIVERED, GONE):
                    exchange._lose()
            self._release(exchange)
        with self.lock:
            if not self.outgoing.size and (exchange is None or exchange.progress is DELIVERED):
                self.say_goodbye()
            self.outgoing.clear()
            self.sock.close()
        self._owner.forget(self)

    def _move(self, phase: Phase) -> None:
        before = self.phase
        if phase not in MOVES[before]:
            raise RuntimeError(f"a connection may not go from {before.name} to {phase.name}")
        if phase is IDLE:
            self._owner.became_idle(self)
        elif before is IDLE:
            self._owner.became_busy(self)
        self.phase = phase
