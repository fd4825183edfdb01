"""Rooms of a process (``WEBSOCKET_MULTICAST``): which are open, whatever carries their messages.

    somebody joins ──▶ OPEN ──the last one leaves, or the loop ends──▶ OVER

Its loop is called with the environ of who came first.  When the last client of this process has left the loop
gets None; who comes later gets a room anew.  When the loop ends by itself, whoever is left is sent away, with
the code that says how it ended.  What is said in a room goes over the bus (`skitai.core.bus`), to the clients
of this process too.

Any thread.  `_lock` guards which rooms are open; `_sharing`, outside of it, makes that known to the bus, so
that of two who come and go at once the later one counts there too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from skitai.core.bus.frames import Bus, Frame, Listener, Terms
from skitai.core.bus.local import LocalBus
from skitai.core.websockets.clientids import client_ids
from skitai.core.websockets.handles import Message
from skitai.core.websockets.numbered import Mark, pack
from skitai.core.websockets.opening import RoomKey
from skitai.core.websockets.openroom import Begin, Member, OpenRoom
from skitai.limits import Limits

__all__ = ["Rooms"]

#: What a message is made into once, to be sent to many.
T = TypeVar("T")
_HISTORY_MAX = Limits().ws_history_max


def _alone(listener: Listener) -> Bus:
    return LocalBus(listener, _HISTORY_MAX)


class Rooms(Generic[T]):
    """Those of one application, or of one process.  The `Listener` of its bus."""

    def __init__(
        self,
        encode: Callable[[Message], T],
        make_bus: Callable[[Listener], Bus] = _alone,
        ids: Iterator[int] | None = None,
    ) -> None:
        """``ids``: for clients; no other process may have the same."""
        self._encode = encode
        self._ids = client_ids() if ids is None else ids
        self._lock = threading.Lock()
        self._open: dict[str, OpenRoom[T]] = {}
        self._sharing = threading.Lock()
        #: What the bus knows.
        self._shared: dict[str, OpenRoom[T]] = {}
        self._is_bus_there = True
        #: Of those who have left, and of rooms that are over.
        self._dropped = self._lost = 0
        self._bus = make_bus(self)

    def is_open(self, key: RoomKey) -> bool:
        room = self._open.get(key.name)
        return room is not None and not room.is_over

    def join(
        self,
        key: RoomKey,
        member: Member[T],
        begin: Begin,
        *,
        notices: bool,
        terms: Terms = Terms(),  # noqa: B008 - a tuple
        mark: Mark | None = None,
    ) -> tuple[OpenRoom[T], int]:
        """The room, and the member's number in it.  ``begin``, ``notices``, ``terms``: of a room that is
        new; ``mark``: how far the member has got, if it is back."""
        name = key.name
        while True:
            with self._lock:
                number = next(self._ids)
                room = self._open.get(name)
                is_new = room is None or room.is_over
                if room is None or is_new:
                    room = OpenRoom(name, self._bus, self._encode, notices, terms)
                    room.bus_is(self._is_bus_there)
                    self._open[name] = room
            if room.add(number, member, mark):  # not if its loop has ended meanwhile
                break
        if is_new:
            self._share(name)
            room.begin(begin)
        return room, number

    def leave(self, room: OpenRoom[T], number: int) -> None:
        member = room.remove(number)
        is_gone = False
        with self._lock:
            if member is not None:
                self._dropped += member.dropped
            if room.is_over and self._open.get(room.name) is room:  # there may be another one by now
                del self._open[room.name]
                self._lost += room.lost
                is_gone = True
        if is_gone:
            self._share(room.name)

    def publish(self, name: str, message: Message) -> None:
        """To everybody in the room, in all processes.  Raises SendQueueFull."""
        if not self._bus.say(name, pack(message)):
            room = self._open.get(name)
            if room is not None:
                room.say_alone(message)

    def status(self) -> dict[str, Any]:
        with self._lock:
            rooms = dict(self._open)
            dropped, lost = self._dropped, self._lost
        members = {name: room.members for name, room in rooms.items()}
        return {
            "rooms": {_shown(name): len(present) for name, present in members.items()},
            "dropped": dropped + sum(one.dropped for present in members.values() for one in present.values()),
            "messages of the bus that were lost": lost + sum(room.lost for room in rooms.values()),
            **self._bus.status(),
        }

    # -- the bus ------------------------------------------------------------------------------------

    def hear(self, frame: Frame) -> None:
        room = self._open.get(frame.room)
        if room is not None:
            room.hear(frame)

    def bus_is(self, there: bool) -> None:
        with self._lock:
            self._is_bus_there = there
            rooms = tuple(self._open.values())
        for room in rooms:
            room.bus_is(there)

    def _share(self, name: str) -> None:
        with self._sharing:
            room = self._open.get(name)
            if self._shared.get(name) is room:
                return
            if self._shared.pop(name, None) is not None:
                self._bus.part(name)
            if room is not None:
                self._shared[name] = room
                self._bus.join(name, room.terms)


def _shown(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
