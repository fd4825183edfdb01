"""One call for each message (``WEBSOCKET_REQDATA``).

The message is the argument of the design's name in the query string, next to those of the URL that the client
has connected to, so an application reads it as it reads any argument; it stands as it came in
``environ["skitai.websocket.message"]``.  What the application returns is sent back: as a text, or, where its
Content-Type is application/octet-stream, as a binary message; with status 204 nothing is.

One call at a time for each connection, in the order of the messages: applications that were written for
requests and answers are not written for more.  A call that fails (status 500 and above, or an exception)
closes the connection with 1011, one that refuses the message (status 400 to 499) with 1008, one for which
there was no thread in time (503) with 1013; where the application is in debug, its error page is sent first.
"""

from __future__ import annotations

import threading
from typing import Any, cast

from skitai._constants import reason_phrase
from skitai._kernels import engine, http1
from skitai.core.websockets.calls import NORMAL, TOO_SLOW, close_code, environ_of, message_of
from skitai.core.websockets.designs import Design
from skitai.core.websockets.handles import Message
from skitai.errors import ClientDisconnected, SendQueueFull
from skitai.websocket.callstage import CallStage, Outcome
from skitai.websocket.connections import Application

__all__ = ["RequestData"]

#: Messages that wait for their turn, from which on the client is not read any more.
_WAITING_MAX = 32


class RequestData:
    """One connection's calls: an `engine.Receiver`.  The loop thread, but for `on_done`.

    As a `MessageCaller` it has its application called by the engine, where that can: see there."""

    def __init__(self, design: Design, application: Application) -> None:
        self._variable = design.variable
        self._application = application
        self._websocket: engine.WebSocket | None = None
        self._calls: engine.MessageCalls | None = None
        # Guards all that follows.
        self._lock = threading.Lock()
        self._waiting: list[Message] = []  # few, and mostly none: an empty deque takes 600 bytes
        self.call: CallStage | None = None
        self._is_held = False
        self.is_closed = False

    def opened(self, websocket: engine.WebSocket) -> None:
        self._websocket = websocket
        terms = self._application.terms(self._variable)
        if terms is not None:
            self._calls = websocket.call_here(self, terms)

    def message(self, message: Message) -> bool:
        assert self._websocket is not None
        with self._lock:
            if self.is_closed:
                return True  # and behind it comes the client's goodbye
            self._websocket.owes = True
            if self.call is not None:
                self._waiting.append(message)
                self._is_held = len(self._waiting) >= _WAITING_MAX
                return not self._is_held
        if self._calls is not None and self._calls.take(message):
            return True
        self.call = call = self._stage()
        self._application.run(call, self._environ(message))
        return True

    def closed(self, code: int, reason: str) -> None:
        with self._lock:
            self.is_closed = True
            self._waiting.clear()
            call = self.call
        if call is not None:
            call.lose()

    def _environ(self, message: Message) -> dict[str, Any]:
        return environ_of(self._application.environ, self._variable, message)

    def _stage(self) -> CallStage:
        if self._calls is None:
            return self._application.stage(self.on_done)
        return cast(CallStage, self._calls.stage())

    def answered(self, status: int, headers: http1.Headers, body: bytes) -> None:
        """The engine has made the call."""
        self.on_done(Outcome(status, headers, body))

    def on_done(self, outcome: Outcome) -> None:
        """The thread of the call."""
        websocket = self._websocket
        assert websocket is not None  # it was opened before it had a message
        message: Message | None = None
        call: CallStage | None = None
        code = self._answer(websocket, outcome)
        with self._lock:
            if code != NORMAL:  # the messages behind the one that failed are not for the application
                self.is_closed = True
                self._waiting.clear()
            if self._waiting:
                message = self._waiting.pop(0)
                call = self._stage()
            if code == NORMAL:  # otherwise nothing is called any more
                self.call = call
            if call is None:
                websocket.settle()
            has_room = self._is_held and len(self._waiting) <= _WAITING_MAX // 2
            if has_room:
                self._is_held = False
        if code != NORMAL:
            status = outcome.status
            websocket.start_closing(code, reason_phrase(status) if status >= 400 else "")
        if has_room:
            websocket.resume()
        if call is not None and message is not None:
            self._application.run_behind(call, self._environ(message))

    def _answer(self, websocket: engine.WebSocket, outcome: Outcome) -> int:
        """What the connection is to be closed with; `NORMAL`: it goes on."""
        status = outcome.status
        code = close_code(status)
        message: Message | None = None
        if code == NORMAL:
            message = message_of(*outcome)
        elif status and self._shows_failures():
            message = outcome.body.decode("utf-8", "replace")
        try:
            if message is not None:
                websocket.send(message)
        except ClientDisconnected:
            return code  # nobody waits for it
        except SendQueueFull:
            return TOO_SLOW
        return code

    def _shows_failures(self) -> bool:
        try:
            return self._application.debug()
        except Exception:  # it is the application's, and its client must hear of the end all the same
            return False
