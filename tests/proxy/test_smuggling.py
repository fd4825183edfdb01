"""Nothing that two servers could read in two ways gets as far as a member.

Each attempt is one connection's bytes.  Whatever the client gets, the member must have heard of whole
requests only, as many as there were, and never of ``/smuggled``: a reader that is as simple as they come
judges it.
"""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from tests.proxy.proxy_world import Member, proxying

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\nX: "
CHUNKED_END = b"0\r\n\r\n" + SMUGGLED

ATTEMPTS: dict[str, bytes] = {
    "CL.TE": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n"
    + CHUNKED_END,
    "TE.CL": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
    b"2c\r\n" + SMUGGLED + b"\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 38\r\n\r\n"
    + SMUGGLED,
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 38\r\n\r\n" + SMUGGLED,
    "a signed length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n" + SMUGGLED,
    "a length in hex": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x0\r\n\r\n" + SMUGGLED,
    "a length with a space": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 38\r\n\r\n" + SMUGGLED,
    "xchunked": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n"
    + CHUNKED_END,
    "chunked, identity": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n"
    + CHUNKED_END,
    "chunked twice": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    b"Transfer-Encoding: x\r\n\r\n" + CHUNKED_END,
    "a vertical tab": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKED_END,
    "a folded line": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKED_END,
    "a bare LF": b"POST / HTTP/1.1\r\nHost: a\r\nX: 1\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED_END,
    "a bare CR": b"POST / HTTP/1.1\r\nHost: a\r\nX: 1\rTransfer-Encoding: chunked\r\n\r\n" + CHUNKED_END,
    "an underscore": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n" + SMUGGLED,
    "1.0 and chunked": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED_END,
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a chunk size with LF": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n"
    + SMUGGLED,
    "a chunk size with a sign": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"
    + SMUGGLED,
    "a chunk size that overflows": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"10000000000000000\r\n" + SMUGGLED,
    "chunk data that goes on": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabXX"
    + CHUNKED_END,
    "LF in an extension": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a\nxx\r\nab\r\n"
    + CHUNKED_END,
    "a length among trailers": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\nContent-Length: 38\r\n\r\n" + SMUGGLED,
    "Connection names the length": b"POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\n"
    b"Content-Length: 38\r\n\r\n" + SMUGGLED[:38].ljust(38, b"x"),
    "Connection names the coding": b"POST / HTTP/1.1\r\nHost: a\r\nConnection: transfer-encoding\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n26\r\n" + SMUGGLED[:38].ljust(38, b"x") + b"\r\n0\r\n\r\n",
    "GET with a body": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 38\r\n\r\n"
    + SMUGGLED[:38].ljust(38, b"x"),
    "a body behind Expect": b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
    b"Content-Length: 38\r\n\r\n" + SMUGGLED[:38].ljust(38, b"x"),
    "an upgrade with a body": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Content-Length: 38\r\n\r\n" + SMUGGLED[:38].ljust(38, b"x"),
    "a target with a space": b"GET / /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    "a target with CR LF": b"GET /a%0d%0aGET%20/smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    "an absolute target of another host": b"GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT": b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n" + SMUGGLED,
}


class Judge:
    """A member that reads what it gets by the one rule there is for each, and answers each request."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.targets: list[bytes] = []
        self.faults: list[str] = []
        self._readers: list[threading.Thread] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        self.member.listener.settimeout(None)
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.member.listener.accept()
                reader = threading.Thread(target=self._read, args=(sock,), daemon=True)
                self._readers.append(reader)
                reader.start()

    def has_read_all(self) -> None:
        """Once nobody is connected any more: each connection is read by a thread, late ones too."""
        for reader in self._readers:
            reader.join(10)
            assert not reader.is_alive()

    def _read(self, sock: socket.socket) -> None:
        stream = sock.makefile("rb")
        with contextlib.suppress(OSError, ValueError), stream:
            while line := stream.readline():
                _, target, version = line.removesuffix(b"\r\n").split(b" ")
                self.targets.append(target)
                fields = self._fields(stream)
                if version != b"HTTP/1.1" or (b"content-length" in fields and b"transfer-encoding" in fields):
                    self.faults.append(f"{line!r} with {fields}")
                if b"transfer-encoding" in fields:
                    while size := int(stream.readline(), 16):
                        stream.read(size + 2)
                    self._fields(stream)
                else:
                    stream.read(int(fields.get(b"content-length", b"0")))
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        sock.close()

    def _fields(self, stream: object) -> dict[bytes, bytes]:
        fields: dict[bytes, bytes] = {}
        while (line := stream.readline()) != b"\r\n":  # type: ignore[attr-defined]  # of makefile
            if not line:
                raise OSError("the end, within a head")
            name, _, value = line.removesuffix(b"\r\n").partition(b": ")
            if name.lower() in fields or b"\r" in line[:-2] or not line.endswith(b"\r\n"):
                self.faults.append(repr(line))
            fields[name.lower()] = value
        return fields


@pytest.mark.parametrize("name", list(ATTEMPTS))
@pytest.mark.parametrize("cut", ["whole", "in pieces"])
def test_an_attempt_gets_nowhere(name: str, cut: str) -> None:
    member = Member()
    judge = Judge(member)
    with proxying(member) as world:
        # Plain requests of the compiled build leave their lane while no connection is kept.
        before = world.client()
        before.get("/before")
        assert before.head().startswith(b"HTTP/1.1 200 ")
        before.close()
        data = ATTEMPTS[name]
        client = world.client()
        pieces = [data] if cut == "whole" else [data[place : place + 7] for place in range(0, len(data), 7)]
        with contextlib.suppress(ConnectionError, TimeoutError):
            for piece in pieces:
                client.send(piece)
            client.sock.settimeout(0.15)
            while client.sock.recv(65536):
                pass
        client.close()
        after = world.client()
        after.get("/after")
        assert after.head().startswith(b"HTTP/1.1 200 ")
        after.close()
    judge.has_read_all()
    assert judge.faults == []
    assert b"/smuggled" not in judge.targets
    assert judge.targets.count(b"/after") == 1
    assert len(judge.targets) <= 3


ANSWERS: dict[str, bytes] = {
    "both": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "a bare CR": b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a bad status": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "a NUL": b"HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
}


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", list(ANSWERS))
def test_an_answer_that_is_none_is_not_passed_on(name: str) -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        asked.send(ANSWERS[name])
        with contextlib.suppress(OSError):  # it is cut already
            asked.sock.shutdown(socket.SHUT_WR)
        try:
            got = client.head()
        except ConnectionResetError:
            got = b"HTTP/1.1 502 by a reset, for the head had left"
        assert got.startswith(b"HTTP/1.1 502 ")
        client.close()


@pytest.mark.usefixtures("way")
def test_what_comes_behind_an_answer_is_nobodys() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get("/1")
        asked = member.accept()
        asked.head()
        asked.send(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        )
        client.head()
        assert client.exactly(2) == b"ok"
        client.get("/2")
        again = member.accept()
        again.head()
        again.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
        client.head()
        assert client.exactly(4) == b"good"
        client.close()
