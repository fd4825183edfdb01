"""``was.ws.connect(url)``: a WebSocket to another server that its handler has for as long as it wants.

    with was.ws.connect("ws://host/path") as ws:
        ws.send("Hello")
        for message in ws:
            print(message)

It is being opened when `connect` returns; whatever needs the connection waits for that, and raises what went
wrong.  The loop thread hears what comes and puts it into an inbox; one handler's thread takes it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import TracebackType

from skitai._kernels import engine
from skitai._waiting import Future
from skitai.core.outbound.messages import Conversation
from skitai.core.outbound.request import Outcome, Request
from skitai.core.websockets.handles import Handle, Message
from skitai.core.websockets.inbox import Inbox
from skitai.was._awaiting import until_done
from skitai.was._call import CallGroup

__all__ = ["Connection", "Line"]

#: Messages that are not taken, from which on the server is not read any more.
_WAITING_MAX = 256


class Line:
    """A `Talker` in the loop thread; to the handler a `Socket`, any thread."""

    def __init__(self, group: CallGroup | None) -> None:
        self._group = group
        self._websocket: engine.WebSocket | None = None
        self._conversation: Conversation | None = None
        self._is_over = False
        #: The WebSocket, or why there will be none.
        self.ready = Future()
        # Not by a method of ours: we would be left to the collector.
        self.inbox = Inbox(_WAITING_MAX, partial(_resume, self.ready))

    def begin(self, request: Request, converse: Callable[[Request, Line], Conversation]) -> None:
        self._conversation = conversation = converse(request, self)
        if self._group is not None:
            self._group.add(conversation)
        # It can be given up from now on; and it may be over.
        if self._is_over:
            self._forget()

    def _forget(self) -> None:
        conversation, self._conversation = self._conversation, None
        if self._group is not None and conversation is not None:
            self._group.forget(conversation)

    # -- the loop thread ------------------------------------------------------------------------

    def opened(self, websocket: engine.WebSocket) -> None:
        self._websocket = websocket
        self.ready.complete(websocket)

    def message(self, message: Message) -> bool:
        return self.inbox.put(message)

    def over(self, outcome: Outcome) -> None:
        self._is_over = True
        self._forget()
        if outcome.error is not None:
            self.ready.fail(outcome.error)
        self.inbox.close()

    # -- any thread -----------------------------------------------------------------------------

    def wait(self) -> engine.WebSocket:
        """Until it is open, which takes no longer than its request may.  Raises why it is not."""
        websocket: engine.WebSocket = self.ready.wait()
        return websocket

    @property
    def subprotocol(self) -> str | None:
        return self.wait().subprotocol

    def send(self, message: Message) -> object:
        return self.wait().send(message)

    def start_closing(self, code: int = 1000, reason: str = "") -> None:
        conversation = self._conversation  # which the loop thread may forget in this moment
        if self._websocket is not None:
            self._websocket.start_closing(code, reason)
        elif conversation is not None:
            conversation.cancel()


def _resume(ready: Future) -> None:
    ready.wait().resume()  # it is open: messages have come


class Connection(Handle):
    """As ``environ["websocket"]`` at the other end."""

    def __init__(self, line: Line) -> None:
        super().__init__(line, line.inbox)
        self._line = line

    def getswait(self, timeout: float | None = None) -> list[Message] | None:
        messages = super().getswait(timeout)
        if messages is None:
            self._line.wait()  # raises, if it has never been open
        return messages

    async def receives(self, timeout: float | None = None) -> list[Message] | None:
        messages = await super().receives(timeout)
        if messages is None:
            self._line.wait()  # raises, if it has never been open
        return messages

    def __enter__(self) -> Connection:
        """It is open.  Raises why it cannot be."""
        self._line.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Connection:
        try:
            await until_done(self._line.ready)
        except BaseException:
            self.close()
            raise
        self._line.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
