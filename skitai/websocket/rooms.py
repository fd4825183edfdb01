"""Clients of the server in a room (``WEBSOCKET_MULTICAST``), and what becomes of those that are slow.

The room itself is `skitai.core.websockets.rooms`.  A message for all is encoded once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from skitai._kernels import engine
from skitai.core.bus.frames import Terms
from skitai.core.websockets.calls import TOO_SLOW, close_code
from skitai.core.websockets.designs import Design
from skitai.core.websockets.handles import Message, Room
from skitai.core.websockets.numbered import PROTOCOL, mark_in
from skitai.core.websockets.opening import RoomKey
from skitai.core.websockets.openroom import OpenRoom
from skitai.core.websockets.rooms import Rooms
from skitai.errors import ClientDisconnected, SendQueueFull
from skitai.websocket.connections import Application

__all__ = ["Client", "Place"]

#: Messages for a client that is slow, beside ``ws_queue_max``, where the oldest are dropped.
_KEPT_MAX = 256


class Place:
    """One client's in a room: an `engine.Receiver`.  The loop thread."""

    __slots__ = ("_application", "_design", "_key", "_number", "_room", "_rooms")

    def __init__(self, rooms: Rooms[bytes], key: RoomKey, design: Design, application: Application) -> None:
        self._rooms = rooms
        self._key = key
        self._design = design
        self._application = application
        self._room: OpenRoom[bytes] | None = None
        self._number = 0

    def opened(self, websocket: engine.WebSocket) -> None:
        options = self._design.options
        client = Client(
            websocket,
            keeps_newest=options.on_slow_client == "drop_oldest",
            is_numbered=websocket.subprotocol == PROTOCOL,
        )
        self._room, self._number = self._rooms.join(
            self._key,
            client,
            self._begin,
            notices=options.notices,
            terms=Terms(options.history, options.history_seconds),
            mark=mark_in(self._application.environ),
        )

    def message(self, message: Message) -> bool:
        assert self._room is not None  # it was opened before it had a message
        return self._room.put(self._number, message)

    def closed(self, code: int, reason: str) -> None:
        if self._room is not None:
            self._rooms.leave(self._room, self._number)

    def _begin(self, room: Room, on_over: Callable[[int], None]) -> None:
        environ = dict(self._application.environ)
        environ["websocket"] = room
        stage = self._application.stage(lambda outcome: on_over(close_code(outcome.status)))
        self._application.run_loop(stage, environ)


class Client:
    """A `Member` of a room.

        DIRECT ──its queue is full──▶ BEHIND (what comes is kept) ──all is sent──▶ DIRECT

    or, where it is not to be waited for, closed.  Any thread; all that follows is under the lock.
    """

    __slots__ = ("_is_behind", "_keeps_newest", "_kept", "_lock", "_websocket", "dropped", "is_numbered")

    def __init__(self, websocket: engine.WebSocket, *, keeps_newest: bool, is_numbered: bool = False) -> None:
        """``keeps_newest``: of what it is too slow to take; False: it is closed then."""
        self.is_numbered = is_numbered
        self._websocket = websocket
        self._keeps_newest = keeps_newest
        self._lock = threading.Lock()
        self._kept: deque[bytes] = deque()
        #: `_go_on` will be called.
        self._is_behind = False
        self.dropped = 0

    @property
    def address(self) -> str:
        return self._websocket.peer[0]

    def send(self, encoded: bytes) -> None:
        with self._lock:
            if self._keeps_newest:
                self._keep(encoded)
                if not self._is_behind:
                    self._send_kept()
                return
            try:
                self._websocket.send_encoded(encoded)
                return
            except ClientDisconnected:
                return  # it has left, and the room will hear of it
            except SendQueueFull:
                self.dropped += 1
        self._websocket.start_closing(TOO_SLOW, "messages are not taken (ws_queue_max)")

    def resume(self) -> None:
        self._websocket.resume()

    def close(self, code: int, reason: str) -> None:
        self._websocket.start_closing(code, reason)

    def _keep(self, encoded: bytes) -> None:
        if len(self._kept) == _KEPT_MAX:
            self._kept.popleft()
            self.dropped += 1
        self._kept.append(encoded)

    def _send_kept(self) -> None:
        while self._kept:
            try:
                self._websocket.send_encoded(self._kept[0])
                self._kept.popleft()
            except ClientDisconnected:
                self._kept.clear()
            except SendQueueFull:
                # False: the client has taken all of it, or left, since we were told.
                self._is_behind = self._websocket.when_room(self._go_on)
                if self._is_behind:
                    return

    def _go_on(self) -> None:
        """Loop thread: there is room, or the client has gone."""
        with self._lock:
            self._is_behind = False
            self._send_kept()
