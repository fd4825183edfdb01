"""One request after the other, each as an `Exchange`: from its head to the last byte of its answer.

Between `Intake`, which tells what the client sends, and the service, which answers.  The current
exchange is ``exchange``; it ends here, by `_release`, whatever became of it.  What to do about a
client that breaks the rules, is late or leaves is the subclass's to say.

The service is called in the loop thread.  The response may come from any thread, under `lock`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from skitai._pure.engine.exchange import DELIVERED, ENDED, PENDING, Exchange, Successor
from skitai._pure.engine.intake import Intake, IntakeOwner
from skitai._pure.engine.keeping import LastingFile
from skitai._pure.engine.loop import WRITE
from skitai._pure.engine.phases import ANSWERING, BODY, CLOSED, IDLE
from skitai._pure.engine.secure import Transport
from skitai._pure.engine.service import Service
from skitai._pure.engine.upload import Upload
from skitai._pure.http1 import Headers, RequestHead
from skitai.errors import HTTPError, RemoteProtocolError, WriteError

__all__ = ["Answering", "AnsweringOwner"]


class AnsweringOwner(IntakeOwner, Protocol):
    """What answering needs of the engine, besides."""

    draining: bool
    gently: bool
    service: Service

    def own_lines(self, headers: Headers) -> bytes: ...
    def keep(
        self, info: Any, head: RequestHead, lasting: LastingFile, descriptor: int, slot: int
    ) -> None: ...
    def answered(self, status: int) -> None: ...
    def succeed(self, place: Any, successor: Any, left: bytes) -> None: ...


class Answering(Intake):
    __slots__ = (
        "_held_back",
        "_upload",
        "exchange",
        "info",
        "own_lines",
        "peer",
        "sent_before",
    )

    _owner: AnsweringOwner

    def __init__(self, owner: AnsweringOwner, sock: Transport, peer: tuple[str, int], info: Any) -> None:
        """``info`` is the service's note about the listener that ``sock`` came from."""
        super().__init__(owner, sock)
        self.info = info
        self.own_lines = owner.own_lines
        self.peer = peer
        self.exchange: Exchange | None = None
        #: `outgoing.total` when the current response began.
        self.sent_before = 0
        self._held_back = False
        #: Of a request that has a body.
        self._upload: Upload | None = None

    # -- what a subclass is told ------------------------------------------------------------

    @abstractmethod
    def _shut(self) -> None:
        """There is no further request here."""

    @abstractmethod
    def give_away(self) -> Transport:
        """The socket: this connection is no more."""

    @abstractmethod
    def finish_soon(self) -> None:
        """The server stops."""

    # -- in the place of a simpler one ------------------------------------------------------

    def send_first(self, data: bytes) -> None:
        """Send what a simpler writer of this socket has left over."""
        with self.lock:
            self.outgoing.append(data)
            try:
                self.flush()
            except WriteError:
                self.abandon(reset=False)

    def take_over_request(self, data: bytes) -> Exchange:
        """`take_over` when the request that ``data`` begins with is being answered already: its
        exchange is returned, and the service is not asked."""
        self._held_back = True
        self.take_over(data)
        if self.exchange is None:
            raise RuntimeError("what was taken over does not begin with a whole request")
        return self.exchange

    # -- the request ------------------------------------------------------------------------

    def _admit(self, head: RequestHead) -> None:
        exchange = self._new_exchange(head)
        # Without the lock: no exchange is current, so no other thread has a word here.
        self.sent_before = self.outgoing.total
        self.exchange = exchange
        self._move(BODY)
        self.deadline = exchange.received_at + self.limits.body_rate_grace
        self._upload = Upload(self.limits, exchange.received_at) if head.has_body else None
        if not self._held_back:
            self._owner.service.admit(exchange)
        if exchange.progress is DELIVERED:
            self._answered(exchange)
        elif (
            head.expect_continue
            and exchange.progress is PENDING
            and not exchange.is_passed_on
            and self.http.waiting_for_continue
        ):
            with self.lock:
                exchange._flush(self.http.send_informational(100))

    def _new_exchange(self, head: RequestHead) -> Exchange:
        return Exchange(self, head)

    def _take_body(self, data: bytes) -> bool:
        if self._upload is not None:
            self._upload.taken += len(data)
        exchange = self.exchange
        if exchange is None or exchange.sink is None:
            return True
        try:
            return exchange.sink.write(data) is not False
        except HTTPError as error:
            raise RemoteProtocolError(error.why, status=error.status) from error

    def resume_body(self) -> None:
        if self._is_held and self._upload is not None:
            self._upload.begin_period(monotonic())
            self.deadline = self._upload.deadline
        self._let_go()

    def _complete(self, trailers: Headers) -> None:
        """The request's last byte is in."""
        exchange = self.exchange
        if exchange is None:  # refused early, answer delivered, rest drained
            if self.http.must_close:  # since then the server began to stop
                self._shut()
            else:
                self._next_cycle()
            return
        self._move(ANSWERING)
        if exchange.is_passed_on:
            self._complete_passed_on(exchange, trailers)
        elif exchange.progress is PENDING:
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

    def _complete_passed_on(self, exchange: Exchange, trailers: Headers) -> None:
        """The service has had it from its head on."""
        now = monotonic()
        is_pending = exchange.progress is PENDING
        self.deadline = now + exchange.response_timeout if is_pending else self.patience(now)
        exchange.trailers = trailers
        if exchange.sink is not None:
            exchange.sink.finish()

    def keep(self, exchange: Exchange, lasting: LastingFile, descriptor: int) -> None:
        self._owner.keep(self.info, exchange.head, lasting, descriptor, exchange.slot)

    def prepare_response(self, exchange: Exchange) -> None:
        """Before a head is written, under the lock: may the connection outlive this response, be it
        for an unread body or because the server stops?"""
        if self._owner.draining and not (self.phase is ANSWERING and self._has_more()):
            self.http.refuse_keep_alive()
        if self.phase is not BODY:
            return
        head = exchange.head
        unread = (head.content_length or 0) - (self._upload.taken if self._upload is not None else 0)
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
        if exchange.successor is not None:
            self._leave_http(exchange.successor)
        elif self.http.must_close:
            self._shut()
        elif self.phase is ANSWERING:
            self._next_cycle()
            if not self._advancing:
                self._advance()
        elif self.phase is BODY and not self._advancing:
            self._advance()

    def _leave_http(self, successor: Successor) -> None:
        """What came behind the request belongs to the new protocol."""
        left = self.http.trailing_data + bytes(self._ahead)
        sock = self.give_away()
        self._owner.succeed(self, successor(self._owner, sock, self.peer, self.info), left)

    def _release(self, exchange: Exchange) -> None:
        with self.lock:
            self.exchange = None
        self._let_go()
        try:
            self._owner.answered(exchange.status)
            if exchange.sink is not None:
                exchange.sink.close()
            self._owner.service.finished(exchange)
        except Exception:
            # Without an exchange no clock would ever end this connection: it must go on from here.
            self._owner.report("after a response")

    def _next_cycle(self) -> None:
        self.http.start_next_cycle()
        self._move(IDLE)
        if self._owner.draining and not self._owner.gently:
            self.loop.call_soon(self.finish_soon)  # its answer was begun before
        self.deadline = monotonic() + self.limits.keep_alive
        self._read_on()

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
            elif self.outgoing.size <= exchange.queue_max // 4:
                return exchange._take_room_callback()
        return None

    def _on_broken(self) -> None:
        if self.exchange is not None:
            self.exchange._lose()
