"""One room, as it is in this process: its loop, its clients here, and its place on the bus.

    OPENING ──the bus has opened it, and given what it keeps──▶ SHARED
        ▲                                                         │ the bus is gone
        └────────────── the bus is back ─────────── ALONE ◀───────┘

While a room is OPENING its clients wait for what is said in it; what they say is taken.  ALONE they hear what
is said here, without numbers.  A client that comes back with the number of the last message that it got is
given what follows, if the history has all of it.

Any thread: messages of clients come from the loop thread, and so do those of a bus, or from whoever says
something where there is but one process; the room's handler runs, and ends, in another thread.  `_lock`
guards who is there and whether the room is over, so nobody joins a room whose loop has just gone.  `_order`,
outside of it, is held while a message goes to all: so nobody gets it twice, or not, for joining meanwhile.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeAlias, TypeVar

from skitai.core.bus.frames import Bus, Frame, Kind, Terms
from skitai.core.bus.history import History
from skitai.core.websockets import presence
from skitai.core.websockets.handles import Message, Room
from skitai.core.websockets.inbox import Inbox
from skitai.core.websockets.numbered import Mark, numbered, pack, speech, unpack

__all__ = ["Begin", "Member", "OpenRoom"]

#: What a message is made into once, to be sent to many.
T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

#: Messages of a room that its loop has not taken, from which on its clients are not read any more.
_WAITING_MAX = 4096
_JOINED, _LEFT = 1, -1
#: In notices, in the place of a client.
_BUS = 0


class Member(Protocol[T_contra]):
    """One client of a room; any thread."""

    @property
    def address(self) -> str: ...

    @property
    def dropped(self) -> int:
        """Messages that it was too slow to get."""

    @property
    def is_numbered(self) -> bool:
        """It wants the numbers of messages (`skitai.core.websockets.numbered`)."""

    def send(self, encoded: T_contra) -> object:
        """Of no effect on one that has gone; must not raise."""

    def resume(self) -> object:
        """`OpenRoom.put` has said that there was no room, and there is."""

    def close(self, code: int, reason: str) -> object: ...


#: ``begin(handle, on_over)``: call the application with its room; ``on_over(code)`` once it has ended.
Begin: TypeAlias = Callable[[Room, Callable[[int], None]], object]


class _Phase(enum.Enum):
    OPENING = "the bus has not opened it"
    SHARED = "what is said here is heard elsewhere"
    ALONE = "it is not"


class OpenRoom(Generic[T]):
    """The `Members` of a room's handle."""

    def __init__(
        self, name: str, bus: Bus, encode: Callable[[Message], T], notices: bool, terms: Terms
    ) -> None:
        self.name = name
        self.terms = terms
        self._bus = bus
        self._encode = encode
        self._notices = notices
        self._lock = threading.Lock()
        # Guarded by it.
        self._members: dict[int, Member[T]] = {}
        #: Members that are not read until the loop has taken what there is.
        self._held: dict[int, Member[T]] = {}
        self._is_over = False
        self._elsewhere = presence.Elsewhere()
        self._inbox = Inbox(_WAITING_MAX, self._read_on)
        self._order = threading.Lock()
        # Guarded by that.
        self._phase = _Phase.OPENING
        #: Members that get what is said; the others wait, with the last thing that they know.
        self._live: dict[int, Member[T]] = {}
        self._waiting: dict[int, Mark | None] = {}
        self._epoch = ""
        self._history: History[Message] = History(0, terms)
        #: The room is open when the history has come to this number.
        self._target = 0
        #: Messages that this process did not get.
        self.lost = 0

    @property
    def is_over(self) -> bool:
        return self._is_over

    @property
    def members(self) -> dict[int, Member[T]]:
        """At the moment, by number."""
        with self._lock:
            return dict(self._members)

    def begin(self, begin: Begin) -> None:
        begin(Room(self, self._inbox), self._end)

    # -- clients of this process --------------------------------------------------------------------

    def add(self, number: int, member: Member[T], mark: Mark | None = None) -> bool:
        """False: the room is over.  ``mark``: how far it has got, if it is back."""
        with self._order:
            with self._lock:
                if self._is_over:
                    return False
                self._members[number] = member
            self._waiting[number] = mark
            if self._phase is not _Phase.OPENING:
                self._let_in()
            is_shared = self._phase is _Phase.SHARED
        if self._notices:
            self._inbox.put((number, _JOINED))
        if is_shared:
            self._bus.tell(self.name, presence.arrival(number, member.address))
        return True

    def put(self, number: int, message: Message) -> bool:
        """A member's message.  False: no more of its, until it is resumed."""
        if self._inbox.put((number, message)):
            return True
        with self._lock:
            member = self._members.get(number)
            if member is not None:
                self._held[number] = member
        # The loop may have taken all before we stood among those who are held: it will not come back for us.
        if not self._inbox.is_full:
            with self._lock:
                return self._held.pop(number, None) is not None or member is None
        return False

    def remove(self, number: int) -> Member[T] | None:
        """None: it was not here."""
        with self._order:
            self._live.pop(number, None)
            self._waiting.pop(number, None)
        with self._lock:
            member = self._members.pop(number, None)
            self._held.pop(number, None)
            is_last = not self._members
            self._is_over = self._is_over or is_last
        if member is not None:
            if self._notices:
                self._inbox.put((number, _LEFT))
            self._bus.tell(self.name, presence.departure(number))
        if is_last:
            self._inbox.close()
        return member

    # -- the room's handler -------------------------------------------------------------------------

    @property
    def clients(self) -> dict[int, str]:
        return {number: member.address for number, member in self.members.items()}

    @property
    def present(self) -> dict[int, str]:
        with self._lock:
            elsewhere = self._elsewhere.clients()
        return {**elsewhere, **self.clients}

    def send_all(self, message: Message) -> None:
        if not self._bus.say(self.name, pack(message)):
            self.say_alone(message)

    def send_to(self, client_id: int, message: Message) -> None:
        if not self._send_here(client_id, message) and client_id in self.present:
            self._bus.tell(self.name, presence.addressed(client_id, pack(message)), is_bound=True)

    def _send_here(self, client_id: int, message: Message) -> bool:
        """False: it is not here."""
        member = self.members.get(client_id)
        if member is None:
            return False
        member.send(self._encode(numbered(message, 0) if member.is_numbered else message))
        return True

    def close_all(self, code: int, reason: str) -> None:
        for member in self.members.values():
            member.close(code, reason)

    def _read_on(self) -> None:
        with self._lock:
            held, self._held = self._held, {}
        for member in held.values():
            member.resume()

    def _end(self, code: int) -> None:
        """The loop has: whoever comes from here on gets another room."""
        with self._lock:
            self._is_over = True
        self._inbox.close()
        self.close_all(code, "")

    # -- the bus ------------------------------------------------------------------------------------

    def hear(self, frame: Frame) -> None:
        if frame.kind in (Kind.TOLD, Kind.GONE, Kind.UNTOLD):
            self._hear_of_others(frame)
            return
        with self._order:
            if frame.kind is Kind.MESSAGE:
                self._hear_message(frame.number, frame.payload)
            elif frame.kind is Kind.OPENED:
                self._hear_opened(frame)
            elif frame.number > self._history.newest:
                self._lose(frame.number)
            is_given_all = bool(self._epoch) and self._history.newest >= self._target
            is_open = is_given_all and self._phase is _Phase.OPENING
            if is_open:
                self._phase = _Phase.SHARED
                self._let_in()
        if is_open:
            self._bus.tell(self.name, presence.ASK)
            self._bus.tell(self.name, self._present_here())

    def bus_is(self, there: bool) -> None:
        """Gone, or back; the room is opened anew then."""
        with self._order:
            if there == (self._phase is not _Phase.ALONE):
                return
            self._phase = _Phase.OPENING if there else _Phase.ALONE
            self._speak("back" if there else "gone")
            if not there:
                self._let_in()
        with self._lock:
            self._elsewhere.clear()
        if self._notices:
            self._inbox.put((_BUS, _JOINED if there else _LEFT))

    def say_alone(self, message: Message) -> None:
        """To the clients of this process."""
        with self._order:
            self._send(self._live.values(), message, 0)

    def _present_here(self) -> bytes:
        return presence.snapshot(self.clients)

    def _hear_of_others(self, frame: Frame) -> None:
        kind = frame.payload[:1]
        if frame.kind is Kind.GONE:
            with self._lock:
                self._elsewhere.forget(frame.number)
        elif frame.kind is Kind.UNTOLD:
            with self._lock:
                self._elsewhere.clear()
            self._bus.tell(self.name, presence.ASK)
        elif kind == presence.ASK:
            self._bus.tell(self.name, self._present_here())
        elif kind == b">":
            number, packed = presence.unaddressed(frame.payload)
            self._send_here(number, unpack(packed))
        else:
            with self._lock:
                self._elsewhere.hear(frame.number, frame.payload)

    # -- the bus, under `_order` --------------------------------------------------------------------

    def _hear_opened(self, frame: Frame) -> None:
        epoch, floor = frame.opening
        if epoch != self._epoch:  # numbers of another hub mean nothing here
            self._history = History(floor, self.terms)
            if self._epoch:
                self._speak("lost", epoch=epoch, number=floor)
            self._epoch = epoch
        elif floor > self._history.newest:
            self._lose(floor)
        self._target = frame.number

    def _hear_message(self, number: int, payload: bytes) -> None:
        newest = self._history.newest
        if number <= newest:
            return  # it was kept, and we have it
        if number > newest + 1:
            self._lose(number - 1)
        message = unpack(payload)
        self._history.add(message, len(payload))
        self._send(self._live.values(), message, number)

    def _lose(self, number: int) -> None:
        self.lost += number - self._history.newest
        self._history.skip(number)
        self._speak("lost", epoch=self._epoch, number=number)

    def _let_in(self) -> None:
        """Whoever waits."""
        waiting, self._waiting = self._waiting, {}
        for number, mark in waiting.items():
            member = self._members.get(number)
            if member is not None:
                if member.is_numbered:
                    self._begin_numbered(member, mark)
                self._live[number] = member

    def _begin_numbered(self, member: Member[T], mark: Mark | None) -> None:
        self._history.trim()
        number = self._history.newest
        here = {"epoch": self._epoch, "number": number}
        if self._phase is _Phase.ALONE:
            member.send(self._encode(speech("gone", **here)))
            return
        if mark is None:
            member.send(self._encode(speech("new", **here)))
        elif mark.epoch == self._epoch and self._history.floor <= mark.number <= number:
            member.send(self._encode(speech("resumed", **here)))
            for missed, message in self._history.since(mark.number):
                self._send((member,), message, missed)
        else:
            member.send(self._encode(speech("lost", **here)))

    def _speak(self, state: str, **more: object) -> None:
        """To those who listen to the room itself."""
        encoded = None
        for member in self._live.values():
            if member.is_numbered:
                encoded = encoded or self._encode(speech(state, **more))
                member.send(encoded)

    def _send(self, members: Iterable[Member[T]], message: Message, number: int) -> None:
        plain = with_number = None
        for member in members:
            if member.is_numbered:
                if with_number is None:
                    with_number = self._encode(numbered(message, number))
                member.send(with_number)
            else:
                if plain is None:
                    plain = self._encode(message)
                member.send(plain)
