"""One loop for one connection (``WEBSOCKET_DEDICATE``): its messages wait in an inbox until the loop asks.

The connection is closed with 1000 when the application's function returns, and with 1011 when it fails.
"""

from __future__ import annotations

from skitai._kernels import engine
from skitai.core.websockets.calls import close_code
from skitai.core.websockets.handles import Handle, Message
from skitai.core.websockets.inbox import Inbox
from skitai.websocket.callstage import Outcome
from skitai.websocket.connections import Application

__all__ = ["Dedicated"]

#: Messages that are not taken, from which on the client is not read any more.
_WAITING_MAX = 256


class Dedicated:
    """An `engine.Receiver`: the loop thread."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._websocket: engine.WebSocket | None = None
        self._inbox: Inbox | None = None

    def opened(self, websocket: engine.WebSocket) -> None:
        self._websocket = websocket
        self._inbox = inbox = Inbox(_WAITING_MAX, websocket.resume)
        environ = dict(self._application.environ)
        environ["websocket"] = Handle(websocket, inbox)
        self._application.run_loop(self._application.stage(self._on_done), environ)

    def message(self, message: Message) -> bool:
        assert self._inbox is not None
        return self._inbox.put(message)

    def closed(self, code: int, reason: str) -> None:
        if self._inbox is not None:
            self._inbox.close()

    def _on_done(self, outcome: Outcome) -> None:
        """The thread of the loop."""
        assert self._websocket is not None
        assert self._inbox is not None
        self._inbox.close()
        self._websocket.start_closing(close_code(outcome.status))
