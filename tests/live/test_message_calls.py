"""Messages that are calls (``WEBSOCKET_REQDATA``): the compiled build makes the plain ones in the thread that
leads, and no client can tell.

Clients that offer compression, and such as do not, go different ways there; so do messages that come
together.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from skitai._kernels import implementation
from tests.live.program import LiveServer, Serve

Dial = Callable[..., ClientConnection]

THREADS = [0, 4]


@pytest.fixture(scope="module", params=THREADS, ids=[f"threads={count}" for count in THREADS])
def server(serve_module: Serve, request: pytest.FixtureRequest) -> LiveServer:
    return serve_module("tests.live.apps.messages:app", "--threads", str(request.param))


@pytest.fixture(scope="module")
def threaded(serve_module: Serve) -> LiveServer:
    return serve_module("tests.live.apps.messages:app", "--threads", "4")


@pytest.fixture(params=[None, "deflate"], ids=["plain", "compressed"])
def dial(request: pytest.FixtureRequest) -> Iterator[Dial]:
    def dial(server: LiveServer, path: str = "/") -> ClientConnection:
        url = f"ws://{server.host}:{server.port}{path}"
        client = connect(url, open_timeout=10, close_timeout=5, compression=request.param, max_size=None)
        return stack.enter_context(client)

    with ExitStack() as stack:
        yield dial


def end(client: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as failure:
        client.recv(10)
    close = failure.value.rcvd
    assert close is not None, "the connection was cut"
    return close.code


class Wire:
    """A client that sends bytes as it is told."""

    def __init__(self, server: LiveServer, path: str = "/") -> None:
        self._sock = socket.create_connection((server.host, server.port), timeout=10)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._sock.makefile("rb")
        self._sock.sendall(
            b"GET %b HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            % path.encode()
        )
        assert self._file.readline().startswith(b"HTTP/1.1 101")
        while self._file.readline() != b"\r\n":
            continue

    def send(self, data: bytes, *, cut: int = 0) -> None:
        for start in range(0, len(data), cut or len(data)):
            self._sock.sendall(data[start : start + (cut or len(data))])

    def recv(self) -> tuple[int, bytes]:
        first, length = self._file.read(2)
        if length == 126:
            (length,) = struct.unpack("!H", self._file.read(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._file.read(8))
        return first & 0x0F, self._file.read(length)

    def close(self) -> None:
        self._file.close()
        self._sock.close()


@pytest.fixture
def wire() -> Iterator[Callable[..., Wire]]:
    def wire(server: LiveServer, path: str = "/") -> Wire:
        stack.callback((one := Wire(server, path)).close)
        return one

    with ExitStack() as stack:
        yield wire


def frame(payload: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


def test_any_message_comes_back(server: LiveServer, dial: Dial) -> None:
    client = dial(server)
    messages = [
        "text",
        "",
        "Grüße 語",
        b"",
        b"\xff\x00",
        "x" * 16384,
        "y" * 65535,
        b"z" * 65536,
        "ü" * 100_000,
    ]
    for message in messages * 2:
        client.send(message)
        assert client.recv(10) == message


def test_the_argument_is_quoted_behind_those_of_the_url(server: LiveServer, dial: Dial) -> None:
    client = dial(server, "/query?a=1")
    for message, quoted in [
        ("a b&c=d+e", "a+b%26c%3Dd%2Be"),
        ("Grüße~-._", "Gr%C3%BC%C3%9Fe~-._"),
        (b"\xff", "%FF"),
    ]:
        client.send(message)
        assert client.recv(10) == f"a=1&m={quoted}"


@pytest.mark.parametrize("cut", [0, 1, 7, 1000])
def test_messages_that_come_together_or_in_bits(
    server: LiveServer, wire: Callable[[LiveServer], Wire], cut: int
) -> None:
    client = wire(server)
    numbers = [b"%d" % number for number in range(200)]
    between = [
        *(frame(number) for number in numbers[:100]),
        frame(b"first ", fin=False),
        frame(b"in a message", Opcode.PING),
        frame(b"last", Opcode.CONT),
        *(frame(number) for number in numbers[100:]),
    ]
    client.send(b"".join(between), cut=cut)
    received = [client.recv() for _ in range(202)]
    assert (Opcode.PONG, b"in a message") in received
    texts = [payload for opcode, payload in received if opcode == Opcode.TEXT]
    assert texts == [*numbers[:100], b"first last", *numbers[100:]]


def test_what_is_wrong_behind_messages_that_are_good(
    server: LiveServer, wire: Callable[[LiveServer], Wire]
) -> None:
    client = wire(server)
    client.send(frame(b"good") + frame(b"\xff\xfe"))
    opcode, payload = client.recv()
    if opcode == Opcode.TEXT:  # it was answered before its successor was read, or just as well not
        assert payload == b"good"
        opcode, payload = client.recv()
    assert (opcode, payload[:2]) == (Opcode.CLOSE, struct.pack("!H", 1007))


def test_answers_that_are_not_plain(server: LiveServer, dial: Dial) -> None:
    client = dial(server)
    client.send("nothing")
    for message, answer in [
        ("pieces 1", "one two "),
        ("written", "written returned"),
        ("again", b"again"),
        ("no-text", b"\xff\xfe"),
        ("plain", "plain"),
    ]:
        client.send(message)
        assert client.recv(10) == answer
    client.send("closed")
    assert "pieces 1" in str(client.recv(10))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("twice", 1011),
        ("raises", 1011),
        ("bad-length", 1011),
        ("unstarted", 1011),
        ("short", 1011),
        ("refused", 1008),
    ],
)
def test_answers_that_close(server: LiveServer, dial: Dial, message: str, code: int) -> None:
    client = dial(server)
    client.send("good")
    assert client.recv(10) == "good"
    client.send(message)
    assert end(client) == code
    if message == "raises":
        server.wait_for_text("raises was not found")


def test_a_call_that_lasts_hurts_nobody(threaded: LiveServer, wire: Callable[[LiveServer], Wire]) -> None:
    """Answers in front of it are sent, others are served, and what comes behind it keeps its order."""
    waiting, other = wire(threaded), wire(threaded)
    for _ in range(6):  # at first it is a surprise, and later on known
        other.send(frame(b"stop"))
        assert other.recv() == (Opcode.TEXT, b"stopped")
        waiting.send(frame(b"before") + frame(b"wait") + frame(b"behind"))
        assert waiting.recv() == (Opcode.TEXT, b"before")
        waiting.send(frame(b"later"))
        for _ in range(20):
            other.send(frame(b"quick"))
            assert other.recv() == (Opcode.TEXT, b"quick")
        other.send(frame(b"go"))
        assert other.recv() == (Opcode.TEXT, b"gone")
        assert [waiting.recv()[1] for _ in range(3)] == [b"wait", b"behind", b"later"]


def test_the_same_where_messages_are_compressed(threaded: LiveServer, dial: Dial) -> None:
    waiting, other = dial(threaded), dial(threaded)
    for _ in range(3):
        other.send("stop")
        assert other.recv(10) == "stopped"
        for message in ("before", "wait", "behind"):
            waiting.send(message)
        assert waiting.recv(10) == "before"
        other.send("go")
        assert other.recv(10) == "gone"
        assert [waiting.recv(10) for _ in range(2)] == ["wait", "behind"]


def test_a_late_call_that_fails_closes(threaded: LiveServer, wire: Callable[[LiveServer], Wire]) -> None:
    waiting, other = wire(threaded), wire(threaded)
    other.send(frame(b"stop"))
    assert other.recv() == (Opcode.TEXT, b"stopped")
    waiting.send(frame(b"before") + frame(b"wait-and-raise late") + frame(b"behind"))
    assert waiting.recv() == (Opcode.TEXT, b"before")
    other.send(frame(b"go"))
    assert other.recv() == (Opcode.TEXT, b"gone")
    opcode, payload = waiting.recv()
    assert (opcode, payload[:2]) == (Opcode.CLOSE, struct.pack("!H", 1011))
    threaded.wait_for_text("wait-and-raise late was not found")


def test_who_leaves_while_its_call_lasts(threaded: LiveServer, wire: Callable[[LiveServer], Wire]) -> None:
    waiting, other = wire(threaded), wire(threaded)
    other.send(frame(b"stop"))
    assert other.recv() == (Opcode.TEXT, b"stopped")
    waiting.send(frame(b"before") + frame(b"wait") + frame(b"behind"))
    assert waiting.recv() == (Opcode.TEXT, b"before")
    waiting.close()
    other.send(frame(b"go"))
    assert other.recv() == (Opcode.TEXT, b"gone")
    other.send(frame(b"still"))
    assert other.recv() == (Opcode.TEXT, b"still")


def test_a_route_that_lasts_is_learnt(threaded: LiveServer, wire: Callable[[LiveServer], Wire]) -> None:
    clients = [wire(threaded) for _ in range(4)]
    naps = [b"nap %d" % number for number in range(10)]
    for client in clients:
        client.send(b"".join(map(frame, naps)))
    for client in clients:
        assert [client.recv()[1] for _ in naps] == naps


def test_who_reads_late_gets_all(server: LiveServer, wire: Callable[[LiveServer], Wire]) -> None:
    client = wire(server)
    message = b"m" * 50_000
    for _ in range(40):
        client.send(frame(message))
    for _ in range(40):
        assert client.recv() == (Opcode.TEXT, message)


@pytest.mark.parametrize("threads", [4] if implementation() == "pure" else [0, 1, 4])
def test_handlers_that_are_parked_let_others_through(serve: Serve, dial: Dial, threads: int) -> None:
    server = serve("tests.live.apps.messages:saddle", "--threads", str(threads))
    waiting, other = dial(server, "/parked"), dial(server, "/parked")
    for _ in range(3):
        other.send("stop")
        assert other.recv(10) == "stop"
        for message in ("before", "wait", "behind"):
            waiting.send(message)
        assert waiting.recv(10) == "before"
        for number in range(5):
            other.send(str(number))
            assert other.recv(10) == str(number)
        other.send("go")
        assert other.recv(10) == "go"
        assert [waiting.recv(10) for _ in range(2)] == ["wait", "behind"]
    waiting.send("raise")
    assert end(waiting) == 1011


def test_half_a_message_that_comes_while_a_call_is_parked(serve: Serve, wire: Callable[..., Wire]) -> None:
    """It is read while nothing may be called.  Its other half looks like a message, and is none."""
    server = serve("tests.live.apps.messages:saddle", "--threads", "0")
    waiting, other = wire(server, "/parked"), wire(server, "/parked")
    no_mask = bytes(4)
    inner = b"\x81\x85" + no_mask + b"inner"
    begun = b"\x82" + bytes([0x80 | 5 + len(inner)]) + no_mask + b"outer"
    other.send(frame(b"stop"))
    assert other.recv() == (Opcode.TEXT, b"stop")
    for data in (frame(b"wait"), begun):  # not in one piece
        waiting.send(data)
        other.send(frame(b"meanwhile"))
        assert other.recv() == (Opcode.TEXT, b"meanwhile")
    other.send(frame(b"go"))
    assert other.recv() == (Opcode.TEXT, b"go")
    assert waiting.recv() == (Opcode.TEXT, b"wait")
    waiting.send(inner)
    assert waiting.recv()[1].startswith(b"outer")
