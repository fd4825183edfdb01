"""The engine of the compiled build: the pure one, over the kernels of this build.

Its event loop is compiled where there is epoll.  With ``threads = 0`` connections begin in the
fast lane (lane_connection.pyx) and go over to the general `Connection` with the first request
that is not plain; with threads they are general from the start.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import Any, cast

from skitai._pure.engine import (
    Begun,
    BodySink,
    Exchange,
    Lane,
    Listener,
    Progress,
    Refusal,
    Service,
    Timer,
)
from skitai._pure.engine import Engine as PureEngine
from skitai._pure.engine.connection import Connection
from skitai._speedups.http1 import ServerConnection
from skitai._speedups.lane_connection import LaneConnection
from skitai._speedups.lanes import Lanes
from skitai.limits import Limits

if sys.platform == "linux":
    from skitai._speedups.loop import EventLoop
else:
    from skitai._pure.engine import EventLoop

__all__ = [
    "Begun",
    "BodySink",
    "Engine",
    "EventLoop",
    "Exchange",
    "Lane",
    "Listener",
    "Progress",
    "Refusal",
    "Service",
    "Timer",
]


class Engine(PureEngine):
    http_connection = ServerConnection
    event_loop = EventLoop

    def __init__(self, service: Service, limits: Limits, report: Callable[[str], None]) -> None:
        super().__init__(service, limits, report)
        self._lanes = Lanes(self) if service.inline else None

    def _new_connection(self, sock: socket.socket, peer: tuple[str, int], info: Any) -> Connection:
        if self._lanes is None:
            return super()._new_connection(sock, peer, info)
        # It has what the engine asks of a connection, which is little.
        return cast(Connection, LaneConnection(self._lanes, sock, peer, info))

    # -- for lane connections ---------------------------------------------------------------

    def stayed_idle(self, connection: Connection) -> None:
        """It has answered and waits again: it is the last now to be closed for want of room."""
        self._idle.move_to_end(connection)

    def replace(self, lane: LaneConnection) -> Connection:
        """A general connection in the place of ``lane``, which has not read or answered the present
        request as far as anybody can tell."""
        self.loop.unwatch(lane.sock)
        known = cast(Connection, lane)
        self.connections.discard(known)
        self._idle.pop(known, None)
        connection = super()._new_connection(lane.sock, lane.peer, lane.info)
        self.connections.add(connection)
        self.became_idle(connection)
        if self.draining:
            connection.http.refuse_keep_alive()
        return connection
