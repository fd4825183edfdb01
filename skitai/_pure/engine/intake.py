"""What a client sends: read, understood as far as may be, put aside while a response is due.

Between the socket and the requests.  A subclass is told what was understood by its hooks, in the
order of the wire; it says by ``phase`` what becomes of the next bytes:

* in a phase of READING they go to the HTTP kernel;
* in ANSWERING the kernel's sending side belongs to the thread that holds the exchange: they are
  only put into ``_ahead``, and the kernel is not touched;
* in LINGER they are thrown away.

Whoever takes a body may have no room for more: then nothing is read, and the system lets the client wait.

Loop thread, all of it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from time import monotonic
from typing import ClassVar, Protocol

from skitai._pure.engine.channel import Channel
from skitai._pure.engine.loop import READ, EventLoop
from skitai._pure.engine.phases import ANSWERING, HEAD, IDLE, LINGER, READING, Phase
from skitai._pure.engine.secure import Transport
from skitai._pure.http1 import (
    NEED_DATA,
    PAUSED,
    ConnectionClosed,
    Data,
    EndOfMessage,
    Headers,
    RequestHead,
    ServerConnection,
)
from skitai.errors import ClientDisconnected, RemoteProtocolError
from skitai.limits import Limits

__all__ = ["Intake", "IntakeOwner"]

#: Events of the kernel in one turn: a read may bring thousands of pipelined requests or tiny
#: chunks, which would take a second, and every other connection would wait.
_TURN_EVENTS = 32


class IntakeOwner(Protocol):
    """What reading needs of the engine."""

    http_connection: ClassVar[type[ServerConnection]]
    limits: Limits
    loop: EventLoop
    report: Callable[[str], None]
    scratch: memoryview


class Intake(Channel):
    __slots__ = ("_advancing", "_ahead", "_eof", "_is_held", "_owner", "deadline", "http", "phase")

    _owner: IntakeOwner

    def __init__(self, owner: IntakeOwner, sock: Transport) -> None:
        super().__init__(owner.loop, sock, owner.limits)
        self._owner = owner
        self.http = owner.http_connection(owner.limits)
        self.phase = IDLE
        #: Checked by the engine's sweep, which acts once it has passed.
        self.deadline = monotonic() + owner.limits.header_timeout
        self._ahead = bytearray()
        self._eof = False
        #: Whoever takes the body has no room for more of it.
        self._is_held = False
        self._advancing = False

    # -- what a subclass is told ------------------------------------------------------------

    @abstractmethod
    def _admit(self, head: RequestHead) -> None:
        """A request begins."""

    @abstractmethod
    def _take_body(self, data: bytes) -> bool:
        """A piece of its body; False: no more until `_let_go`."""

    @abstractmethod
    def _complete(self, trailers: Headers) -> None:
        """Its last byte is in."""

    @abstractmethod
    def _refuse(self, error: RemoteProtocolError) -> None:
        """The peer broke the protocol or a limit."""

    @abstractmethod
    def _discard(self, data: bytes) -> None:
        """Something came, or the end, though nothing more is answered."""

    @abstractmethod
    def _hang_up(self) -> None:
        """Reading failed: a reset.  (A half-close is not a hang-up: see `_read_ahead`.)"""

    @abstractmethod
    def _move(self, phase: Phase) -> None:
        """Go to ``phase``."""

    # -- reading ----------------------------------------------------------------------------

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

    def _read_on(self) -> None:
        """The request behind the one that was answered: what was read ahead of it comes first."""
        if self._ahead:
            self.http.receive_data(bytes(self._ahead))
            self._ahead.clear()
        if self._eof:
            self.http.receive_data(b"")
        elif not self._interest & READ and self._wants_more:
            self._set_interest(self._interest | READ)

    def _has_more(self) -> bool:
        """Whether something of a further request is here: of those that were pipelined only the last
        may close the connection.  Any thread, under the lock."""
        return bool(self._ahead or self.http.buffered) or not self.is_silent()

    # -- understanding ------------------------------------------------------------------------

    def _advance(self) -> None:
        """Take from the kernel what it understood, until it needs bytes, a response is due or it is
        the turn of the others."""
        self._advancing = True
        try:
            for _ in range(_TURN_EVENTS):
                if self.phase not in READING or self._is_held:
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
                    if not self._take_body(event.data):
                        self._hold()
                elif isinstance(event, EndOfMessage):
                    self._complete(event.trailers)
                elif isinstance(event, ConnectionClosed):
                    self.close()
            self._give_way()
        except RemoteProtocolError as error:
            # The kernel keeps it, and its traceback leads back to the kernel and here: whoever is
            # refused would wait for the collector.
            self._refuse(error.with_traceback(None))
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
        if self.phase in READING and not self._is_held:
            self._set_interest(self._interest & ~READ)
            self.loop.call_soon(self._go_on)

    def _hold(self) -> None:
        self._is_held = True
        self._set_interest(self._interest & ~READ)

    def _let_go(self) -> None:
        """There is room for more of the body, or nobody wants the rest."""
        if self._is_held:
            self._is_held = False
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self.phase in READING and not self._is_held:
            if not self._eof and self._wants_more:
                self._set_interest(self._interest | READ)
            self._advance()

    def take_over(self, data: bytes) -> None:
        """Go on where a simpler reader of this socket stopped; ``data`` is what it has read."""
        self.http.receive_data(data)
        self._advance()
