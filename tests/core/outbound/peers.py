"""Servers that do what they are told, byte by byte, and a client with a loop of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from skitai._kernels import engine
from skitai.core.outbound.client import HttpClient
from skitai.core.outbound.request import Origin, Outcome, Request
from skitai.core.resolver import Address, Lookup
from skitai.errors import SkitaiError
from skitai.limits import Limits

PATIENCE = 10.0


class Names:
    """In the place of a resolver: names, and what is said of them; others are addresses themselves."""

    def __init__(self, **known: list[str] | SkitaiError) -> None:
        self.known = known
        self.asked: list[str] = []

    def addresses(self, host: str, on_done: Callable[[Any], None]) -> Lookup:
        self.asked.append(host)
        found = self.known.get(host.replace(".", "_"), [host])
        if isinstance(found, SkitaiError):
            on_done(found)
        else:
            on_done([_address(text) for text in found])
        return _Looked()


class _Looked:
    def cancel(self) -> None:
        """It is over already."""


def _address(text: str) -> Address:
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return Address(family, text, float("inf"))


class Peer:
    """Listens; each connection is served by the next of ``scripts``, the last one for all further ones."""

    def __init__(self, *scripts: Callable[[Client], None], family: int = socket.AF_INET) -> None:
        self._scripts = list(scripts)
        self._sock = socket.create_server(
            ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family
        )
        self.port = self._sock.getsockname()[1]
        #: Requests as they came, heads and bodies.
        self.requests: list[bytes] = []
        self.connections = 0
        self.failures: list[str] = []
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def origin(self) -> Origin:
        return Origin("http", "127.0.0.1", self.port)

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._open.append(sock)
            threading.Thread(target=self._run, args=(script, sock), daemon=True).start()

    def _run(self, script: Callable[[Client], None], sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        try:
            script(Client(self, sock))
        except OSError:
            pass  # ours has gone: the outcome tells whether it should have
        except Exception:
            self.failures.append(traceback.format_exc())
        finally:
            with contextlib.suppress(OSError):
                sock.close()

    def close(self) -> None:
        # close() alone does not wake who is in accept().
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class Client:
    """Ours, as its peer sees it."""

    def __init__(self, peer: Peer, sock: socket.socket) -> None:
        self.peer = peer
        self.sock = sock
        self._read = b""

    def request(self) -> bytes:
        """The next whole request; empty: it has closed."""
        while b"\r\n\r\n" not in self._read:
            if not self._more():
                return b""
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        body = b""
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if b"content-length" in fields:
            body = self._take(int(fields[b"content-length"]))
        elif fields.get(b"transfer-encoding") == b"chunked":
            body = self._chunks()
        self.peer.requests.append(head + b"\r\n\r\n" + body)
        return self.peer.requests[-1]

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._read:
                self._more()
            line, _, self._read = self._read.partition(b"\r\n")
            size = int(line, 16)
            body += self._take(size)
            self._take(2)
            if not size:
                return body

    def _take(self, size: int) -> bytes:
        while len(self._read) < size:
            if not self._more():
                raise EOFError
        taken, self._read = self._read[:size], self._read[size:]
        return taken

    def _more(self) -> bool:
        data = self.sock.recv(65536)
        self._read += data
        return bool(data)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, body: bytes = b"hello", *headers: bytes, status: bytes = b"200 OK") -> None:
        lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
        self.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)


def answers(*bodies: bytes) -> Callable[[Client], None]:
    """One for each request, then the connection is closed; without any, always hello."""

    def script(client: Client) -> None:
        if bodies:
            for body in bodies:
                if client.request():
                    client.answer(body)
        else:
            while client.request():
                client.answer()

    return script


class Asking:
    """A client and its loop."""

    def __init__(self, names: Names | None = None, **limits: Any) -> None:
        self.reports: list[str] = []
        self.loop = engine.EventLoop(self._report)
        self.names = names or Names()
        self.client = HttpClient(self.loop, Limits(**limits), self.names, self._report)  # type: ignore[arg-type]
        self._thread = threading.Thread(target=self.loop.run, daemon=True)
        self._thread.start()

    def _report(self, what: str) -> None:
        self.reports.append(f"{what}: {traceback.format_exc()}")

    def begin(self, request: Request) -> Pending:
        return Pending(self, request)

    def ask(self, origin: Origin, method: str = "GET", target: str = "/", **options: Any) -> Outcome:
        return self.begin(Request(method, origin, target, **options)).outcome()

    def in_loop(self, function: Callable[[], Any]) -> Any:
        done, result = threading.Event(), []
        self.loop.call_soon(lambda: (result.append(function()), done.set()))
        assert done.wait(PATIENCE)
        return result[0]

    def close(self) -> None:
        self.client.close()
        self.in_loop(lambda: None)
        self.loop.stop()
        self._thread.join(PATIENCE)


class Pending:
    def __init__(self, asking: Asking, request: Request) -> None:
        self._done = threading.Event()
        self._outcomes: list[Outcome] = []
        self.handle = asking.client.begin(request, self._take)

    def _take(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._done.set()

    def outcome(self) -> Outcome:
        assert self._done.wait(PATIENCE), "no outcome"
        assert len(self._outcomes) == 1
        return self._outcomes[0]


@contextlib.contextmanager
def running(
    *scripts: Callable[[Client], None], names: Names | None = None, **limits: Any
) -> Iterator[tuple[Peer, Asking]]:
    """A peer and a client; at the end nothing is left of either."""
    peer, asking = Peer(*scripts), Asking(names, **limits)
    try:
        yield peer, asking
        assert asking.reports == []
        assert peer.failures == []
    finally:
        asking.close()
        peer.close()


def until(condition: Callable[[], bool]) -> None:
    end = monotonic() + PATIENCE
    pause = threading.Event()
    while not condition():
        assert monotonic() < end
        pause.wait(0.005)
