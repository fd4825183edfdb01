"""The hub: numbers, who has got how far, and what becomes of a process that does not read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai.core.bus.frames import Frame, FrameReader, Kind, Terms
from skitai.core.bus.hub import Hub

KEPT = Terms(100, 60.0)


class Process:
    """A `Subscriber` with room for so many frames, until it reads."""

    def __init__(self, origin: int = 1, room: int = 1_000_000) -> None:
        self.origin = origin
        self.room = room
        self.frames: list[Frame] = []

    def give(self, frame: Frame) -> bool:
        if not self.room:
            return False
        self.room -= 1
        self.frames.append(frame)
        return True

    @property
    def said(self) -> list[tuple[int, bytes]]:
        return [(frame.number, frame.payload) for frame in self.frames if frame.kind is Kind.MESSAGE]

    @property
    def kinds(self) -> list[Kind]:
        return [frame.kind for frame in self.frames]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_all_processes_hear_one_order() -> None:
    hub, one, two = Hub(1 << 20), Process(1), Process(2)
    hub.join(one, "/a", Terms())
    hub.say("/a", b"1")
    hub.join(two, "/a", Terms())
    hub.say("/a", b"2")
    hub.say("/b", b"elsewhere")
    hub.part(one, "/a")
    hub.say("/a", b"3")
    assert one.said == [(1, b"1"), (2, b"2")]
    assert two.said == [(2, b"2"), (3, b"3")]
    assert two.frames[0].opening[1] == two.frames[0].number == 1, "what was said before is gone"


def test_who_does_not_read_holds_up_nobody_and_hears_what_it_has_lost() -> None:
    hub, slow, other = Hub(1 << 20), Process(1, room=3), Process(2)
    for process in (slow, other):
        hub.join(process, "/a", Terms())
    for number in range(10):
        hub.say("/a", b"%d" % number)
    assert [number for number, _ in other.said] == list(range(1, 11))
    assert [number for number, _ in slow.said] == [1, 2]
    slow.room = 100
    hub.catch_up(slow)
    hub.say("/a", b"new")
    assert [(frame.kind, frame.number) for frame in slow.frames[3:]] == [(Kind.LOST, 10), (Kind.MESSAGE, 11)]


def test_what_is_kept_is_not_lost() -> None:
    hub, slow = Hub(1 << 20), Process(room=3)
    hub.join(slow, "/a", Terms(5, 60.0))
    for number in range(10):
        hub.say("/a", b"%d" % number)
    slow.room = 2
    hub.catch_up(slow)
    assert [(frame.kind, frame.number) for frame in slow.frames[3:]] == [(Kind.LOST, 5), (Kind.MESSAGE, 6)]
    hub.say("/a", b"10")
    slow.room = 100
    hub.catch_up(slow)
    assert [number for number, _ in slow.said] == [1, 2, 6, 7, 8, 9, 10, 11]
    hub.catch_up(slow)
    assert len(slow.said) == 8, "and nothing twice"


def test_a_process_whose_queue_is_full_is_let_in_later() -> None:
    hub, slow = Hub(1 << 20), Process(room=0)
    hub.join(slow, "/a", KEPT)
    hub.say("/a", b"1")
    slow.room = 100
    hub.catch_up(slow)
    assert slow.kinds == [Kind.OPENED, Kind.MESSAGE]


def test_who_comes_later_gets_what_is_kept_also_when_nobody_was_there() -> None:
    hub, one, two = Hub(1 << 20), Process(1), Process(2)
    hub.join(one, "/a", KEPT)
    hub.say("/a", b"1")
    hub.part(one, "/a")
    hub.say("/a", b"2")
    hub.join(two, "/a", KEPT)
    opened = two.frames[0]
    assert (opened.kind, opened.number, opened.opening[1]) == (Kind.OPENED, 2, 0)
    assert two.said == [(1, b"1"), (2, b"2")]


def test_age_and_bytes_bound_what_is_kept() -> None:
    clock = Clock()
    hub, one = Hub(5000, clock), Process()
    hub.join(one, "/old", KEPT)
    hub.join(one, "/new", KEPT)
    hub.say("/old", b"x")
    clock.now += 30
    hub.say("/new", b"x")
    clock.now += 40
    hub.say("/new", b"y")
    late = Process(2)
    hub.join(late, "/old", KEPT)
    hub.join(late, "/new", KEPT)
    assert [frame.payload for frame in late.frames if frame.kind is Kind.MESSAGE] == [b"x", b"y"]
    for _ in range(100):
        hub.say("/new", bytes(1000))
    assert hub.kept <= 5000
    assert len(one.said) == 103


def test_rooms_without_anybody_or_anything_are_forgotten_and_numbers_are_not_used_again() -> None:
    clock = Clock()
    hub, one = Hub(1 << 20, clock), Process()
    hub.join(one, "/a", KEPT)
    for _ in range(5):
        hub.say("/a", b"x")
    hub.part(one, "/a")
    hub.join(one, "/b", KEPT)
    clock.now += 100
    hub.say("/b", b"x")
    assert list(hub._rooms) == ["/b"]
    hub.join(one, "/a", KEPT)
    hub.say("/a", b"new")
    assert one.said[-1] == (6, b"new")


def test_others_hear_asides_and_the_end_of_a_process() -> None:
    hub, one, two = Hub(1 << 20), Process(7), Process(8)
    for process in (one, two):
        hub.join(process, "/a", Terms())
    hub.tell(one, "/a", b"aside")
    hub.leave(one)
    told, gone = two.frames[1:]
    assert (told.kind, told.number, told.payload) == (Kind.TOLD, 7, b"aside")
    assert (gone.kind, gone.number) == (Kind.GONE, 7)
    assert one.kinds == [Kind.OPENED]


def test_asides_that_were_not_heard_are_known_to_be() -> None:
    hub, one, slow = Hub(1 << 20), Process(1), Process(2, room=1)
    for process in (one, slow):
        hub.join(process, "/a", Terms())
    hub.tell(one, "/a", b"aside")
    slow.room = 100
    hub.catch_up(slow)
    hub.catch_up(slow)
    assert slow.kinds == [Kind.OPENED, Kind.UNTOLD]


@given(
    st.lists(
        st.builds(
            Frame,
            st.sampled_from(Kind),
            st.text(max_size=5) | st.just("/\udcff"),
            st.integers(0, 2**64 - 1),
            st.binary(max_size=40),
        )
    ),
    st.integers(1, 50),
)
def test_frames_may_come_in_pieces(frames: list[Frame], size: int) -> None:
    data = b"".join(frame.encoded() for frame in frames)
    reader = FrameReader()
    found = [
        frame for start in range(0, len(data), size) for frame in reader.receive(data[start : start + size])
    ]
    assert [repr(frame) for frame in found] == [repr(frame) for frame in frames]
    assert [frame.payload for frame in found] == [frame.payload for frame in frames]


def test_terms_travel() -> None:
    (frame,) = FrameReader().receive(Frame.joining("/a", Terms(5, 1.5)).encoded())
    assert frame.terms == Terms(5, 1.5)


def test_what_only_the_hub_says_is_no_word_of_a_process() -> None:
    with pytest.raises(ValueError, match="OPENED"):
        Hub(1).hear(Process(), Frame(Kind.OPENED, "/a"))
