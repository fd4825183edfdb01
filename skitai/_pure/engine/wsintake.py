"""What the peer of a WebSocket sends: read, understood, and given to the receiver as it keeps up.

What waits for a slow receiver is bounded by ``read_ahead_max``, what waits for a slow peer by
``ws_queue_max``: beyond either nothing is read.  Pings are answered before messages that wait.

The loop thread; only `resume` and `settle` are for any.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from time import monotonic

from skitai._pure.engine.liveness import Liveness
from skitai._pure.engine.loop import READ
from skitai._pure.engine.secure import Transport
from skitai._pure.engine.wscalls import CallTerms, MessageCaller, MessageCalls
from skitai._pure.engine.wsphases import CLOSED, PARTING, Receiver, WebSocketOwner
from skitai._pure.engine.wssender import WebSocketSender
from skitai._pure.websocket import Close, CloseCode, Connection, Event, Fault, Ping, Pong, Side

__all__ = ["WebSocketIntake"]

#: Messages in one turn: others have waited meanwhile.
_TURN_MESSAGES = 64
#: An empty deque takes 600 bytes, and most connections are silent.
_EMPTY: deque[Event | None] = deque(maxlen=0)
#: What a message that waits takes besides its bytes.
_MESSAGE_OVERHEAD = 64


class WebSocketIntake(WebSocketSender):
    __slots__ = (
        "_eof",
        "_farewell",
        "_inbox",
        "_inbox_size",
        "_owner",
        "_paused",
        "_receiver",
        "_turn_wanted",
        "owes",
        "received",
    )

    def __init__(
        self,
        owner: WebSocketOwner,
        sock: Transport,
        core: Connection,
        liveness: Liveness,
        receiver: Receiver,
    ) -> None:
        super().__init__(owner, sock, core, liveness)
        self._owner = owner
        self._receiver = receiver
        #: What has come and was not given to the receiver (None: the end), and about how much memory that is.
        self._inbox: deque[Event | None] = _EMPTY
        self._inbox_size = 0
        self._paused = False
        self._eof = False
        self._turn_wanted = False
        #: What to close with once all that has come was answered.
        self._farewell: int | None = None
        #: Set by the receiver, any thread: it answers what it was given, and has not yet.
        self.owes = False
        #: Messages.
        self.received = 0

    def resume(self) -> None:
        """The receiver takes messages again.  Any thread."""
        self.loop.call_soon(self._resume)

    def settle(self) -> None:
        """The receiver owes nothing any more.  Any thread."""
        self.owes = False
        if self._farewell is not None:
            self.resume()

    def call_here(self, receiver: MessageCaller, terms: CallTerms) -> MessageCalls | None:
        """Have ``receiver``'s application called in the loop thread, where a message is plain and its route
        not known to last; None: this build has nobody who would take the loop over from a call that lasts.
        Loop thread, once."""
        return None

    @property
    def liveness(self) -> Liveness:
        return self._liveness

    @property
    def is_between(self) -> bool:
        """All that was read was understood, and ended with a message's last byte."""
        return self._core.is_between

    @property
    def compresses(self) -> bool:
        return self._core.compresses

    @property
    def message_max(self) -> int:
        return self._core.message_max

    # -- what a subclass is told ------------------------------------------------------------

    @abstractmethod
    def _on_close(self, close: Close) -> None:
        """The peer says nothing more."""

    @abstractmethod
    def _on_fault(self, fault: Fault) -> None:
        """It broke the protocol or a limit."""

    # -- reading ------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        scratch = self._owner.scratch
        try:
            data = bytes(scratch[: self.sock.recv_into(scratch)])
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self._take(data)
        else:
            self._ended()

    def _take(self, data: bytes) -> None:
        if self.phase is PARTING:
            return  # nothing more is heard; the peer sees our answer, not a reset
        core, inbox = self._core, self._inbox
        events = core.receive(data)
        mid_frame = core.mid_frame
        self._liveness.heard(len(data), mid_frame)
        if mid_frame:
            self.deadline = min(self.deadline, self._liveness.deadline)
        if len(events) == 1 and not inbox and not self._paused and not self._is_full:
            (event,) = events
            if isinstance(event, (str, bytes)):  # as nearly always: it need not wait in the inbox
                self._give(event)
                return
        if inbox is _EMPTY:
            self._inbox = inbox = deque()
        for event in events:
            if isinstance(event, (str, bytes)):
                inbox.append(event)
                self._inbox_size += len(event) + _MESSAGE_OVERHEAD
            elif isinstance(event, Ping):
                with self.lock:
                    if core.our_side is Side.OPEN:
                        self._flush(core.send_pong(event.payload))
            elif not isinstance(event, Pong):
                inbox.append(event)
        if inbox and not self._turn_wanted:
            self._deliver()
        else:
            self._watch_reading()  # pings alone fill the queue too

    @property
    def _is_full(self) -> bool:
        """The peer does not take what it is sent."""
        return self.outgoing.size >= self.limits.ws_queue_max

    def _deliver(self) -> None:
        """Give the receiver what has come, as far as it and the peer keep up."""
        self._turn_wanted = False
        inbox = self._inbox
        self._corked = len(inbox) > 1
        turn = _TURN_MESSAGES
        try:
            while inbox and turn and not self._paused and not self._is_full:
                turn -= 1
                event = inbox.popleft()
                if isinstance(event, (str, bytes)):
                    self._inbox_size -= len(event) + _MESSAGE_OVERHEAD
                    self._give(event)
                    if not self.loop.in_loop_thread():
                        return  # the call has lasted: who leads now goes on here
                elif isinstance(event, Close):
                    self._on_close(event)
                elif isinstance(event, Fault):
                    self._on_fault(event)
                elif event is None:
                    self.close()
        finally:
            if self._corked and self.loop.in_loop_thread():
                self._corked = False
                with self.lock:
                    self._flush(b"")
        if not inbox:
            self._inbox = _EMPTY
        elif not turn and not self._paused:
            self._turn_wanted = True
            self.loop.call_soon(self._deliver)
        self._leave()
        self._watch_reading()

    def _leave(self) -> None:
        """Where we are to: once all that has come was answered."""
        if self._farewell is not None and not (self._inbox or self._paused or self.owes):
            self.start_closing(self._farewell)

    def _give(self, message: str | bytes) -> None:
        if self.phase is CLOSED:
            return
        self.received += 1
        self._liveness.moved()
        try:
            if not self._receiver.message(message):
                self._paused = True
        except Exception:
            self._owner.report("receiving a message of a WebSocket")
            self.start_closing(CloseCode.INTERNAL_ERROR)

    def _resume(self) -> None:
        self._paused = False
        if self.phase is not CLOSED:
            self._deliver()

    def _watch_reading(self) -> None:
        """Read, as long as there is room for what comes."""
        if self._eof or self.phase is CLOSED:
            return
        full = self._inbox_size >= self.limits.read_ahead_max or self._is_full
        if full and self.phase is not PARTING:
            self._set_interest(self._interest & ~READ)
        elif not self._interest & READ:
            self._liveness.unread(monotonic())
            self._set_interest(self._interest | READ)

    def _ended(self) -> None:
        """The peer's end of file, or a reset."""
        self._set_interest(self._interest & ~READ)
        self._eof = True
        if self._inbox:
            self._inbox.append(None)  # what came before is for the receiver still
        else:
            self.close()
