"""SIGTERM under full load: the process ends within a second, and no response is cut.

A connection may end between two responses, with a request unanswered that the server did not begin
with; it may not end inside a response.  So every byte that a client gets must belong to a whole
one, and the last of them must come whatever its size.
"""

from __future__ import annotations

import re
import selectors
import signal
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.live.abusers import Address
from tests.live.apps.load import HUGE, LARGE
from tests.live.exchanges import get
from tests.live.program import Serve
from tests.waiting import takes_less_than, wait_until

APP = "tests.live.apps.load:app"

_LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]+)\r\n")
_CHUNKED = b"\r\nTransfer-Encoding: chunked\r\n"
_STREAMED = b"4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\n"


@dataclass
class Load:
    """What one connection asks again and again, and how many of its answers come together."""

    name: str
    request: bytes
    answer: bytes
    pipelined: int = 1
    connections: int = 1


LOADS = (
    Load("hello", get("/"), b"hello", connections=40),
    Load("pipelined", get("/"), b"hello", pipelined=16, connections=8),
    Load("large", get("/large"), LARGE, connections=8),
    Load("streamed", get("/stream"), _STREAMED, connections=4),
    Load("huge in pieces", get("/huge/pieces"), HUGE, connections=4),
)


@dataclass
class Talk:
    """One connection: asks, and takes whole responses from what comes."""

    load: Load
    sock: socket.socket
    received: bytearray = field(default_factory=bytearray)
    awaited: int = 0

    def ask(self) -> None:
        self.awaited = self.load.pipelined
        self.sock.sendall(self.load.request * self.awaited)

    def take(self) -> bool:
        """Remove a whole response; False if there is none."""
        head = self.received.find(b"\r\n\r\n") + 2
        if head < 2:
            return False
        assert self.received.startswith(b"HTTP/1.1 200 OK\r\n"), bytes(self.received[:200])
        length = _LENGTH.search(self.received, 0, head)
        if length:
            assert int(length[1]) == len(self.load.answer)
        else:
            assert _CHUNKED in self.received[:head]
        end = head + 2 + len(self.load.answer)
        if len(self.received) < end:
            return False
        assert self.received.endswith(self.load.answer, 0, end)
        del self.received[:end]
        return True


class Crowd(threading.Thread):
    """All connections of `LOADS`, in one thread, until the server has closed each of them."""

    def __init__(self, address: Address) -> None:
        super().__init__(name="crowd", daemon=True)
        self._address = address
        #: Whole responses by the name of their load; connections that ended within one.
        self.whole: Counter[str] = Counter()
        self.cut: list[str] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                for load in LOADS:
                    for _ in range(load.connections):
                        sock = socket.create_connection(self._address, timeout=10)
                        talk = Talk(load, sock)
                        selector.register(sock, selectors.EVENT_READ, talk)
                        talk.ask()
                while selector.get_map():
                    for key, _ in selector.select(10):
                        if not self._go_on(key.data):
                            selector.unregister(key.data.sock)
                            key.data.sock.close()
        except BaseException as error:
            self.failure = error

    def _go_on(self, talk: Talk) -> bool:
        """Read once; False at the end of the connection."""
        try:
            data = talk.sock.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        talk.received += data
        while talk.take():
            self.whole[talk.load.name] += 1
            talk.awaited -= 1
        if not data:
            if talk.received:
                self.cut.append(f"{talk.load.name}: {len(talk.received)} bytes of a response")
            return False
        try:
            if not talk.awaited:
                talk.ask()
        except (BrokenPipeError, ConnectionResetError):
            return False  # closed between two responses
        return True


@pytest.mark.parametrize("threads", ["0", "4"])
@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.soak)])
def test_term_cuts_no_response(serve: Serve, threads: str, rounds: int) -> None:
    for number in range(rounds):

        def end(number: int = number) -> float:
            server = serve(APP, "--threads", threads, "--no-access-log")
            crowd = Crowd((server.host, server.port))
            crowd.start()
            wait_until(lambda: len(crowd.whole) == len(LOADS) or crowd.failure)
            # Not always at the same point of the clients' rounds.
            time.sleep(0.3 + number * 0.013)
            begun = time.monotonic()
            server.send_signal(signal.SIGTERM)
            status = server.wait()
            took = time.monotonic() - begun
            crowd.join(20)
            assert not crowd.is_alive()
            assert crowd.failure is None
            assert crowd.cut == []
            assert status == 0
            assert "Traceback" not in server.console_text()
            print(f"{took:.3f} s")
            return took

        takes_less_than(1.0, end)
