"""Servers that misbehave: the other side of `tests.live.abusers`.

    with BadPeer(behave) as peer:
        ...                                         # ask peer.url
    peer.requests, peer.connections, peer.open      # what it has seen

``behave`` is a function of one `Connection`, which runs in a thread of its own and may block: it ends with
the client, for then every method raises OSError, or when the peer is closed.  What is sent without an end
has one: a client that takes `PATIENCE` of it is wrong, and `BadPeer.close` says so.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TypeAlias

__all__ = ["PATIENCE", "BadPeer", "Behaviour", "Connection"]

#: Bytes of something endless that no client may take.
PATIENCE = 256 << 20

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


class Connection:
    """One client."""

    def __init__(self, sock: socket.socket, requests: deque[bytes], closing: threading.Event) -> None:
        self.sock = sock
        self._requests = requests
        self._closing = closing
        self._received = b""

    def head(self) -> bytes:
        """The next head; its body is left to be read."""
        while b"\r\n\r\n" not in self._received:
            self._receive()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        self._requests.append(head)
        return head

    def request(self) -> bytes:
        """The next head, its body read and thrown away."""
        head = self.head()
        length = _LENGTH.search(head)
        if length:
            while len(self._received) < int(length[1]):
                self._receive()
            self._received = self._received[int(length[1]) :]
        elif _CHUNKED.search(head):
            while b"0\r\n\r\n" not in self._received:
                self._receive()
            self._received = self._received.partition(b"0\r\n\r\n")[2]
        return head

    def _receive(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the client has closed")
        self._received += data

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def flood(self, block: bytes, most: int = PATIENCE) -> None:
        """``block`` again and again."""
        for _ in range(most // len(block)):
            self.send(block)
        raise AssertionError(f"the client took {most} bytes of {block[:20]!r}...")

    def drip(self, data: bytes, seconds: float) -> None:
        """Byte by byte, one each ``seconds``."""
        for byte in data:
            self.send(bytes([byte]))
            self.rest(seconds)

    def rest(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise ConnectionError("the peer is being closed")

    def wait_for_end(self) -> None:
        """Until the client closes; what it sends is not read."""
        poll = select.poll()
        poll.register(self.sock, select.POLLRDHUP)
        while not poll.poll(0):
            self.rest(0.01)

    def reset(self) -> None:
        """RST, in place of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Behaviour: TypeAlias = Callable[[Connection], None]


class BadPeer:
    """Listens from now on; with a ``context`` it shakes hands before it behaves as it does."""

    def __init__(
        self, behave: Behaviour, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._behave = behave
        self._context = context
        self._listener = socket.create_server((host, 0), backlog=1024)
        self._closing = threading.Event()
        self._failures: list[BaseException] = []
        self._lock = threading.Lock()
        self._clients: dict[threading.Thread, socket.socket] = {}
        self.host, self.port = host, self._listener.getsockname()[1]
        self.connections = 0
        self.requests: deque[bytes] = deque(maxlen=1000)
        """the last heads that came, of all connections"""
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://{self.host}:{self.port}"

    @property
    def open(self) -> int:
        """Connections that the client has not let go of, as far as the behaviour has seen it."""
        with self._lock:
            return len(self._clients)

    def __enter__(self) -> BadPeer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Raises what a behaviour raised: AssertionError of a client that took what nobody should take."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._listener.close()
        self._acceptor.join(5)
        with self._lock:
            clients = dict(self._clients)
        for thread, sock in clients.items():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                sock.shutdown(socket.SHUT_RDWR)
            thread.join(5)
        if self._failures:
            raise self._failures[0]

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            with self._lock:
                self.connections += 1
                self._clients[thread] = sock
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        thread = threading.current_thread()
        try:
            with contextlib.suppress(OSError):  # the client has left
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context:
                    sock = self._context.wrap_socket(sock, server_side=True)
                    with self._lock:
                        self._clients[thread] = sock
                self._behave(Connection(sock, self.requests, self._closing))
        except BaseException as error:
            self._failures.append(error)
        finally:
            sock.close()
            with self._lock:
                del self._clients[thread]
