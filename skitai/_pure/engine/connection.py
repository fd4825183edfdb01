"""One client's connection: bytes in, requests up, responses out, and the clock over it all.

Who owns what:

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
from typing import Any, ClassVar, Protocol

from skitai._pure.engine.channel import Channel
from skitai._pure.engine.exchange import DELIVERED, ENDED, GONE, PENDING, Exchange
from skitai._pure.engine.keeping import LastingFile
from skitai._pure.engine.loop import READ, WRITE, EventLoop
from skitai._pure.engine.phases import ANSWERING, BODY, CLOSED, HEAD, IDLE, LINGER, MOVES, READING, Phase
from skitai._pure.engine.service import Service
from skitai._pure.engine.upload import Upload
from skitai._pure.http1 import (
    NEED_DATA,
    PAUSED,
    ConnectionClosed,
    Data,
    EndOfMessage,
    Headers,
    RequestHead,
    ServerConnection,
    State,
)
from skitai.errors import ClientDisconnected, HTTPError, RemoteProtocolError, WriteError
from skitai.limits import Limits

__all__ = ["Connection", "Owner"]

#: Events of the kernel in one turn: a read may bring thousands of pipelined requests or tiny
#: chunks, which would take a second, and every other connection would wait.
_TURN_EVENTS = 32
_FOREVER = float("inf")


class Owner(Protocol):
    """What a connection needs of the engine that accepted it."""

    http_connection: ClassVar[type[ServerConnection]]
    draining: bool
    limits: Limits
    loop: EventLoop
    report: Callable[[str], None]
    scratch: memoryview
    service: Service

    def with_own_fields(self, headers: Headers) -> Headers: ...
    def keep(self, info: Any, head: RequestHead, lasting: LastingFile, descriptor: int) -> None: ...
    def became_idle(self, connection: Connection) -> None: ...
    def became_busy(self, connection: Connection) -> None: ...
    def forget(self, connection: Connection) -> None: ...


class Connection(Channel):
    __slots__ = (
        "_advancing",
        "_ahead",
        "_eof",
        "_held_back",
        "_linger_until",
        "_owner",
        "_upload",
        "deadline",
        "exchange",
        "http",
        "info",
        "peer",
        "phase",
        "sent_before",
        "with_own_fields",
    )

    def __init__(self, owner: Owner, sock: socket.socket, peer: tuple[str, int], info: Any) -> None:
        """``info`` is the service's note about the listener that ``sock`` came from."""
        super().__init__(owner.loop, sock, owner.limits)
        self._owner = owner
        self.info = info
        self.with_own_fields = owner.with_own_fields
        self.peer = peer
        self.http = owner.http_connection(owner.limits)
        self.exchange: Exchange | None = None
        self.phase = IDLE
        #: Checked by the engine's sweep; `expire` is called once it has passed.
        self.deadline = monotonic() + owner.limits.header_timeout
        #: `outgoing.total` when the current response began.
        self.sent_before = 0
        self._ahead = bytearray()
        self._eof = False
        self._held_back = False
        self._advancing = False
        #: Of the last request that had a body.
        self._upload = Upload(owner.limits, 0.0)
        self._linger_until = 0.0

    # -- loop thread: reading -------------------------------------------------------------

    def _on_readable(self) -> None:
        try:
            scratch = self._owner.scratch
            data = bytes(scratch[: self.sock.recv_into(scratch)])
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._hang_up()
            return
        if self.phase is ANSWERING:
            self._read_ahead(data)
        elif self.phase is LINGER:
            self._discard(data)
        else:
            if not data:
                self._set_interest(self._interest & ~READ)
                self._eof = True
            self.http.receive_data(data)
            self._advance()

    def _read_ahead(self, data: bytes) -> None:
        """Keep what was pipelined behind the request that is being answered."""
        if not data:
            # A half-close: the client has said all and still wants its answer (RFC 9112
            # section 9.6).  Level-triggered, an end of file would be reported for ever.
            self._eof = True
            self._set_interest(self._interest & ~READ)
            return
        self._ahead += data
        if not self._wants_more:
            self._set_interest(self._interest & ~READ)

    @property
    def _wants_more(self) -> bool:
        """Whether less has been read ahead than may be.  The kernel counts: it holds what was
        pipelined, and every response would otherwise let another piece in."""
        return len(self._ahead) + self.http.buffered < self.limits.read_ahead_max

    def _discard(self, data: bytes) -> None:
        now = monotonic()
        if not data or now >= self._linger_until:
            self.close()
        else:
            self.deadline = min(now + self.limits.linger_idle, self._linger_until)

    def _advance(self) -> None:
        """Take from the kernel what it understood, until it needs bytes, a response is due or it is
        the turn of the others."""
        self._advancing = True
        try:
            for _ in range(_TURN_EVENTS):
                if self.phase not in READING:
                    return
                event = self.http.next_event()
                if event is NEED_DATA or event is PAUSED:
                    if not self._eof and not self._interest & READ:
                        self._set_interest(self._interest | READ)  # however much is here of a long head
                    if self.phase is IDLE and self.http.mid_message:
                        self._move(HEAD)
                        self.deadline = monotonic() + self.limits.header_timeout
                    return
                if isinstance(event, RequestHead):
                    self._admit(event)
                elif isinstance(event, Data):
                    self._take_body(event.data)
                elif isinstance(event, EndOfMessage):
                    self._complete()
                elif isinstance(event, ConnectionClosed):
                    self.close()
            self._give_way()
        except RemoteProtocolError as error:
            self._refuse(error)
        except ClientDisconnected:
            return  # the service answered into a broken connection, which is being closed already
        except Exception:
            # The service broke its promise; only this client pays for it.
            self._owner.report("answering a request")
            self.close()
        finally:
            self._advancing = False

    def _give_way(self) -> None:
        """Nothing more is read until what has come is understood: it would pile up."""
        if self.phase in READING:
            self._set_interest(self._interest & ~READ)
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self.phase in READING:
            if not self._eof and self._wants_more:
                self._set_interest(self._interest | READ)
            self._advance()

    def send_first(self, data: bytes) -> None:
        """Send what a simpler writer of this socket has left over."""
        with self.lock:
            self.outgoing.append(data)
            try:
                self.flush()
            except WriteError:
                self.abandon(reset=False)

    def take_over(self, data: bytes) -> None:
        """Go on where a simpler reader of this socket stopped; ``data`` is what it has read."""
        self.http.receive_data(data)
        self._advance()

    def take_over_request(self, data: bytes) -> Exchange:
        """The same when the request that ``data`` begins with is being answered already: its
        exchange is returned, and the service is not asked."""
        self._held_back = True
        self.take_over(data)
        if self.exchange is None:
            raise RuntimeError("what was taken over does not begin with a whole request")
        return self.exchange

    def _admit(self, head: RequestHead) -> None:
        exchange = self._new_exchange(head)
        with self.lock:
            self.exchange = exchange
            self.sent_before = self.outgoing.total
        self._move(BODY)
        self.deadline = exchange.received_at + self.limits.body_rate_grace
        if head.has_body:
            self._upload = Upload(self.limits, exchange.received_at)
        if not self._held_back:
            self._owner.service.admit(exchange)
        if exchange.progress is DELIVERED:
            self._answered(exchange)
        elif head.expect_continue and exchange.progress is PENDING and self.http.waiting_for_continue:
            with self.lock:
                exchange._flush(self.http.send_informational(100))

    def _new_exchange(self, head: RequestHead) -> Exchange:
        return Exchange(self, head)

    def _take_body(self, data: bytes) -> None:
        self._upload.taken += len(data)
        exchange = self.exchange
        if exchange is None or exchange.sink is None:
            return
        try:
            exchange.sink.write(data)
        except HTTPError as error:
            raise RemoteProtocolError(error.why, status=error.status) from error

    def _complete(self) -> None:
        """The request's last byte is in."""
        exchange = self.exchange
        if exchange is None:  # refused early, answer delivered, rest drained
            if self.http.must_close:  # since then the server began to stop
                self._shut()
            else:
                self._next_cycle()
            return
        self._move(ANSWERING)
        if exchange.progress is PENDING:
            if exchange.sink is not None:
                exchange.sink.finish()
                exchange.sink = None  # from here on the service's
            self.deadline = monotonic() + exchange.response_timeout
            if self._held_back:
                self._held_back = False
            else:
                self._owner.service.execute(exchange)
        else:
            self.deadline = self.patience(monotonic())
        if exchange.progress is DELIVERED:
            self._answered(exchange)

    def keep(self, head: RequestHead, lasting: LastingFile, descriptor: int) -> None:
        self._owner.keep(self.info, head, lasting, descriptor)

    def prepare_response(self, exchange: Exchange) -> None:
        """Before a head is written, under the lock: may the connection outlive an unread body?"""
        if self.phase is not BODY:
            return
        head = exchange.head
        unread = (head.content_length or 0) - self._upload.taken
        if head.chunked or self.http.waiting_for_continue or unread > self.limits.drain_max:
            self.http.refuse_keep_alive()

    # -- after the response ---------------------------------------------------------------

    def response_delivered(self, exchange: Exchange) -> None:
        """Any thread, under the lock."""
        if not (self._advancing and self.loop.in_loop_thread()):
            self.loop.call_soon(self._answered, exchange)

    def _answered(self, exchange: Exchange) -> None:
        """Loop thread.  May be called twice for one exchange: the second time it is not current."""
        if self.exchange is not exchange:
            return
        self._release(exchange)
        if self.http.must_close:
            self._shut()
        elif self.phase is ANSWERING:
            self._next_cycle()
            if not self._advancing:
                self._advance()
        elif self.phase is BODY and not self._advancing:
            self._advance()

    def _release(self, exchange: Exchange) -> None:
        with self.lock:
            self.exchange = None
        try:
            if exchange.sink is not None:
                exchange.sink.close()
            self._owner.service.finished(exchange)
        except Exception:
            # Without an exchange no clock would ever end this connection: it must go on from here.
            self._owner.report("after a response")

    def _next_cycle(self) -> None:
        self.http.start_next_cycle()
        self._move(IDLE)
        if self._owner.draining:
            self.close()
            return
        self.deadline = monotonic() + self.limits.keep_alive
        if self._ahead:
            self.http.receive_data(bytes(self._ahead))
            self._ahead.clear()
        if self._eof:
            self.http.receive_data(b"")
        elif self._wants_more and not self._interest & READ:
            self._set_interest(self._interest | READ)

    def _shut(self) -> None:
        """No further request here.  Closing with unread bytes would send a reset, which can
        destroy the response before the client has read it (RFC 9112 section 9.6)."""
        clean = self.http.their_state in (State.DONE, State.CLOSED, State.MUST_CLOSE)
        if self._eof or (clean and not self._ahead and not self.http.buffered):
            self.close()
            return
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._move(LINGER)
        self._ahead.clear()
        now = monotonic()
        self._linger_until = now + self.limits.linger_timeout
        self.deadline = now + min(self.limits.linger_idle, self.limits.linger_timeout)
        self._set_interest(READ)

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
                self.http.send_response(status, self.with_own_fields(headers))
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
            too_slow = self._upload.is_too_slow(now)
            self.deadline = self._upload.deadline
            if too_slow:
                self._refuse(
                    RemoteProtocolError("The request body arrives too slowly (body_rate_min).", status=408)
                )
        elif self.phase is ANSWERING:
            self._check_answer(now)

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
        replacement.received_at = exchange.received_at
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

    # -- writing: what the channel tells ----------------------------------------------------

    def _on_waiting(self) -> None:
        if self.phase is CLOSED:
            return
        self._set_interest(self._interest | WRITE)
        if self.phase is ANSWERING and self.exchange is not None:
            half = monotonic() + self.limits.send_stall_timeout / 2
            pending = self.exchange.progress is PENDING
            self.deadline = min(self.deadline, half) if pending else half

    def _on_taken(self, empty: bool) -> Callable[[], None] | None:
        exchange = self.exchange
        if exchange is not None:
            if empty and exchange.progress is ENDED:
                exchange._deliver()
            elif self.outgoing.size <= self.limits.write_queue_max // 4:
                return exchange._take_room_callback()
        return None

    def _on_broken(self) -> None:
        if self.exchange is not None:
            self.exchange._lose()

    # -- the end --------------------------------------------------------------------------

    def _hang_up(self) -> None:
        """Reading failed: a reset.  (A half-close is not a hang-up: see `_read_ahead`.)"""
        with self.lock:
            if self.exchange is not None and self.exchange.progress is not DELIVERED:
                self.exchange._lose()
            self.outgoing.clear()
        self.close()

    def give_away(self) -> socket.socket:
        """The socket, for a simpler reader: this connection is idle and is no more."""
        self._move(Phase.CLOSED)
        self.deadline = _FOREVER
        self._set_interest(0)
        return self.sock

    def finish_soon(self) -> None:
        """The server stops: answer the request that is here or on its way, then close."""
        if self.phase is IDLE:
            self._on_readable()  # a request that lies in the socket would be lost by closing
        if self.phase is IDLE:
            self._advance()  # and so would one that has given way to others
        if self.phase is IDLE:
            self.close()
        elif self.phase is not CLOSED:
            with self.lock:
                self.http.refuse_keep_alive()

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
