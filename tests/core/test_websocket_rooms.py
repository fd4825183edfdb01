"""Rooms: who is in which, until when, and who is held up by a loop that is slow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from skitai.core.websockets.handles import Room
from skitai.core.websockets.opening import RoomKey
from skitai.core.websockets.openroom import _WAITING_MAX
from skitai.core.websockets.rooms import Rooms

KEY = RoomKey("/chat", "1")


class Guest:
    """A `Member` that remembers."""

    address = "192.0.2.1"
    is_numbered = False

    def __init__(self, dropped: int = 0) -> None:
        self.dropped = dropped
        self.heard: list[Any] = []
        self.closed: list[int] = []
        self.resumed = threading.Event()

    def send(self, encoded: Any) -> None:
        self.heard.append(encoded)

    def resume(self) -> None:
        self.resumed.set()

    def close(self, code: int, reason: str) -> None:
        self.closed.append(code)


class Loops:
    """The handlers of rooms, which are begun and do nothing."""

    def __init__(self) -> None:
        self.begun: list[tuple[Room, Callable[[int], None]]] = []

    def begin(self, room: Room, on_over: Callable[[int], None]) -> None:
        self.begun.append((room, on_over))


@pytest.fixture
def loops() -> Loops:
    return Loops()


@pytest.fixture
def rooms() -> Rooms[Any]:
    return Rooms(lambda message: ("encoded", message))


def test_the_first_one_begins_the_loop_and_the_last_one_ends_it(rooms: Rooms[Any], loops: Loops) -> None:
    room, first = rooms.join(KEY, Guest(), loops.begin, notices=True)
    same, second = rooms.join(KEY, Guest(), loops.begin, notices=True)
    assert same is room
    assert rooms.is_open(KEY)
    ((handle, _),) = loops.begun
    assert handle.getswait(0) == [(first, 1), (second, 1)]
    assert handle.clients == {first: "192.0.2.1", second: "192.0.2.1"}
    rooms.leave(room, first)
    assert handle.getswait(0) == [(first, -1)]
    rooms.leave(room, second)
    assert handle.getswait(0) == [(second, -1)]
    assert handle.getswait(0) is None
    assert not rooms.is_open(KEY)
    another, _ = rooms.join(KEY, Guest(), loops.begin, notices=True)
    assert another is not room
    assert len(loops.begun) == 2


def test_a_message_for_all_is_encoded_once(rooms: Rooms[Any], loops: Loops) -> None:
    guests = Guest(), Guest()
    for guest in guests:
        rooms.join(KEY, guest, loops.begin, notices=False)
    loops.begun[0][0].sendall("hi")
    assert guests[0].heard == [("encoded", "hi")]
    assert guests[0].heard[0] is guests[1].heard[0]


def test_a_loop_that_ends_before_it_has_begun_takes_its_client_with_it(rooms: Rooms[Any]) -> None:
    """As where there is no thread for it."""
    guest = Guest()
    room, _ = rooms.join(KEY, guest, lambda handle, on_over: on_over(1013), notices=False)
    assert guest.closed == [1013]
    assert room.is_over


def test_nobody_joins_a_room_whose_loop_has_ended(rooms: Rooms[Any], loops: Loops) -> None:
    old, number = rooms.join(KEY, Guest(), loops.begin, notices=False)
    loops.begun[0][1](1000)
    guest = Guest()
    new, _ = rooms.join(KEY, guest, loops.begin, notices=False)
    assert new is not old
    assert old.add(99, Guest()) is False
    rooms.leave(old, number)  # whose goodbye comes last
    assert rooms.is_open(KEY)
    assert guest.closed == []


def test_who_joins_while_the_loop_ends_is_sent_away_or_in_a_room_that_lives(rooms: Rooms[Any]) -> None:
    for _ in range(300):
        loops = Loops()
        rooms.join(KEY, Guest(), loops.begin, notices=False)
        guest = Guest()
        ending = threading.Thread(target=loops.begun[0][1], args=(1000,))
        ending.start()
        room, _ = rooms.join(KEY, guest, loops.begin, notices=False)
        ending.join()
        assert guest.closed == [1000] if room.is_over else guest.closed == []
        for on_over in [on_over for _, on_over in loops.begun]:
            on_over(1000)


def test_a_slow_loop_holds_up_those_who_talk_and_lets_them_go_on(rooms: Rooms[Any], loops: Loops) -> None:
    loud, quiet = Guest(), Guest()
    room, number = rooms.join(KEY, loud, loops.begin, notices=False)
    rooms.join(KEY, quiet, loops.begin, notices=False)
    taken = [room.put(number, "x") for _ in range(_WAITING_MAX)]
    assert taken == [True] * (_WAITING_MAX - 1) + [False]
    assert not loud.resumed.is_set()
    assert len(loops.begun[0][0].getswait(0) or ()) == _WAITING_MAX
    assert loud.resumed.is_set()
    assert not quiet.resumed.is_set()
    assert room.put(number, "x") is True


def test_who_is_held_by_a_loop_that_ends_goes_on_to_its_end(rooms: Rooms[Any], loops: Loops) -> None:
    guest = Guest()
    room, number = rooms.join(KEY, guest, loops.begin, notices=False)
    for _ in range(_WAITING_MAX):
        room.put(number, "x")
    loops.begun[0][1](1000)
    assert guest.resumed.is_set(), "its goodbye stands behind what it has sent, and is not read"
    assert room.put(number, "late") is True


def test_nobody_is_held_for_ever(rooms: Rooms[Any], loops: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop may take all between the message that was too much and the note of who is held."""
    guest = Guest()
    room, number = rooms.join(KEY, guest, loops.begin, notices=False)
    handle = loops.begun[0][0]
    put = room._inbox.put

    def put_and_taken(item: Any) -> bool:
        has_room = put(item)
        if not has_room:
            handle.getswait(0)
        return has_room

    monkeypatch.setattr(room._inbox, "put", put_and_taken)
    assert all(room.put(number, "x") for _ in range(2 * _WAITING_MAX))


def test_status_counts_what_slow_clients_did_not_get(rooms: Rooms[Any], loops: Loops) -> None:
    room, number = rooms.join(KEY, Guest(dropped=3), loops.begin, notices=False)
    path = "/Größe".encode().decode("latin-1")
    rooms.join(RoomKey(path, None), Guest(dropped=4), loops.begin, notices=False)
    assert [rooms.status()[name] for name in ("rooms", "dropped")] == [{"/chat?1": 1, "/Größe": 1}, 7]
    rooms.leave(room, number)
    rooms.leave(room, number)
    assert [rooms.status()[name] for name in ("rooms", "dropped")] == [{"/Größe": 1}, 7]
