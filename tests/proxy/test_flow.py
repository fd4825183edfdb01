"""Each side goes as fast as the other one takes it, and little waits between."""

from __future__ import annotations

import contextlib
import socket
from time import monotonic, sleep

import pytest

from tests.proxy.proxy_world import Member, proxying
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("way")

MEGABYTE = b"x" * (1 << 20)
#: What the buffers of the system may hold on one of the two ways, both its ends together; loopback.
SYSTEM = 24 << 20


def fill(sock: socket.socket, most: int) -> int:
    """Send until nothing is taken for half a second; how much was."""
    sock.settimeout(0.5)
    sent = 0
    try:
        while sent < most:
            sent += sock.send(MEGABYTE)
    except TimeoutError:
        return sent
    return sent


def drain(sock: socket.socket, size: int) -> None:
    sock.settimeout(5)
    while size:
        got = len(sock.recv(min(size, 1 << 20)))
        assert got
        size -= got


def test_a_client_that_does_not_read_stops_the_member() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        sent = fill(asked.sock, 1 << 30)
        assert sent < SYSTEM
        client.head()
        drain(client.sock, sent - len(client.received))
        client.close()


def test_interim_answers_that_the_client_does_not_read_end_the_request() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 60000 + b"\r\n\r\n"
    member = Member()
    with proxying(member, server="call_interim_max = 100000") as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 3 * SYSTEM:
                asked.send(hint)
                sent += len(hint)
        assert sent < SYSTEM
        seen = b""
        while b"HTTP/1.1 502 " not in seen:
            piece = client.sock.recv(1 << 20)
            assert piece
            seen = seen[-20:] + piece
        client.close()


def test_interim_answers_that_the_client_reads_are_all_passed_on() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 60000 + b"\r\n\r\n"
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        for _ in range(20):
            asked.send(hint)
            assert client.head() == hint
        asked.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert client.head().startswith(b"HTTP/1.1 204 ")
        client.close()


def test_a_member_that_does_not_read_stops_the_client() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        asked = member.accept()
        asked.head()
        sent = fill(client.sock, 1 << 30)
        assert sent < SYSTEM
        drain(asked.sock, sent - len(asked.received))
        client.close()


class Way:
    """``size`` bytes from one socket to another, in pieces that are alike; neither waits."""

    def __init__(self, source: socket.socket, target: socket.socket, piece: bytes, pieces: int) -> None:
        self.source, self.target = source, target
        self.piece = piece
        self.left = pieces
        self.waiting = memoryview(b"")
        self.got = 0

    @property
    def is_sent(self) -> bool:
        return not self.left and not self.waiting

    def push(self) -> None:
        if not self.waiting and self.left:
            self.waiting = memoryview(self.piece)
            self.left -= 1
        with contextlib.suppress(BlockingIOError):
            self.waiting = self.waiting[self.source.send(self.waiting) :]

    def pull(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.got += len(self.target.recv(1 << 20))


def test_many_megabytes_in_both_directions_at_once() -> None:
    member = Member()
    pieces = 64
    with proxying(member) as world:
        client = world.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (pieces << 20))
        asked = member.accept()
        asked.head()
        asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (pieces << 20))
        client.head()
        client.sock.setblocking(False)
        asked.sock.setblocking(False)
        up = Way(client.sock, asked.sock, MEGABYTE, pieces)
        down = Way(asked.sock, client.sock, MEGABYTE, pieces)
        deadline = monotonic() + 30
        while down.got < pieces << 20:
            assert monotonic() < deadline
            up.push()
            up.pull()
            if down.left > 1 or up.got == pieces << 20:  # the end of the answer is the end of it all
                down.push()
            down.pull()
        client.close()


def test_clients_that_speak_tls_go_as_fast_as_they_take_it() -> None:
    member = Member()
    with proxying(member, secure=True) as world:
        client = world.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000)
        asked = member.accept()
        assert b"X-Forwarded-Proto: https\r\n" in asked.head()
        assert asked.exactly(3_000_000) == b"x" * 3_000_000
        asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        sent = fill(asked.sock, 1 << 30)
        assert sent < SYSTEM
        client.head()
        client.exactly(sent)
        client.close()


def test_a_slow_client_does_not_make_its_member_slow() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        client.head()
        sleep(1.0)
        asked.send(b"ok")
        assert client.exactly(2) == b"ok"
        world.logged()
        assert world.reach is not None
        cluster = world.reach.cluster("@c")
        wait_until(lambda: cluster.status()[0]["in_flight"] == 0, 5)
        assert 0 < cluster.status()[0]["latency"] < 0.5
        client.close()
