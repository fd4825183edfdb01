"""Servers of the library websockets, which we did not write, for questions over WebSockets."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from skitai.core.outbound.request import Origin

Script = Callable[[ServerConnection], None]


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


class WebSocketPeer:
    """``script(connection)`` is run for each connection, in a thread of its own."""

    def __init__(self, script: Script, context: ssl.SSLContext | None, **options: Any) -> None:
        self._script = script
        #: In the order in which they came.
        self.connections: list[ServerConnection] = []
        self._server: Server = serve(self._run, "127.0.0.1", 0, ssl=context, **options)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.port: int = self._server.socket.getsockname()[1]
        self.origin = Origin("http", "127.0.0.1", self.port)

    def _run(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        with contextlib.suppress(ConnectionClosed):  # ours has gone: the outcome tells whether it should have
            self._script(connection)

    def field(self, place: int, name: str) -> str | None:
        """What the handshake of a connection said of ``name``."""
        request = self.connections[place].request
        assert request is not None
        return request.headers.get(name)

    def close(self) -> None:
        # Our loop may stand by now, which would let the closing handshakes take all of their time.
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
        self._server.shutdown()
        self._thread.join(10)


@contextlib.contextmanager
def peer(
    script: Script = echo, context: ssl.SSLContext | None = None, **options: Any
) -> Iterator[WebSocketPeer]:
    made = WebSocketPeer(script, context, **options)
    try:
        yield made
    finally:
        made.close()
