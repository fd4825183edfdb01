"""Numbers what is said in rooms, and knows how far each process has got.

Of each room that a process takes part in the hub has a *cursor*: the number of the last message that was
given to it.  A process that does not read gives no room (`Subscriber.give` is False), and its cursor stays
behind; nobody else is held up.  Once there is room again it gets what the history of the room still has, and
for the rest one LOST with a number.  So nothing is lost in silence, and what waits for a process is never
more than its bounded queue and the histories, which are shared.

    JOIN ──▶ OPENED ──▶ what is kept ──▶ MESSAGE, MESSAGE … ──▶ PART
                              ▲              │ no room
                              └── `catch_up` ┘

A room that no process has is kept as long as there is something in its history; its numbers are never used
again, because a room that is new begins above all that were.

One thread, or under the lock of whoever has it; no I/O.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from skitai.core.bus.frames import Frame, Kind, Terms
from skitai.core.bus.history import History

__all__ = ["Hub", "Subscriber"]

#: A cursor: OPENED was not given yet.
_UNOPENED = -1


class Subscriber(Protocol):
    """A process."""

    #: Its number, which no other process has had.
    origin: int

    def give(self, frame: Frame) -> bool:
        """False: there is no room for it; when there is, call `Hub.catch_up`."""


class _Room:
    __slots__ = ("cursors", "history", "name", "unheard")

    def __init__(self, name: str, newest: int, terms: Terms, clock: Callable[[], float]) -> None:
        self.name = name
        self.history: History[Frame] = History(newest, terms, clock)
        self.cursors: dict[Subscriber, int] = {}
        #: Who has missed what others told it.
        self.unheard: set[Subscriber] = set()


class Hub:
    def __init__(self, history_max: int, clock: Callable[[], float] = monotonic) -> None:
        """``history_max``: bytes, of all histories together."""
        self.history_max = history_max
        self._clock = clock
        #: Which numbering this is: another hub's numbers mean nothing here.
        self._epoch = os.urandom(4).hex()
        self._rooms: dict[str, _Room] = {}
        self._rooms_of: dict[Subscriber, dict[str, _Room]] = {}
        #: Rooms with something in their history, the one that was silent for longest first.
        self._kept: dict[str, _Room] = {}
        self._kept_size = 0
        #: The highest number of rooms that are forgotten.
        self._highest = 0

    @property
    def kept(self) -> int:
        """Bytes in histories."""
        return self._kept_size

    def hear(self, subscriber: Subscriber, frame: Frame) -> None:
        if frame.kind is Kind.SAY:
            self.say(frame.room, frame.payload)
        elif frame.kind is Kind.TELL:
            self.tell(subscriber, frame.room, frame.payload)
        elif frame.kind is Kind.JOIN:
            self.join(subscriber, frame.room, frame.terms)
        elif frame.kind is Kind.PART:
            self.part(subscriber, frame.room)
        else:
            raise ValueError(f"a process has said {frame!r} to the hub")

    def join(self, subscriber: Subscriber, name: str, terms: Terms) -> None:
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = _Room(name, self._highest, terms, self._clock)
        elif terms.most:
            room.history.terms = terms  # those of the last who has said any
        room.cursors[subscriber] = _UNOPENED
        self._rooms_of.setdefault(subscriber, {})[name] = room
        self._catch_up(subscriber, room)

    def part(self, subscriber: Subscriber, name: str) -> None:
        room = self._rooms_of.get(subscriber, {}).pop(name, None)
        if room is not None:
            del room.cursors[subscriber]
            room.unheard.discard(subscriber)
            self._tell_all(room, subscriber, Frame(Kind.GONE, name, subscriber.origin))
            self._forget_idle(room)

    def leave(self, subscriber: Subscriber) -> None:
        """The process has ended."""
        for name in tuple(self._rooms_of.get(subscriber, ())):
            self.part(subscriber, name)
        self._rooms_of.pop(subscriber, None)

    def say(self, name: str, payload: bytes) -> None:
        room = self._rooms.get(name)
        if room is None:
            return  # nobody is there, and nobody has asked to keep it
        history = room.history
        number = history.newest + 1
        frame = Frame(Kind.MESSAGE, name, number, payload)
        self._keep(room, frame)
        for subscriber, cursor in room.cursors.items():
            if cursor == number - 1 and subscriber.give(frame):
                room.cursors[subscriber] = number

    def tell(self, subscriber: Subscriber, name: str, payload: bytes) -> None:
        room = self._rooms.get(name)
        if room is not None:
            self._tell_all(room, subscriber, Frame(Kind.TOLD, name, subscriber.origin, payload))

    def catch_up(self, subscriber: Subscriber) -> None:
        """It has room again."""
        for room in tuple(self._rooms_of.get(subscriber, {}).values()):
            if not self._catch_up(subscriber, room):
                return

    # -- one process in one room --------------------------------------------------------------------

    def _catch_up(self, subscriber: Subscriber, room: _Room) -> bool:
        """False: there is no room for the rest."""
        history = room.history
        history_size = history.size
        history.trim()
        self._kept_size += history.size - history_size
        cursor = room.cursors[subscriber]
        if cursor == _UNOPENED:
            if not subscriber.give(Frame.opened(room.name, history.newest, self._epoch, history.floor)):
                return False
            cursor = history.floor
        elif cursor < history.floor:
            if not subscriber.give(Frame(Kind.LOST, room.name, history.floor)):
                return False
            cursor = history.floor
        room.cursors[subscriber] = cursor
        for number, frame in history.since(cursor):
            if not subscriber.give(frame):
                return False
            room.cursors[subscriber] = number
        if subscriber in room.unheard:
            if not subscriber.give(Frame(Kind.UNTOLD, room.name)):
                return False
            room.unheard.discard(subscriber)
        return True

    def _tell_all(self, room: _Room, teller: Subscriber, frame: Frame) -> None:
        for subscriber in room.cursors:
            if subscriber is not teller and not subscriber.give(frame):
                room.unheard.add(subscriber)

    # -- what is kept -------------------------------------------------------------------------------

    def _keep(self, room: _Room, frame: Frame) -> None:
        history = room.history
        before = history.size
        history.add(frame, len(frame.payload))
        self._kept_size += history.size - before
        self._kept.pop(room.name, None)
        if len(history):
            self._kept[room.name] = room
        # The rooms that were silent for longest first: of those the oldest is likely too old, or too much.
        while self._kept:
            silent = next(iter(self._kept.values()))
            before = silent.history.size
            silent.history.trim()
            if len(silent.history) and self._kept_size - before + silent.history.size > self.history_max:
                silent.history.drop()
            self._kept_size += silent.history.size - before
            if len(silent.history):
                if self._kept_size <= self.history_max:
                    return
            else:
                del self._kept[silent.name]
                self._forget_idle(silent)

    def _forget_idle(self, room: _Room) -> None:
        """If nobody is there, and nothing is kept."""
        if room.cursors or len(room.history):
            return
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]
            self._highest = max(self._highest, room.history.newest)
