"""An echo server on the engine, for Autobahn.

``python -m tests.autobahn.echo`` prints its port and serves until its input ends.
"""

from __future__ import annotations

import socket
import sys
import threading
import traceback

from skitai._kernels import engine
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits

#: kosoku hashes what comes uncompressed as str, which fails: it gets nothing uncompressed.
LIMITS = Limits(ws_deflate_min=0)


class Echo:
    """Sends back what it gets."""

    def opened(self, websocket: engine.WebSocket) -> None:
        self.websocket = websocket

    def message(self, message: str | bytes) -> bool:
        self.websocket.send(message)
        return True

    def closed(self, code: int, reason: str) -> None:
        del self.websocket


class EchoService:
    executor = None
    depth = 0

    def admit(self, exchange: engine.Exchange) -> None:
        """There is nothing to say about a head."""

    def execute(self, exchange: engine.Exchange) -> None:
        try:
            engine.WebSocket.accept(exchange, Echo())
        except RemoteProtocolError as error:
            exchange.respond(error.status, [("Content-Length", "0"), ("Sec-WebSocket-Version", "13")])

    def finished(self, exchange: engine.Exchange) -> None:
        """Nobody counts."""

    def refusal(
        self, error: RemoteProtocolError, peer: tuple[str, int], exchange: engine.Exchange | None
    ) -> engine.Refusal:
        return [("Content-Length", "0")], b""

    def overdue(self, exchange: engine.Exchange) -> engine.Refusal:
        return [("Content-Length", "0")], b""

    def limited(self, limit: str, text: str) -> None:
        print(limit, text, file=sys.stderr)


def serve(limits: Limits) -> None:
    server = engine.Engine(EchoService(), limits, lambda what: print(what, traceback.format_exc()))
    listener = socket.create_server(("127.0.0.1", 0))
    server.listen(listener, None)
    print(listener.getsockname()[1], flush=True)

    def stop_with_input() -> None:
        sys.stdin.read()
        server.stop()

    threading.Thread(target=stop_with_input, daemon=True).start()
    server.run()


if __name__ == "__main__":
    serve(LIMITS)
