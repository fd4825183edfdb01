"""Many WebSockets of one process: a room whose clients miss nothing, and what silent ones take (Linux).

The small versions run each day; those of the size that is promised are `soak`.
"""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from tests.live.memory import KIB, MIB, resident, settled
from tests.live.program import LiveServer, Serve
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="epoll and /proc")

#: Seconds without a byte for anybody, or for a handshake.
_PATIENCE = 30.0
_HANDSHAKE = (
    "GET {} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

_NUMBER_SIZE = 10
#: As the frames that all get.
NUMBERS = b"".join(b"\x81\x08%08d" % number for number in range(1000))


class Audience:
    """``size`` WebSockets at ``target`` in one thread, all of which are to get the same bytes."""

    def __init__(self, server: LiveServer, target: str, size: int, *, buffer: int | None = None) -> None:
        """``buffer``: bytes that the system keeps for one that does not read; None: as it likes."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < size + 200:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, size + 200), hard))
        self._stack = contextlib.ExitStack()
        self._epoll = self._stack.enter_context(contextlib.closing(select.epoll()))
        self._sockets: dict[int, socket.socket] = {}
        self._taken: dict[int, int] = {}
        for _ in range(size):
            sock = self._stack.enter_context(socket.socket())
            if buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            sock.settimeout(_PATIENCE)
            sock.connect((server.host, server.port))
            sock.sendall(_HANDSHAKE.format(target).encode())
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += sock.recv(1)
            assert head.startswith(b"HTTP/1.1 101"), head
            self._sockets[sock.fileno()] = sock
            self._taken[sock.fileno()] = 0
            self._epoll.register(sock, select.EPOLLIN)

    def close(self) -> None:
        self._stack.close()

    def cut(self, share: float) -> int:
        """Cut so many of the connections, as if their hosts were killed; how many are left."""
        for descriptor in list(self._sockets)[: int(share * len(self._sockets))]:
            sock = self._sockets.pop(descriptor)
            del self._taken[descriptor]
            self._epoll.unregister(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        return len(self._sockets)

    def take(self, expected: bytes, timeout: float) -> None:
        """What has come by now, which has to be the next of ``expected`` for each."""
        for descriptor, _ in self._epoll.poll(timeout, 1024):
            data = self._sockets[descriptor].recv(1 << 16)
            taken = self._taken[descriptor]
            assert data, "one was sent away"
            assert data == expected[taken : taken + len(data)], "one has missed a number, or got it twice"
            self._taken[descriptor] = taken + len(data)

    def take_all(self, expected: bytes) -> None:
        least, deadline = -1, time.monotonic() + _PATIENCE
        while (now := min(self._taken.values())) < len(expected):
            if now > least:
                least, deadline = now, time.monotonic() + _PATIENCE
            assert time.monotonic() < deadline, f"somebody has got only {now} of {len(expected)} bytes"
            self.take(expected, 1.0)


@pytest.fixture
def gather(serve: Serve) -> Iterator[Callable[..., Audience]]:
    def gather(server: LiveServer, target: str, size: int, buffer: int | None = None) -> Audience:
        made = Audience(server, target, size, buffer=buffer)
        stack.callback(made.close)
        return made

    with contextlib.ExitStack() as stack:
        yield gather


def begin(serve: Serve, app: str, size: int) -> LiveServer:
    return serve(app, "--threads", "4", "--connections-max", str(size + 100))


def clients_of_room(server: LiveServer) -> int:
    with requests.Session() as session:
        session.trust_env = False
        rooms = session.get(f"{server.url}/status", timeout=_PATIENCE).json()["rooms"]
    return int(sum(rooms.values()))


def say_numbers(server: LiveServer, audience: Audience, numbers: range, rate: int) -> None:
    """In the room, ``rate`` a second; what the audience gets meanwhile has to be the next ones."""
    expected = NUMBERS[: numbers.stop * _NUMBER_SIZE]
    begun = time.monotonic()
    with requests.Session() as session:
        session.trust_env = False
        for count, number in enumerate(numbers, 1):
            asked = {"room": "/room?1", "m": f"{number:08}"}
            assert session.get(f"{server.url}/publish", params=asked, timeout=_PATIENCE).status_code == 200
            while time.monotonic() < begun + count / rate:
                audience.take(expected, 0.001)
    said = time.monotonic() - begun
    print(f"{len(numbers)} messages said in {said:.1f} s")


@pytest.mark.parametrize(
    ("size", "count", "rate"), [(100, 100, 100), pytest.param(5000, 500, 100, marks=pytest.mark.soak)]
)
def test_no_client_of_a_room_misses_a_number(
    serve: Serve, gather: Callable[..., Audience], size: int, count: int, rate: int
) -> None:
    server = begin(serve, "tests.live.apps.rooms:app", size)
    audience = gather(server, "/room?id=1", size)
    begun = time.monotonic()
    say_numbers(server, audience, range(count), rate)
    audience.take_all(NUMBERS[: count * _NUMBER_SIZE])
    print(f"{size} clients had all of them after {time.monotonic() - begun:.1f} s")


@pytest.mark.parametrize(
    ("size", "count", "rate"), [(100, 60, 100), pytest.param(5000, 300, 100, marks=pytest.mark.soak)]
)
def test_who_is_killed_in_mid_broadcast_takes_nobody_along(
    serve: Serve, gather: Callable[..., Audience], size: int, count: int, rate: int
) -> None:
    """A fifth of all, at once."""
    server = begin(serve, "tests.live.apps.rooms:app", size)
    audience = gather(server, "/room?id=1", size)
    say_numbers(server, audience, range(count // 2), rate)
    left = audience.cut(0.2)
    say_numbers(server, audience, range(count // 2, count), rate)
    audience.take_all(NUMBERS[: count * _NUMBER_SIZE])
    assert left == size - size // 5
    wait_until(lambda: clients_of_room(server) == left, _PATIENCE, "the room to forget those who were killed")


@pytest.mark.parametrize("size", [50, pytest.param(500, marks=pytest.mark.soak)])
def test_a_message_for_all_is_kept_once(serve: Serve, gather: Callable[..., Audience], size: int) -> None:
    """Clients that do not read: what waits for them is the same bytes."""
    server = begin(serve, "tests.live.apps.rooms:app", size)
    gather(server, "/room?id=1", size, 4096)
    length = 900 * KIB
    before = settled(lambda: resident(server), 64 * KIB)
    with requests.Session() as session:
        session.trust_env = False
        asked = {"room": "/room?1", "of": str(length)}
        assert session.get(f"{server.url}/publish", params=asked, timeout=_PATIENCE).status_code == 200
    grown = settled(lambda: resident(server), 64 * KIB) - before
    print(f"{grown / MIB:.1f} MiB more for {size} clients")
    assert grown < 8 * length


@pytest.mark.parametrize("size", [500, pytest.param(10_000, marks=pytest.mark.soak)])
def test_idle_connections_take_little(serve: Serve, gather: Callable[..., Audience], size: int) -> None:
    """60 MiB for ten thousand; what the first ones load is not theirs."""
    server = begin(serve, "tests.live.apps.messages:app", size + 20)
    gather(server, "/", 20)
    before = settled(lambda: resident(server), 64 * KIB)
    gather(server, "/", size)
    grown = settled(lambda: resident(server), 64 * KIB) - before
    print(f"{grown / MIB:.1f} MiB more, {grown // size} bytes each")
    assert grown < size * 60 * MIB / 10_000
