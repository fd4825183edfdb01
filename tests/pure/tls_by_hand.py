"""Clients of TLS: one whose ciphertext goes through the test's hands, and one that is like a socket."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress

from tests.pure.certificates import client_context

__all__ = ["ByHand", "SecureClient"]


class ByHand:
    """`seal` and `open` are TLS, `raw` is the socket."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        context: ssl.SSLContext | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self.raw = socket.create_connection(address, timeout=20)
        self.incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or client_context()).wrap_bio(
            self.incoming, self._outgoing, server_hostname="test.example", session=session
        )
        self.received = bytearray()
        """ciphertext, all of it"""

    def flight(self) -> bytes:
        """The next of the handshake's that is to be sent; empty behind the last one."""
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._outgoing.read()

    def take(self) -> bool:
        """Receive some ciphertext; False at its end."""
        data = self.raw.recv(65536)
        self.received += data
        self.incoming.write(data)
        return bool(data)

    def shake_hands(self) -> bytes:
        """All of the handshake but its last flight, which is returned."""
        self.raw.sendall(self.flight())
        while not (flight := self.flight()):
            assert self.take(), "the connection ended within the handshake"
        return flight

    def finish(self) -> None:
        """What of the server's the last flight is answered with; nothing, with TLS 1.3."""
        while True:
            try:
                self.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                assert self.take(), "the connection ended within the handshake"

    def seal(self, data: bytes) -> bytes:
        self.finish()
        self.tls.write(data)
        return self._outgoing.read()

    def seal_goodbye(self) -> bytes:
        with suppress(ssl.SSLError):  # it wants the server's, and finds none, or data in front of it
            self.tls.unwrap()
        return self._outgoing.read()

    def open(self, least: int = 1) -> bytes:
        """At least so many bytes of plaintext; fewer if the server says goodbye.  AssertionError where it
        ends without."""
        plain = bytearray()
        while len(plain) < least:
            try:
                data = self.tls.read(1 << 20)
            except ssl.SSLWantReadError:
                assert self.take(), f"truncated behind {plain!r:.100}"
                continue
            except ssl.SSLZeroReturnError:  # both have said goodbye
                break
            if not data:
                break
            plain += data
        return bytes(plain)

    def rest(self) -> bytes:
        """Until the server says goodbye."""
        return self.open(1 << 62)

    def close(self) -> None:
        self.raw.close()


class SecureClient:
    """As much of a socket as tests of clear connections use; one thread may send while another receives."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._client = ByHand(address)
        self._client.raw.sendall(self._client.shake_hands())
        self._client.finish()
        self._lock = threading.Lock()

    def sendall(self, data: bytes) -> None:
        with self._lock:
            ciphertext = self._client.seal(data)
        self._client.raw.sendall(ciphertext)

    def recv(self, size: int) -> bytes:
        while True:
            try:
                with self._lock:
                    return self._client.tls.read(size)
            except ssl.SSLWantReadError:
                data = self._client.raw.recv(65536)
                if not data:
                    raise ConnectionResetError("truncated") from None
                with self._lock:
                    self._client.incoming.write(data)
            except ssl.SSLZeroReturnError:
                return b""

    def getsockname(self) -> tuple[str, int]:
        host, port = self._client.raw.getsockname()
        return host, port

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self._client.raw.setsockopt(level, option, value)

    def shutdown(self, how: int) -> None:
        with self._lock:
            goodbye = self._client.seal_goodbye()
        self._client.raw.sendall(goodbye)

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> SecureClient:
        return self

    def __exit__(self, *why: object) -> None:
        self.close()
