"""Clients that misbehave, for as long as they are told; each returns how often it did.

Blocking or polling in one thread each, bounded in connections and memory.  None of them judges
the server beyond what a client can be owed: `Control` sees how others fare meanwhile.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import re
import select
import socket
import struct
import time
from collections.abc import Iterator

from tests.corpus_format import CORPUS, read_folder

__all__ = [
    "crowd_in", "drip", "endless_bodies", "endless_heads", "flood", "never_read", "random_bytes", "rest_idle",
    "storm_of_resets",
]  # fmt: skip

Address = tuple[str, int]

GET = b"GET / HTTP/1.1\r\nHost: testserver\r\n\r\n"

#: Seconds for an answer that any client may expect.
PATIENCE = 10.0


def connect(address: Address) -> socket.socket:
    return socket.create_connection(address, timeout=PATIENCE)


def reset(sock: socket.socket) -> None:
    """RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def read_exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := sock.recv(count - len(data))):
        data += more
    return data


@contextlib.contextmanager
def _closing(sockets: list[socket.socket]) -> Iterator[None]:
    """Closes those that are in the list by then."""
    try:
        yield
    finally:
        for sock in sockets:
            sock.close()


# --- one byte a second

#: The beginnings of requests without an end: of a head, of a body, of a chunked body.
_DRIPPED = (
    b"GET /drip HTTP/1.1\r\nHost: testserver\r\nX-Slow: " + b"a" * 1000,
    b"POST /size HTTP/1.1\r\nHost: testserver\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 1000,
    b"POST /size HTTP/1.1\r\nHost: testserver\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 200,
)


def drip(address: Address, seconds: float, count: int = 300) -> int:
    """``count`` connections that send a byte a second.  Half of them send the head at once and only
    the body by drops, so that a short run has both.  Who is closed comes again."""

    def start(number: int) -> tuple[socket.socket, Iterator[int]]:
        sock = connect(address)
        sock.setblocking(False)
        request = _DRIPPED[number % len(_DRIPPED)]
        at_once = request.find(b"\r\n\r\n") + 4 if number % 2 else 0
        sock.send(request[:at_once])
        return sock, iter(request[at_once:])

    clients = [start(number) for number in range(count)]
    sockets = [sock for sock, _ in clients]
    sent = 0
    with _closing(sockets):
        tick = time.monotonic()
        until = tick + seconds
        while tick < until:
            for number, (sock, rest) in enumerate(clients):
                try:
                    sent += sock.send(bytes([next(rest)]))
                    if sock.recv(4096) is not None:  # a refusal, or the end
                        raise ConnectionError
                except BlockingIOError:
                    continue
                except (OSError, StopIteration):
                    sock.close()
                    clients[number] = start(number)
                    sockets[number] = clients[number][0]
            tick += 1.0
            time.sleep(max(0.0, min(tick, until) - time.monotonic()))
    return sent


# --- asking for much and reading nothing


def never_read(address: Address, seconds: float, count: int = 60) -> int:
    """``count`` connections that ask for 10 MiB, in one piece, in many and of a file, read the first
    bytes of the head and nothing more.  Who is cut off asks again."""
    targets = itertools.cycle([b"/huge", b"/huge/pieces", b"/files/huge"])
    poll = select.poll()
    clients: dict[int, socket.socket] = {}
    asked = 0
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if len(clients) < count:
                sock = socket.socket()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.settimeout(PATIENCE)
                clients[sock.fileno()] = sock
                sock.connect(address)
                sock.sendall(b"GET " + next(targets) + b" HTTP/1.1\r\nHost: testserver\r\n\r\n")
                assert read_exactly(sock, 15) == b"HTTP/1.1 200 OK"
                asked += 1
                poll.register(sock, 0)  # its end is told in any case
            for number, _ in poll.poll(0 if len(clients) < count else 50):
                poll.unregister(number)
                clients.pop(number).close()
    finally:
        for sock in clients.values():
            sock.close()
    return asked


# --- connections that rest


def rest_idle(address: Address, seconds: float, count: int = 5000) -> int:
    """``count`` connections that ask once, rest for ``seconds``, and ask again."""
    sockets: list[socket.socket] = []
    with _closing(sockets):
        for _ in range(count):
            sock = connect(address)
            sockets.append(sock)
            sock.sendall(GET)
            assert sock.recv(4096).startswith(b"HTTP/1.1 200 OK")
        time.sleep(seconds)
        for sock in sockets:
            sock.sendall(GET)
            assert sock.recv(4096).startswith(b"HTTP/1.1 200 OK"), "an idle connection was lost"
    return count


# --- what is not HTTP, or nearly

_STATUS_LINE = re.compile(rb"HTTP/1\.1 (?:100|[2-5][0-9][0-9]) ")  # 100: a body was waited for


def _mutated(message: bytes, chance: random.Random) -> bytes:
    """A few bytes of ``message`` replaced, removed, doubled or put elsewhere."""
    data = bytearray(message)
    for _ in range(chance.randint(1, 6)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((1, 1, 1, 2, 8, 64)))
        kind = chance.randrange(5)
        if kind == 0:
            data[start:end] = chance.randbytes(end - start)
        elif kind == 1:
            del data[start:end]
        elif kind == 2:
            data[start:start] = data[start:end]
        elif kind == 3:
            data[start:start] = chance.choice((b"\r\n", b"\n", b"\0", b":", b" ", b"\xff", b"99999999999"))
        else:
            place = chance.randrange(len(data) + 1)
            data[place:place] = data[start:end]
    return bytes(data)


def random_bytes(address: Address, seconds: float, seed: int = 0) -> int:
    """Noise, and the corpus with a few bytes wrong, cut anywhere; half of the clients hear the
    answers.  What answers is HTTP.  The same ``seed`` gives the same bytes."""
    chance = random.Random(seed)
    corpus = [case.raw for case in read_folder(CORPUS / "requests") if len(case.raw) < 20_000]
    sent = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        data = chance.randbytes(chance.randrange(1, 3000)) if chance.random() < 0.2 else b""
        for _ in range(chance.randint(0 if data else 1, 3)):
            data += _mutated(chance.choice(corpus), chance)
        cut = chance.randrange(len(data) + 1)
        heard = chance.random() < 0.5
        sent += 1
        with connect(address) as sock, contextlib.suppress(ConnectionError):
            sock.sendall(data[:cut])
            sock.sendall(data[cut:])
            if not heard:
                if chance.random() < 0.5:
                    reset(sock)
                continue
            with contextlib.suppress(OSError):  # ENOTCONN: reset meanwhile, as reading will tell
                sock.shutdown(socket.SHUT_WR)
            answer = b""
            while more := sock.recv(65536):
                answer += more
            assert not answer or _STATUS_LINE.match(answer), (
                f"seed {seed}, client {sent}: {data!r} was answered with {answer[:200]!r}"
            )
    return sent


# --- without an end

_HEADS = (
    (b"GET / HTTP/1.1\r\nHost: testserver\r\n", b"X-Bomb: a\r\n" * 4096),
    (b"GET / HTTP/1.1\r\nHost: testserver\r\nX-Bomb: ", b"a" * 65536),
    (b"GET /", b"a/" * 32768),
    (b"", b"a" * 65536),
)
_POST = b"POST /size HTTP/1.1\r\nHost: testserver\r\nTransfer-Encoding: chunked\r\n\r\n"
_BODIES = (
    (_POST, b"10000\r\n" + b"a" * 65536 + b"\r\n"),
    (_POST, b"1\r\na\r\n" * 8192),
    (_POST, b"1;" + b"e" * 3000 + b"\r\na\r\n"),
    (_POST + b"0\r\n", b"X-Trailer: a\r\n" * 4096),
    (b"POST /size HTTP/1.1\r\nHost: testserver\r\nContent-Length: 999999999999\r\n\r\n", b"a" * 65536),
)


def endless_heads(address: Address, seconds: float, count: int = 40) -> int:
    """``count`` connections that send a head of ever more fields, or of one field, target or method
    without an end.  Who is refused comes again."""
    return _without_end(address, seconds, count, _HEADS)


def endless_bodies(address: Address, seconds: float, count: int = 20) -> int:
    """The same with bodies: of large chunks, of small ones, of extensions, trailers, or announced."""
    return _without_end(address, seconds, count, _BODIES)


def _without_end(address: Address, seconds: float, count: int, kinds: tuple[tuple[bytes, bytes], ...]) -> int:
    refused = 0
    clients: dict[socket.socket, tuple[bytes, memoryview]] = {}
    kind = itertools.cycle(kinds)

    def come() -> None:
        begin, block = next(kind)
        sock = connect(address)
        sock.sendall(begin)
        sock.setblocking(False)
        clients[sock] = (block, memoryview(block))

    for _ in range(count):
        come()
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            readable, writable, _ = select.select(clients, clients, [], 0.1)
            ended = set()
            for sock in readable:
                with contextlib.suppress(ConnectionError):  # what it said may be lost to the reset
                    said = sock.recv(65536)
                    assert not said or said.startswith(b"HTTP/1.1 4"), said[:200]
                ended.add(sock)
            for sock in set(writable) - ended:
                block, rest = clients[sock]
                try:
                    rest = rest[sock.send(rest) :]
                except ConnectionError:
                    ended.add(sock)
                else:
                    clients[sock] = (block, rest or memoryview(block))
            for sock in ended:
                del clients[sock]
                sock.close()
                refused += 1
                come()
    finally:
        for sock in clients:
            sock.close()
    return refused


# --- too many


def crowd_in(address: Address, seconds: float, count: int = 8000) -> int:
    """``count`` connections that ask once and rest, more than the server keeps.  Each is served; some of
    those that rest have to make room, and come again."""
    poll = select.poll()
    clients: dict[int, socket.socket] = {}
    asked = 0
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for number, _ in poll.poll(0 if len(clients) < count else 50):
                poll.unregister(number)
                clients.pop(number).close()
            if len(clients) < count:
                sock = connect(address)
                sock.sendall(GET)
                assert read_exactly(sock, 15) == b"HTTP/1.1 200 OK", "a connection was not served"
                clients[sock.fileno()] = sock
                poll.register(sock, select.POLLRDHUP)
                asked += 1
    finally:
        for sock in clients.values():
            sock.close()
    return asked


# --- leaving rudely

_LEFT = (
    b"",
    GET[:20],
    GET,
    GET * 16,
    b"POST /size HTTP/1.1\r\nHost: testserver\r\nContent-Length: 1000\r\n\r\n" + b"a" * 500,
    b"GET /huge HTTP/1.1\r\nHost: testserver\r\n\r\n",
    b"GET /stream HTTP/1.1\r\nHost: testserver\r\n\r\n",
    b"GET /files/huge HTTP/1.1\r\nHost: testserver\r\n\r\n",
)


def storm_of_resets(address: Address, seconds: float, rate: int = 2000) -> int:
    """``rate`` connections a second, by tens: they say something, or nothing, and reset.

    One thread could make ten times as many: more than any server in Python takes from the listening
    socket.  Its queue would run over, and the system lets those wait for a second who come then.
    """
    done = 0
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        sock = connect(address)
        with contextlib.suppress(ConnectionError):
            sock.sendall(_LEFT[done % len(_LEFT)])
        reset(sock)
        done += 1
        if done % 10 == 0:
            time.sleep(max(0.0, begun + done / rate - time.monotonic()))
    return done


# --- pipelining without an end


def flood(address: Address, seconds: float, count: int = 16) -> int:
    """``count`` connections that send requests behind requests as fast as the server takes them; one
    half reads the answers, the other does not, and is cut after send_stall_timeout."""
    block = GET * (65536 // len(GET))
    sockets = [connect(address) for _ in range(count)]
    waiting = {sock: memoryview(block) for sock in sockets}
    readers = set(sockets[::2])
    sent = 0
    with _closing(sockets):
        for sock in sockets:
            sock.setblocking(False)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            readable, writable, _ = select.select(readers, waiting, [], 0.1)
            for sock in readable:
                assert sock.recv(1 << 20), "the server closed a connection that did nothing wrong"
            for sock in writable:
                try:
                    taken = sock.send(waiting[sock])
                except ConnectionError:
                    assert sock not in readers, "the server reset a connection that did nothing wrong"
                    del waiting[sock]
                    continue
                sent += taken
                # From where the last block was cut, or the requests would not fit together.
                waiting[sock] = waiting[sock][taken:] or memoryview(block)
    return sent // len(GET)
