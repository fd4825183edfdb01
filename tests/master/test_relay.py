"""The bus in the master: a worker that does not read, one that ends, and their bounds."""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
from collections.abc import Iterator

import pytest

from skitai.core.bus.frames import Frame, FrameReader, Kind, Terms

if sys.platform != "win32":
    from skitai.master.relay import Line, Relay

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")

QUEUE = 100_000
PAYLOAD = bytes(1000)


class Worker:
    def __init__(self, bus: Bus, origin: int) -> None:
        ours, self.sock = socket.socketpair()
        self.sock.settimeout(5)
        self.line: Line = bus.relay.add(ours, origin, f"worker {origin}", QUEUE)
        self._bus = bus
        self._reader = FrameReader()

    def send(self, frame: Frame) -> None:
        self.sock.sendall(frame.encoded())
        self._bus.turn()

    def say(self, payload: bytes) -> None:
        self.send(Frame(Kind.SAY, "/a", payload=payload))

    def read(self) -> list[Frame]:
        """All that comes while the master goes on."""
        frames = []
        self.sock.setblocking(False)
        while True:
            try:
                frames += self._reader.receive(self.sock.recv(65536))
            except BlockingIOError:
                if not self._bus.turn():
                    return frames


class Bus:
    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.log: list[str] = []
        self.relay = Relay(self.selector, 1 << 20, self.log.append)

    def turn(self) -> bool:
        """Whether there was something to do."""
        ready = self.selector.select(0)
        for key, _ in ready:
            key.data()
        return bool(ready)


@pytest.fixture
def bus() -> Iterator[Bus]:
    made = Bus()
    yield made
    for key in tuple(made.selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    made.selector.close()


@contextlib.contextmanager
def workers(bus: Bus, count: int, terms: Terms) -> Iterator[list[Worker]]:
    made = [Worker(bus, origin) for origin in range(1, count + 1)]
    for worker in made:
        worker.send(Frame.joining("/a", terms))
        assert [frame.kind for frame in worker.read()] == [Kind.OPENED]
    yield made
    for worker in made:
        worker.sock.close()


def test_what_one_says_all_hear(bus: Bus) -> None:
    with workers(bus, 3, Terms()) as made:
        made[0].say(b"hi")
        for worker in made:
            ((number, payload),) = [(frame.number, frame.payload) for frame in worker.read()]
            assert (number, payload) == (1, b"hi")


def test_who_does_not_read_is_bounded_and_holds_up_nobody(bus: Bus) -> None:
    with workers(bus, 3, Terms()) as (one, two, slow):
        heard: list[int] = []
        for number in range(2000):
            one.say(PAYLOAD)
            if number % 10 == 0:
                heard += [frame.number for frame in two.read()]
                one.read()
        heard += [frame.number for frame in two.read()]
        assert heard == list(range(1, 2001))
        assert slow.line._size <= QUEUE + 2 * len(PAYLOAD)
        (line,) = bus.log
        assert "worker 3 does not take" in line
        frames = slow.read()
        got = [frame.number for frame in frames if frame.kind is Kind.MESSAGE]
        assert got == list(range(1, len(got) + 1)), "what it has got is whole"
        assert [(frame.kind, frame.number) for frame in frames[len(got) :]] == [(Kind.LOST, 2000)]
        one.say(b"new")
        assert [frame.number for frame in slow.read()] == [2001]


def test_what_the_history_has_it_gets_in_the_end(bus: Bus) -> None:
    with workers(bus, 2, Terms(1000, 60.0)) as (one, slow):
        for number in range(900):
            one.say(b"%d" % number + PAYLOAD)
            one.read()
        assert slow.line._size <= QUEUE + 2 * len(PAYLOAD)
        assert [frame.number for frame in slow.read()] == list(range(1, 901))


def test_a_frame_longer_than_the_queue_goes_alone(bus: Bus) -> None:
    with workers(bus, 2, Terms()) as (one, two):
        long = bytes(3 * QUEUE)
        data = memoryview(Frame(Kind.SAY, "/a", payload=long).encoded())
        for start in range(0, len(data), 50_000):
            one.sock.send(data[start : start + 50_000])
            bus.turn()
        assert [len(frame.payload) for frame in two.read()] == [len(long)]


def test_who_ends_in_the_midst_of_a_word_is_forgotten(bus: Bus) -> None:
    with workers(bus, 3, Terms()) as (one, two, dead):
        dead.sock.send(Frame(Kind.SAY, "/a", payload=PAYLOAD).encoded()[:100])
        bus.turn()
        dead.sock.close()
        one.say(b"hi")
        assert [(frame.kind, frame.number) for frame in two.read()] in (
            [(Kind.GONE, 3), (Kind.MESSAGE, 1)],
            [(Kind.MESSAGE, 1), (Kind.GONE, 3)],
        )
        bus.relay.remove(dead.line)
        assert len(bus.selector.get_map()) == 2
