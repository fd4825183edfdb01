"""WebSockets on the engine of the compiled build: those of the pure one over the compiled core."""

from __future__ import annotations

from skitai._pure.engine.websocket import WebSocket as PureWebSocket
from skitai._speedups.websocket import Connection

__all__ = ["WebSocket"]


class WebSocket(PureWebSocket):
    __slots__ = ()

    core = Connection
