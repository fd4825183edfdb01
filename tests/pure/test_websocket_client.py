"""WebSockets that we open: against our engine, bad answers, and the library websockets at either end."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import websockets
from websockets.asyncio.server import ServerConnection, serve
from websockets.sync.client import connect

from skitai.errors import ReadError, RemoteProtocolError, SkitaiError
from skitai.limits import Limits
from tests.autobahn.asker import Asker
from tests.pure.engine_world import world
from tests.pure.ws_world import Heard, echo, settle, site


class Opened(Heard):
    """The receiver of a WebSocket that we open; a failure is an event too."""

    def failed(self, error: SkitaiError) -> None:
        self.events.put(error)


@contextmanager
def asker(**limits: int) -> Iterator[Asker]:
    made = Asker(Limits(**limits))
    try:
        yield made
    finally:
        made.stop()


def test_both_ends_are_ours() -> None:
    with site(echo, ws_deflate_min=10) as running, asker(ws_deflate_min=10) as client:
        heard = Opened()
        client.connect(running.world.address[1], "/chat", heard, heard.failed)
        assert heard.next() == "opened"
        messages = ["text é", b"\xff" * 70_000, "a" * 1000, ""]
        for message in messages:
            heard.websocket.send(message)
            assert heard.next() == message
        heard.websocket.start_closing(1000, "done")
        assert heard.next() == (1000, "")
        assert [running.heard[0].next() for _ in range(6)] == ["opened", *messages, (1000, "done")]
        settle(lambda: not client.open)
        assert client.websockets.received == 4


def test_the_server_closes() -> None:
    with site(None) as running, asker() as client:
        heard = Opened()
        client.connect(running.world.address[1], "/", heard, heard.failed)
        assert [heard.next(), running.heard[0].next()] == ["opened", "opened"]
        running.heard[0].websocket.send("last")
        running.heard[0].websocket.start_closing(4001, "why")
        assert [heard.next(), heard.next()] == ["last", (4001, "why")]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", RemoteProtocolError, "answered 404"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(100_000), RemoteProtocolError, "answered 200"),
        (
            b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi",
            RemoteProtocolError,
            "does not answer our key",
        ),
        (b"", ReadError, "without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", RemoteProtocolError, "status line"),
    ],
)
def test_no_websocket(answer: bytes, error: type[SkitaiError], words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, asker() as client:
        heard = Opened()
        client.connect(server.getsockname()[1], "/", heard, heard.failed)
        peer, _ = server.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(answer)
            if not answer:
                peer.close()
            failure = heard.next()
        assert isinstance(failure, error)
        assert words in str(failure)
        with pytest.raises(queue.Empty):
            heard.events.get(timeout=0.05)
        settle(lambda: not client.open)


def test_a_101_that_nobody_asked_for_is_still_an_error() -> None:
    """An ordinary request does not become a WebSocket."""
    with world() as running, asker() as client:
        heard = Opened()
        client.connect(running.address[1], "/", heard, heard.failed)
        assert "answered 200" in str(heard.next())


# -- the library websockets, at the other end


@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_foreign_client(compression: str | None) -> None:
    with site(echo, ws_deflate_min=0) as running:
        address = f"ws://127.0.0.1:{running.world.address[1]}/chat"
        with connect(address, compression=compression, max_size=1 << 25) as client:
            for message in ("text é", b"\xff" * 200_000, "", "a" * (1 << 20)):
                client.send(message)
                assert client.recv(timeout=10) == message
            client.send(["in ", "frag", "ments"])
            assert client.recv(timeout=10) == "in fragments"
            assert client.ping().wait(5)
        assert client.protocol.close_code == 1000


@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_foreign_server(compression: str | None) -> None:
    ports: queue.Queue[int] = queue.Queue()
    done = threading.Event()

    async def answer(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def run() -> None:
        async with serve(answer, "127.0.0.1", 0, compression=compression) as server:
            ports.put(next(iter(server.sockets)).getsockname()[1])
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        with asker(ws_deflate_min=10) as client:
            heard = Opened()
            client.connect(ports.get(timeout=5), "/", heard, heard.failed)
            assert heard.next() == "opened"
            for message in ("text é", b"\x01" * 200_000, "", "a" * 100_000):
                heard.websocket.send(message)
                assert heard.next() == message
            heard.websocket.start_closing(1000, "done")
            assert heard.next() == (1000, "done")
    finally:
        done.set()
        thread.join(10)


def test_a_foreign_client_is_told_of_its_fault() -> None:
    with site(echo, ws_message_max=1000) as running:
        address = f"ws://127.0.0.1:{running.world.address[1]}/chat"
        with connect(address, compression=None) as client:
            client.send("a" * 1001)
            with pytest.raises(websockets.ConnectionClosedError) as caught:
                client.recv(timeout=5)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009
