"""A room on a bus: who gets what from when on, what is lost, and what happens while the bus is gone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from skitai.core.bus.frames import Frame, Kind, Terms
from skitai.core.websockets import presence
from skitai.core.websockets.clientids import client_ids
from skitai.core.websockets.handles import Room
from skitai.core.websockets.numbered import Mark, mark_in, pack
from skitai.core.websockets.opening import RoomKey
from skitai.core.websockets.openroom import OpenRoom
from skitai.core.websockets.rooms import Rooms

KEY = RoomKey("/chat", "1")
NAME = "/chat?1"


class Wire:
    """A `Bus` whose other end is the test."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []
        self.is_there = True

    def join(self, room: str, terms: Terms) -> None:
        self.said.append(("join", room, terms))

    def part(self, room: str) -> None:
        self.said.append(("part", room))

    def say(self, room: str, payload: bytes) -> bool:
        self.said.append(("say", payload))
        return self.is_there

    def tell(self, room: str, payload: bytes, *, is_bound: bool = False) -> None:
        self.said.append(("tell", payload))

    def status(self) -> dict[str, Any]:
        return {}


class Guest:
    address = "192.0.2.1"
    dropped = 0

    def __init__(self, *, is_numbered: bool = False) -> None:
        self.is_numbered = is_numbered
        self.heard: list[Any] = []

    def send(self, encoded: Any) -> None:
        self.heard.append(encoded)

    def resume(self) -> None:
        """It was not held."""

    def close(self, code: int, reason: str) -> None:
        """The test does not look."""

    def take(self) -> list[Any]:
        heard, self.heard = self.heard, []
        return [json.loads(said[1:])["state"] if str(said)[:1] == "!" else said for said in heard]


class World:
    def __init__(self) -> None:
        self.wire = Wire()
        self.rooms: Rooms[Any] = Rooms(lambda message: message, lambda listener: self.wire)
        self.handles: list[Room] = []

    def join(self, guest: Guest, mark: Mark | None = None, **options: Any) -> tuple[OpenRoom[Any], int]:
        options = {"notices": False, "terms": Terms(10, 60.0), **options}
        return self.rooms.join(
            KEY, guest, lambda room, on_over: self.handles.append(room), mark=mark, **options
        )

    def opened(self, number: int, floor: int, epoch: str = "e0") -> None:
        self.rooms.hear(Frame.opened(NAME, number, epoch, floor))

    def message(self, number: int, message: Any) -> None:
        self.rooms.hear(Frame(Kind.MESSAGE, NAME, number, pack(message)))


@pytest.fixture
def world() -> World:
    return World()


def test_who_waits_for_the_bus_hears_what_comes_when_it_has_opened_the_room(world: World) -> None:
    plain, numbered, back = Guest(), Guest(is_numbered=True), Guest(is_numbered=True)
    world.join(plain)
    world.join(numbered)
    world.join(back, Mark("e0", 5))
    world.opened(7, 4)
    for number in (5, 6, 7):
        world.message(number, f"old {number}")
    world.message(8, "new")
    world.message(8, "twice")
    assert plain.take() == ["new"]
    assert numbered.take() == ["new", "8:new"]
    assert back.take() == ["resumed", "6:old 6", "7:old 7", "8:new"]


def test_bytes_have_their_number_in_front(world: World) -> None:
    guest = Guest(is_numbered=True)
    world.join(guest)
    world.opened(0, 0)
    world.message(1, b"\x00")
    assert guest.take() == ["new", bytes(7) + b"\x01\x00"]


@pytest.mark.parametrize("mark", [Mark("e1", 5), Mark("e0", 3), Mark("e0", 8)])
def test_what_cannot_be_given_is_said_to_be_lost(world: World, mark: Mark) -> None:
    guest = Guest(is_numbered=True)
    world.join(guest, mark)
    world.opened(7, 4)
    for number in (5, 6, 7):
        world.message(number, "old")
    assert guest.take() == ["lost"]
    world.message(8, "new")
    assert guest.take() == ["8:new"]


def test_a_gap_is_told_and_counted(world: World) -> None:
    guest = Guest(is_numbered=True)
    room, _ = world.join(guest)
    world.opened(0, 0)
    world.message(1, "a")
    world.rooms.hear(Frame(Kind.LOST, NAME, 4))
    world.message(5, "b")
    world.message(7, "c")
    assert guest.take() == ["new", "1:a", "lost", "5:b", "lost", "7:c"]
    assert room.lost == 4
    late = Guest(is_numbered=True)
    world.join(late, Mark("e0", 5))
    assert late.take() == ["lost"], "for 6 is not here"
    assert world.rooms.status()["messages of the bus that were lost"] == 4


def test_without_its_bus_a_process_talks_to_itself_and_clients_are_told(world: World) -> None:
    plain, numbered = Guest(), Guest(is_numbered=True)
    world.join(plain, notices=True)
    world.join(numbered)
    world.opened(0, 0)
    world.message(1, "a")
    world.rooms.bus_is(False)
    world.wire.is_there = False
    world.handles[0].sendall("alone")
    world.rooms.publish(NAME, "too")
    assert plain.take() == ["a", "alone", "too"]
    assert numbered.take() == ["new", "1:a", "gone", ":alone", ":too"]
    late = Guest(is_numbered=True)
    world.join(late, Mark("e0", 1))
    assert late.take() == ["gone"]
    assert (0, -1) in (world.handles[0].getswait(0) or [])
    world.rooms.bus_is(True)
    world.wire.is_there = True
    world.opened(3, 1)
    for number, message in ((2, "b"), (3, "c")):
        world.message(number, message)
    assert numbered.take() == ["back", "2:b", "3:c"]
    assert (world.handles[0].getswait(0) or [])[-1] == (0, 1)
    world.rooms.bus_is(False)
    world.rooms.bus_is(True)
    world.opened(1, 1, "e1")
    assert numbered.take() == ["gone", "back", "lost"], "another bus, and other numbers"


def test_a_room_that_opens_while_the_bus_is_gone(world: World) -> None:
    world.rooms.bus_is(False)
    world.wire.is_there = False
    guest = Guest()
    world.join(guest)
    world.handles[0].sendall("alone")
    assert guest.take() == ["alone"]


def test_presence_is_of_all_processes(world: World) -> None:
    guest = Guest()
    room, number = world.join(guest)
    world.opened(0, 0)
    here = presence.snapshot({number: "192.0.2.1"})
    assert world.wire.said[-2:] == [("tell", presence.ASK), ("tell", here)]

    def told(origin: int, payload: bytes) -> dict[int, str]:
        world.rooms.hear(Frame(Kind.TOLD, NAME, origin, payload))
        return {client: address for client, address in room.present.items() if client != number}

    assert told(2, presence.snapshot({100: "a", 101: "b"})) == {100: "a", 101: "b"}
    assert told(3, presence.arrival(200, "c")) == {100: "a", 101: "b", 200: "c"}
    assert told(2, presence.departure(100)) == {101: "b", 200: "c"}
    assert told(2, presence.snapshot({102: "d"})) == {102: "d", 200: "c"}
    world.rooms.hear(Frame(Kind.GONE, NAME, 2))
    assert told(3, presence.ASK) == {200: "c"}
    assert world.wire.said[-1] == ("tell", here)
    world.rooms.hear(Frame(Kind.UNTOLD, NAME))
    assert set(room.present) == {number}
    assert world.wire.said[-1] == ("tell", presence.ASK)


def test_a_message_for_one_of_another_process(world: World) -> None:
    guest = Guest()
    room, number = world.join(guest)
    world.opened(0, 0)
    world.rooms.hear(Frame(Kind.TOLD, NAME, 2, presence.arrival(100, "a")))
    room.send_to(100, "hi")
    assert world.wire.said[-1] == ("tell", presence.addressed(100, pack("hi")))
    world.rooms.hear(Frame(Kind.TOLD, NAME, 2, presence.addressed(number, pack("to you"))))
    world.rooms.hear(Frame(Kind.TOLD, NAME, 2, presence.addressed(999, pack("to nobody"))))
    assert guest.take() == ["to you"]


def test_the_bus_hears_of_rooms_that_come_and_go(world: World) -> None:
    room, number = world.join(Guest())
    world.rooms.leave(room, number)
    world.join(Guest())
    said = [words for words in world.wire.said if words[0] != "tell"]
    assert said == [("join", NAME, Terms(10, 60.0)), ("part", NAME), ("join", NAME, Terms(10, 60.0))]


def test_ids_of_processes_never_meet() -> None:
    assert [next(ids) for ids in [client_ids()] * 3] == [1, 2, 3]
    one, two = client_ids(1), client_ids(2)
    million = 1 << 20
    found = {next(one) for _ in range(million + 10)} | {next(two) for _ in range(million + 10)}
    assert len(found) == 2 * (million + 10)
    assert max(found) < 1 << 53


@pytest.mark.parametrize(
    ("query", "mark"),
    [
        ("a=1&skitai-last=5f3a-17", Mark("5f3a", 17)),
        ("", None),
        ("skitai-last=", None),
        ("skitai-last=5f3a", None),
        ("skitai-last=x-1", None),
        ("skitai-last=5f3a-" + "9" * 40, None),
    ],
)
def test_marks(query: str, mark: Mark | None) -> None:
    assert mark_in({"QUERY_STRING": query}) == mark
