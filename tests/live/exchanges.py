"""Kinds of requests, each done as often as one likes and as fast as one thread can.

Every answer is looked at: the first of a connection by `Wire`, and the others must have the same
bytes, but for their Date.  That costs little, so that 100,000 of a kind take some ten seconds.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from collections.abc import Callable, Iterator

from tests.live.abusers import Address, reset
from tests.live.loadsite import FILES_HOST
from tests.live.wire import Reply, Truncated, Wire

__all__ = ["KINDS", "Kind"]

#: ``kind(address, count)`` does about ``count`` of its exchanges, and not fewer.
Kind = Callable[[Address, int], None]

#: Connections of the kinds that keep theirs: while the answer of one is on its way, the next is asked.
CONNECTIONS = 8
PATIENCE = 10

_DATE = re.compile(rb"\r\nDate: [^\r]+\r\n")


def get(
    target: str, *fields: str, method: str = "GET", version: str = "1.1", host: str = "testserver"
) -> bytes:
    lines = [f"{method} {target} HTTP/{version}", f"Host: {host}", *fields, "\r\n"]
    return "\r\n".join(lines).encode("ascii")


def connect(address: Address) -> socket.socket:
    """Blocking, so that MSG_WAITALL waits; the kernel keeps the time."""
    sock = socket.create_connection(address)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", PATIENCE, 0))
    return sock


@contextlib.contextmanager
def connections(address: Address) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect(address)) for _ in range(CONNECTIONS)]


class Answer:
    """What the answers of one kind must be."""

    def __init__(self, first: bytes) -> None:
        self._known = first
        self._dateless = _DATE.sub(b"", first)
        assert len(self._dateless) == len(first) - len(b"\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n")
        self.size = len(first)

    def check(self, answer: bytes) -> None:
        if answer != self._known:
            assert _DATE.sub(b"", answer) == self._dateless, (
                f"{answer[:300]!r} differs from {self._known[:300]!r}"
            )
            self._known = answer


def understood(raw: bytes, method: str) -> Reply:
    """``raw`` as `Wire` reads it; `Truncated` if it is not a whole answer."""
    server, client = socket.socketpair()
    with Wire(client) as wire:
        with server:
            server.sendall(raw)
        return wire.read_reply(method)


def learn(
    address: Address, request: bytes, status: int, body: bytes | None, *, closes: bool = False
) -> Answer:
    """Ask once and judge the answer by what it must be; ``body`` None is any.  ``closes``: the end of
    the connection is its end."""
    method = request.partition(b" ")[0].decode()
    raw = b""
    reply = None
    with connect(address) as sock:
        sock.sendall(request)
        while reply is None:
            more = sock.recv(65536)
            raw += more
            if not (closes and more):
                with contextlib.suppress(Truncated) if more else contextlib.nullcontext():
                    reply = understood(raw, method)
    assert reply.status == status, reply
    assert body is None or reply.body == body, reply
    return Answer(raw)


def read_all(sock: socket.socket) -> bytes:
    data = b""
    while more := sock.recv(65536):
        data += more
    return data


# --- on connections that are kept


def kept(request: bytes, status: int = 200, body: bytes | None = b"hello", pipelined: int = 1) -> Kind:
    def run(address: Address, count: int) -> None:
        answer = learn(address, request, status, body)
        size = answer.size
        with connections(address) as sockets:
            for _ in range(-(-count // (pipelined * len(sockets)))):
                for sock in sockets:
                    sock.sendall(request * pipelined)
                for sock in sockets:
                    answers = sock.recv(size * pipelined, socket.MSG_WAITALL)
                    for start in range(0, len(answers), size):
                        answer.check(answers[start : start + size])

    return run


def expects(address: Address, count: int) -> None:
    """Expect: 100-continue."""
    body = b"a" * 1000
    head = get("/size", "Expect: 100-continue", "Content-Length: 1000", method="POST")
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    answer = learn(address, head.replace(b"Expect: 100-continue\r\n", b"") + body, 200, b"1000")
    with connections(address) as sockets:
        for _ in range(-(-count // len(sockets))):
            for sock in sockets:
                sock.sendall(head)
            for sock in sockets:
                assert sock.recv(len(interim), socket.MSG_WAITALL) == interim
                sock.sendall(body)
            for sock in sockets:
                answer.check(sock.recv(answer.size, socket.MSG_WAITALL))


# --- a connection each


def closed(request: bytes, body: bytes) -> Kind:
    """The server closes behind its answer."""

    def run(address: Address, count: int) -> None:
        answer = learn(address, request, 200, body, closes=True)
        for _ in range(count):
            with connect(address) as sock:
                sock.sendall(request)
                answer.check(read_all(sock))

    return run


def aborted(address: Address, count: int) -> None:
    """The client leaves half-way: in its head, in its body, in the answer; by FIN and by RST."""
    requests = (
        get("/", "X-Unfinished: yes")[:-10],
        get("/size", "Content-Length: 1000", method="POST") + b"a" * 500,
        get("/large"),
    )
    for number in range(count):
        request = requests[number % len(requests)]
        sock = connect(address)
        sock.sendall(request)
        if request is requests[-1]:
            assert sock.recv(1000, socket.MSG_WAITALL).startswith(b"HTTP/1.1 200 OK\r\n")
        if number % 2:
            sock.close()
        else:
            reset(sock)


_CHUNKED = b"5\r\nfirst\r\n6\r\nsecond\r\n3;extension=1\r\n3rd\r\n0\r\nX-Trailer: yes\r\n\r\n"

KINDS: dict[str, Kind] = {
    "hello": kept(get("/")),
    "post": kept(get("/size", "Content-Length: 1000", method="POST") + b"a" * 1000, body=b"1000"),
    "streamed": kept(get("/stream"), body=b"one two three"),
    "chunked_upload": kept(get("/size", "Transfer-Encoding: chunked", method="POST") + _CHUNKED, body=b"14"),
    "error_500": kept(get("/error"), status=500, body=None),
    "head": kept(get("/", method="HEAD"), body=b""),
    "pipelined": kept(get("/"), pipelined=16),
    "http_1_0": closed(get("/stream", version="1.0"), b"one two three"),
    "file": kept(get("/small", host=FILES_HOST), body=b"a small file"),
    "error_404": kept(get("/none", host=FILES_HOST), status=404, body=None),
    "aborted": aborted,
    "expect": expects,
    "new_connection": closed(get("/", "Connection: close"), b"hello"),
}
