"""The PROXY protocol: what a header says, however it is cut, and who the client is then."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from skitai._kernels import engine
from skitai._pure.engine.proxyheader import Announced, NotAnnounced, read_header
from skitai.limits import Limits
from tests.pure.certificates import Unnamed, client_context, server_context
from tests.pure.engine_world import Client, ScriptedService
from tests.waiting import wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def binary(command: int, family: int, addresses: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(addresses)) + addresses


V4 = bytes([203, 0, 113, 7, 10, 0, 0, 1]) + struct.pack("!HH", 34884, 80)
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") * 2 + struct.pack("!HH", 34884, 80)
MAPPED = socket.inet_pton(socket.AF_INET6, "::ffff:203.0.113.7") * 2 + struct.pack("!HH", 34884, 80)

GOOD: dict[bytes, tuple[str, int] | None] = {
    b"PROXY TCP4 203.0.113.7 10.0.0.1 34884 80\r\n": ("203.0.113.7", 34884),
    b"PROXY TCP6 2001:DB8::7 ::1 34884 80\r\n": ("2001:db8::7", 34884),
    b"PROXY UNKNOWN\r\n": None,
    b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n": None,
    binary(0x21, 0x11, V4): ("203.0.113.7", 34884),
    binary(0x21, 0x11, V4 + b"\x04\x00\x03abc"): ("203.0.113.7", 34884),
    binary(0x21, 0x21, V6): ("2001:db8::7", 34884),
    binary(0x21, 0x21, MAPPED): ("203.0.113.7", 34884),
    binary(0x21, 0x31, b"\0" * 216): None,
    binary(0x20, 0x00, b""): None,
    binary(0x20, 0x11, V4): None,
}
BAD = [
    b"GET / HTTP/1.1\r\n",
    b"PROXY TCP4 203.0.113.7 10.0.0.1 34884\r\n",
    b"PROXY TCP4 203.0.113.7 10.0.0.1 34884 65536\r\n",
    b"PROXY TCP4 203.0.113.07 10.0.0.1 34884 80\r\n",
    b"PROXY TCP4 2001:db8::7 ::1 34884 80\r\n",
    b"PROXY TCP4 203.0.113.7  10.0.0.1 34884 80\r\n",
    b"PROXY TCP5 203.0.113.7 10.0.0.1 34884 80\r\n",
    b"PROXY TCP4 203.0.113.7 10.0.0.1 34884 80 \r\n",
    b"PROXY TCP4 " + b"1" * 100,
    b"PROXY\r\n",
    binary(0x22, 0x11, V4),
    binary(0x31, 0x11, V4),
    binary(0x21, 0x11, V4[:11]),
    SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 5000),
]


@pytest.mark.parametrize("header", list(GOOD))
def test_a_header_and_all_beginnings_of_it(header: bytes) -> None:
    for size in range(len(header)):
        assert read_header(header[:size]) is None
    expected = Announced(len(header), GOOD[header])
    assert read_header(header) == read_header(header + b"GET / HTTP/1.1\r\n") == expected


@pytest.mark.parametrize("header", BAD)
def test_what_is_no_header(header: bytes) -> None:
    with pytest.raises(NotAnnounced):
        read_header(header)


class Announcing:
    """An engine whose one listener wants to be told."""

    def __init__(self, limits: Limits, secure: Unnamed | None) -> None:
        self.reports: list[str] = []
        self.service = ScriptedService(self.answer)
        self.engine = engine.Engine(self.service, limits, self.reports.append)
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = listener.getsockname()
        self.engine.listen(listener, "the listener", secure, is_announced=True)
        self.thread = threading.Thread(target=self.engine.run, daemon=True)
        self.thread.start()

    def answer(self, exchange: engine.Exchange) -> None:
        body = "{} {}".format(*exchange.peer).encode()
        exchange.respond(200, [("Content-Length", str(len(body)))], body)


@contextmanager
def announcing(limits: Limits | None = None, secure: Unnamed | None = None) -> Iterator[Announcing]:
    made = Announcing(limits or Limits(), secure)
    try:
        yield made
    finally:
        made.engine.stop()
        made.thread.join(5)
    assert made.reports == []
    assert not made.thread.is_alive()


@pytest.mark.parametrize("header", [header for header, peer in GOOD.items() if peer is not None])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_the_peer_is_whom_the_header_names(header: bytes, step: int) -> None:
    with announcing() as world:
        client = Client(world.address)
        data = header + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        for place in range(0, len(data), step):
            client.send(data[place : place + step])
        peer = GOOD[header]
        assert peer is not None
        assert client.response()[2] == "{} {}".format(*peer).encode()
        client.get()
        assert client.response()[2] == "{} {}".format(*peer).encode()
        client.close()


def test_a_proxy_that_speaks_for_itself() -> None:
    with announcing() as world:
        client = Client(world.address)
        client.send(binary(0x20, 0, b""))
        client.get()
        assert client.response()[2].startswith(b"127.0.0.1 ")
        client.close()


def test_it_stands_in_front_of_tls() -> None:
    with announcing(secure=Unnamed(server_context)) as world:
        sock = socket.create_connection(world.address, timeout=5)
        sock.sendall(b"PROXY TCP4 203.0.113.7 10.0.0.1 34884 80\r\n")
        client = Client(client_context().wrap_socket(sock, server_hostname="test.example"))
        client.get()
        assert client.response()[2] == b"203.0.113.7 34884"
        client.close()


def test_without_a_header_there_is_no_answer() -> None:
    with announcing() as world:
        client = Client(world.address)
        client.get()
        with pytest.raises((AssertionError, ConnectionResetError)):
            client.response()
        wait_until(lambda: world.service.limits_reached == ["proxy_protocol"])


def test_a_header_that_does_not_come() -> None:
    with announcing(Limits(header_timeout=0.3)) as world:
        client = Client(world.address)
        client.send(b"PROXY TCP4 ")
        with pytest.raises((AssertionError, ConnectionResetError)):
            client.response()
        wait_until(lambda: world.service.limits_reached == ["proxy_protocol"])
        wait_until(lambda: not world.engine.connections)


def test_limits_of_an_address_are_the_clients() -> None:
    with announcing(Limits(connections_per_address_max=1)) as world:
        clients = []
        for number in range(3):
            client = Client(world.address)
            client.send(f"PROXY TCP4 203.0.113.{number} 10.0.0.1 1 80\r\n".encode())
            client.get()
            assert client.response()[0] == 200
            clients.append(client)
        late = Client(world.address)
        late.send(b"PROXY TCP4 203.0.113.1 10.0.0.1 2 80\r\n")
        with pytest.raises((AssertionError, ConnectionResetError)):
            late.response()
        for client in clients:
            client.close()
