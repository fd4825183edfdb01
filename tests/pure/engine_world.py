"""An engine with a service that a test scripts, and clients that talk to it over loopback."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from skitai._kernels import engine
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits
from tests.pure.certificates import Unnamed

Handler = Callable[[engine.Exchange], None]


class Collected:
    """A body sink that keeps what it gets."""

    def __init__(self) -> None:
        self.data = b""
        self.events: list[str] = []

    def write(self, data: bytes) -> None:
        self.data += data

    def finish(self) -> None:
        self.events.append("finish")

    def close(self) -> None:
        self.events.append("close")


class ScriptedService:
    # No lanes: here the general connection is tested.
    executor = None
    depth = 0

    """``on_admit`` and ``on_execute`` are the test's; everything that ends is put into ``ended``."""

    def __init__(self, on_execute: Handler, on_admit: Handler | None = None) -> None:
        self.on_execute = on_execute
        self.on_admit = on_admit
        self.ended: queue.Queue[engine.Exchange] = queue.Queue()
        self.limits_reached: list[str] = []

    def admit(self, exchange: engine.Exchange) -> None:
        exchange.sink = exchange.context = Collected()
        if self.on_admit is not None:
            self.on_admit(exchange)

    def execute(self, exchange: engine.Exchange) -> None:
        self.on_execute(exchange)

    def finished(self, exchange: engine.Exchange) -> None:
        self.ended.put(exchange)

    def refusal(
        self, error: RemoteProtocolError, peer: tuple[str, int], exchange: engine.Exchange | None
    ) -> engine.Refusal:
        return _words(str(error))

    def overdue(self, exchange: engine.Exchange) -> engine.Refusal:
        return _words("too late")

    def limited(self, limit: str, text: str) -> None:
        self.limits_reached.append(limit)


def _words(text: str) -> engine.Refusal:
    return [("Content-Length", str(len(text)))], text.encode()


class World:
    def __init__(
        self,
        service: ScriptedService,
        limits: Limits,
        secure: Unnamed | None = None,
    ) -> None:
        self.service = service
        self.reports: list[str] = []
        self.engine = engine.Engine(service, limits, self._report)
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = listener.getsockname()
        self.engine.listen(listener, "the listener", secure)
        self.thread = threading.Thread(target=self.engine.run, daemon=True)
        self.thread.start()

    def _report(self, what: str) -> None:
        self.reports.append(f"{what}\n{traceback.format_exc()}")

    def client(self, *, crossing: bool = False) -> Client:
        """``crossing``: one thread sends while another receives."""
        return Client(self.address)

    def ended(self) -> engine.Exchange:
        return self.service.ended.get(timeout=20)

    def connections(self) -> int:
        return len(self.engine.connections)


class ClientSocket(Protocol):
    """What of a socket tests use."""

    def sendall(self, data: bytes, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def setsockopt(self, level: int, option: int, value: int, /) -> None: ...
    def shutdown(self, how: int, /) -> None: ...
    def close(self) -> None: ...


class Client:
    """One connection of a client; reads have a limit of 20 s."""

    def __init__(self, address: tuple[str, int] | ClientSocket) -> None:
        """``address``: or what is connected already."""
        self.sock: ClientSocket = (
            socket.create_connection(address, timeout=20) if isinstance(address, tuple) else address
        )
        self._rest = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def get(self, target: str = "/", *, method: str = "GET", extra: str = "") -> None:
        self.send(f"{method} {target} HTTP/1.1\r\nHost: test\r\n{extra}\r\n".encode())

    def response(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """The next response: status, headers by lower-case name, body (of Content-Length only)."""
        while b"\r\n\r\n" not in self._rest:
            data = self.sock.recv(65536)
            assert data, f"the connection ended within a head: {self._rest!r}"
            self._rest += data
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        length = int(headers.get("content-length", 0)) if has_body else 0
        pieces, size = [self._rest], len(self._rest)
        while size < length:
            data = self.sock.recv(65536)
            assert data, "the connection ended within a body"
            pieces.append(data)
            size += len(data)
        self._rest = b"".join(pieces)
        body, self._rest = self._rest[:length], self._rest[length:]
        return int(lines[0].split(" ")[1]), headers, body

    def rest(self) -> bytes:
        """Everything until the server ends the connection."""
        pieces = [self._rest]
        self._rest = b""
        while data := self.sock.recv(65536):
            pieces.append(data)
        return b"".join(pieces)

    def close(self) -> None:
        self.sock.close()


@contextmanager
def world(
    on_execute: Handler | None = None,
    *,
    on_admit: Handler | None = None,
    limits: Limits | None = None,
    secure: Callable[[], ssl.SSLContext] | Unnamed | None = None,
) -> Iterator[World]:
    """A running engine; the block fails if one of its callbacks raised."""
    contexts = secure if secure is None or isinstance(secure, Unnamed) else Unnamed(secure)
    made = World(ScriptedService(on_execute or hello, on_admit), limits or Limits(), contexts)
    try:
        yield made
    finally:
        made.engine.stop()
        made.thread.join(20)
    assert not made.thread.is_alive()
    assert made.reports == []


def hello(exchange: engine.Exchange) -> None:
    body = exchange.head.target.encode()
    exchange.respond(200, [("Content-Length", str(len(body)))], body)
