"""An engine that answers with WebSockets, and a client that speaks frames by hand."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from skitai._kernels import engine, websocket
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits
from tests.pure.engine_world import Client, World, world
from tests.pure.ws_talk import MASK, frame

ASK = (
    b"GET /chat HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


class Heard:
    """A receiver that notes everything; ``answer(self, message)`` is what a test wants done with messages."""

    def __init__(self, answer: Callable[[Heard, str | bytes], bool | None] | None = None) -> None:
        self.answer = answer
        self.events: queue.Queue[Any] = queue.Queue()
        self.websocket: engine.WebSocket

    def opened(self, websocket: engine.WebSocket) -> None:
        self.websocket = websocket
        self.events.put("opened")

    def message(self, message: str | bytes) -> bool:
        self.events.put(message)
        return self.answer is None or self.answer(self, message) is not False

    def closed(self, code: int, reason: str) -> None:
        self.events.put((code, reason))

    def next(self) -> Any:
        return self.events.get(timeout=20)


def echo(heard: Heard, message: str | bytes) -> None:
    heard.websocket.send(message)


class Speaker(Client):
    """A client behind its handshake; what it reads is understood by the pure core."""

    def __init__(self, client: Client) -> None:
        self.sock = client.sock
        self._rest = client._rest
        self._core = websocket.Connection(Limits(), is_client=True)
        self._events: list[Any] = []

    def say(self, opcode: int, payload: bytes = b"", **how: Any) -> None:
        self.send(frame(opcode, payload, mask=MASK, **how))

    def hear(self) -> Any:
        """The next event, or None at the end of the connection."""
        while not self._events:
            data = self._rest or self.sock.recv(65536)
            self._rest = b""
            if not data:
                return None
            self._events += self._core.receive(data)
        return self._events.pop(0)


def settle(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "nothing has come of it in 20 s"
        time.sleep(0.005)


class Site:
    def __init__(self, running: World, heard: list[Heard]) -> None:
        self.world = running
        self.heard = heard

    def client(self, *, fields: bytes = b"", behind: bytes = b"") -> Speaker:
        """A client whose WebSocket is open; ``behind``: what it sends together with its request."""
        client = self.world.client()
        client.send(ASK + fields + b"\r\n" + behind)
        status, _, _ = client.response(has_body=False)
        assert status == 101
        return Speaker(client)


@contextmanager
def site(
    answer: Callable[[Heard, str | bytes], bool | None] | None = echo, *, secure: Any = None, **limits: float
) -> Iterator[Site]:
    """Every request becomes a WebSocket, if it asks for one; ``heard`` has their receivers."""
    heard: list[Heard] = []

    def accept(exchange: engine.Exchange) -> None:
        receiver = Heard(answer)
        heard.append(receiver)
        try:
            engine.WebSocket.accept(exchange, receiver)
        except RemoteProtocolError as error:
            exchange.respond(error.status, [("Content-Length", "0")])

    settings: dict[str, Any] = limits
    with world(accept, limits=Limits(**settings), secure=secure) as running:
        yield Site(running, heard)
