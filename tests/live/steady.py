"""Clients that must never notice anything: what they have asked is answered, on the same connection.

    busy        asks again as soon as it has its answer
    pipelined   asks eight times at once, and again when it has all eight
    resting     asks now and then: it is idle when a server would like to close
    fresh       a new connection for each request, so many a second

An answer with ``Connection: close`` is the server's good right: the client connects anew.  Anything
else (refused, reset, ended with a request unanswered, another status) is a failure.  One thread.
"""

from __future__ import annotations

import re
import selectors
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic

from tests.live.abusers import Address
from tests.live.exchanges import get

__all__ = ["Steady"]

_LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]+)\r\n")
_PIPELINED = 8
#: Seconds between two requests of a resting client: its place in this row is its own.
_RESTS = (0.05, 0.13, 0.29, 0.53)


@dataclass
class _Client:
    kind: str
    number: int
    sock: socket.socket | None = None
    received: bytearray = field(default_factory=bytearray)
    awaited: int = 0
    #: When to ask.
    at: float = 0.0
    closing: bool = False


class Steady(threading.Thread):
    """Runs from `start` to `finish`.  ``path`` is answered with the id of the process."""

    def __init__(
        self,
        address: Address,
        *,
        busy: int = 4,
        pipelined: int = 1,
        resting: int = 8,
        fresh_rate: float = 50.0,
        path: str = "/pid",
    ) -> None:
        super().__init__(name="steady", daemon=True)
        self._address = address
        self._request = get(path)
        self._fresh_rate = fresh_rate
        self._clients = [
            _Client(kind, number)
            for kind, count in (("busy", busy), ("pipelined", pipelined), ("resting", resting))
            for number in range(count)
        ]
        self._selector = selectors.DefaultSelector()
        self._ending = threading.Event()
        #: Answers by kind of client, and by process.
        self.answers: Counter[str] = Counter()
        self.processes: Counter[int] = Counter()
        #: How often a server has closed behind an answer.
        self.closed = 0
        self.failures: list[str] = []
        self._error: BaseException | None = None

    def finish(self) -> None:
        """Ask no more, and wait for the answers that are due."""
        self._ending.set()
        self.join(30)
        assert not self.is_alive(), "answers are still awaited"
        if self._error is not None:
            raise self._error

    def run(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._error = error

    def _run(self) -> None:
        fresh_at = monotonic()
        number = 0
        while True:
            now = monotonic()
            ending = self._ending.is_set()
            while self._fresh_rate and fresh_at <= now and not ending:
                fresh_at += 1 / self._fresh_rate
                number += 1
                self._clients.append(_Client("fresh", number))
            for client in self._clients:
                if not client.awaited and not client.closing and client.at <= now and not ending:
                    self._ask(client)
            self._clients = [c for c in self._clients if not (c.kind == "fresh" and c.closing)]
            if ending and not any(client.awaited for client in self._clients):
                break
            for key, _ in self._selector.select(0.005):
                self._read(key.data)
        for client in self._clients:
            if client.sock is not None:
                self._leave(client)

    def _ask(self, client: _Client) -> None:
        count = _PIPELINED if client.kind == "pipelined" else 1
        try:
            if client.sock is None:
                client.sock = socket.create_connection(self._address, timeout=10)
                self._selector.register(client.sock, selectors.EVENT_READ, client)
            client.awaited = count
            client.sock.sendall(self._request * count)
        except OSError as error:
            self._fail(client, f"asking: {error}")

    def _read(self, client: _Client) -> None:
        assert client.sock is not None
        try:
            data = client.sock.recv(65536)
        except OSError as error:
            self._fail(client, f"reading: {error}")
            return
        client.received += data
        closes = self._take_answers(client)
        if client.awaited and (closes or not data):
            self._fail(client, f"ended, {client.awaited} unanswered; {bytes(client.received)!r}")
        elif closes or not data:
            # An idle connection that is closed without a word has waited for keep_alive.
            self.closed += 1
            self._leave(client)
        if not client.awaited and client.kind == "fresh":
            client.closing = True
            if client.sock is not None:
                self._leave(client)

    def _take_answers(self, client: _Client) -> bool:
        """Whether the last one says that the connection ends."""
        closes = False
        received = client.received
        while (head := received.find(b"\r\n\r\n") + 2) > 1:
            length = _LENGTH.search(received, 0, head)
            assert length, bytes(received)
            end = head + 2 + int(length[1])
            if len(received) < end:
                break
            if not received.startswith(b"HTTP/1.1 200 OK\r\n"):
                self.failures.append(f"{client.kind}: {bytes(received[:80])!r}")
            self.answers[client.kind] += 1
            self.processes[int(received[head + 2 : end])] += 1
            client.awaited -= 1
            closes = b"\r\nConnection: close\r\n" in received[:head]
            del received[:end]
            if closes:
                break
        if not client.awaited and client.kind == "resting":
            client.at = monotonic() + _RESTS[client.number % len(_RESTS)]
        return closes

    def _fail(self, client: _Client, text: str) -> None:
        self.failures.append(f"{client.kind} {client.number}: {text}")
        client.awaited = 0
        client.closing = client.kind == "fresh"
        client.at = monotonic() + 0.02
        self._leave(client)

    def _leave(self, client: _Client) -> None:
        if client.sock is not None:
            self._selector.unregister(client.sock)
            client.sock.close()
            client.sock = None
        client.received.clear()
