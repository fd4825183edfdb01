"""The client that Autobahn's fuzzing server wants: asks for each case in turn, sends back what it gets.

``python -m tests.autobahn.asker PORT``
"""

from __future__ import annotations

import socket
import sys
import threading
import traceback
from collections.abc import Callable

from skitai._kernels import engine
from skitai.errors import SkitaiError
from skitai.limits import Limits
from tests.autobahn.echo import LIMITS, Echo


class Asker:
    """A loop with the WebSockets that it has opened; as much of a client as these need."""

    gently = False

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.loop = engine.EventLoop(self.report)
        self.scratch = memoryview(bytearray(65536))
        self.websockets = engine.WebSocketTotals()
        self.open: set[engine.WebSocket] = set()
        self.thread = threading.Thread(target=self.loop.run, daemon=True)
        self.thread.start()

    def report(self, what: str) -> None:
        print(f"{what}\n{traceback.format_exc()}", file=sys.stderr)

    def limited(self, limit: str, text: str) -> None:
        print(limit, text, file=sys.stderr)

    def entered(self, websocket: engine.WebSocket) -> None:
        self.open.add(websocket)

    def forget(self, connection: engine.WebSocket) -> None:
        self.open.discard(connection)

    def freed(self, connection: engine.OutboundConnection) -> None:
        """No connection is asked twice."""

    def connect(
        self,
        port: int,
        target: str,
        receiver: engine.Receiver,
        on_failed: Callable[[SkitaiError], None],
        *,
        subprotocols: tuple[str, ...] = (),
    ) -> None:
        """``receiver`` hears of a WebSocket to ``target`` at 127.0.0.1."""
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)

        def ask() -> None:
            connection = engine.OutboundConnection(self, self.loop, sock, self.limits, self.scratch)
            opening = engine.WebSocketOpening(
                self, engine.WebSocket, receiver, on_failed, subprotocols=subprotocols
            )
            opening.ask(connection, target, [("Host", f"127.0.0.1:{port}")])

        self.loop.call_soon(ask)

    def stop(self) -> None:
        self.loop.stop()
        self.thread.join(5)


class Case(Echo):
    """One conversation; `over` is set at its end."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.heard: list[str | bytes] = []

    def closed(self, code: int, reason: str) -> None:
        super().closed(code, reason)
        self.over.set()

    def failed(self, error: SkitaiError) -> None:
        print(error, file=sys.stderr)
        self.over.set()


class Listener(Case):
    def message(self, message: str | bytes) -> bool:
        self.heard.append(message)
        return True


def main(port: int) -> None:
    asker = Asker(LIMITS)

    def ask(target: str, case: Case) -> Case:
        asker.connect(port, target, case, case.failed)
        case.over.wait()
        return case

    (count,) = ask("/getCaseCount", Listener()).heard
    for number in range(1, int(count) + 1):
        ask(f"/runCase?case={number}&agent=skitai", Case())
    ask("/updateReports?agent=skitai", Listener())
    asker.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]))
