"""A connection that begins with the PROXY protocol, until whom it is for has been said.

It stands in the engine's tables as a `Handshake` does, with the clock `header_timeout`; then the engine puts
in its place what that listener's connections are otherwise, with the client's address as its peer.

What comes behind the header is somebody else's to read, who has nothing but the socket.  So bytes are looked
at first and taken only as far as the header goes.  The loop thread.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from skitai._pure.engine.loop import READ, EventLoop
from skitai._pure.engine.proxyheader import NotAnnounced, read_header
from skitai.limits import Limits

__all__ = ["Preface", "PrefaceOwner"]

_FOREVER = float("inf")
#: Of the header, looked at in one go.
_PIECE = 512


class PrefaceOwner(Protocol):
    """The engine."""

    limits: Limits
    loop: EventLoop

    def forget(self, connection: Any) -> None: ...
    def limited(self, limit: str, text: str) -> None: ...


class Preface:
    __slots__ = ("_begun", "_is_over", "_on_read", "_owner", "_sock", "deadline", "peer")

    def __init__(
        self,
        owner: PrefaceOwner,
        sock: socket.socket,
        peer: tuple[str, int],
        on_read: Callable[[Preface, socket.socket, tuple[str, int]], None],
    ) -> None:
        """``peer``: at the other end; ``on_read(self, sock, peer)`` is called with the one it speaks for."""
        self._owner = owner
        self._sock = sock
        self._on_read = on_read
        #: What has been taken of the header.
        self._begun = b""
        self._is_over = False
        self.peer = peer
        self.deadline = monotonic() + owner.limits.header_timeout
        owner.loop.watch(sock, READ, self._on_ready)

    def _on_ready(self, events: int) -> None:
        try:
            data = self._sock.recv(_PIECE, socket.MSG_PEEK)
            if not data:
                self.close()
                return
            announced = read_header(self._begun + data)
            if announced is None:
                self._begun += self._sock.recv(len(data))
                return
            self._sock.recv(announced.size - len(self._begun))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        except NotAnnounced as error:
            self._owner.limited("proxy_protocol", f"{self.peer[0]}: {error}")
            self.close()
            return
        self._is_over = True
        self._owner.loop.unwatch(self._sock)
        self._on_read(self, self._sock, announced.peer or self.peer)

    def is_silent(self) -> bool:
        return True

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        self._owner.limited("proxy_protocol", f"{self.peer[0]} did not say in time whom it speaks for")
        self.close()

    def finish_soon(self) -> None:
        """The server stops."""
        self.close()

    def cut(self) -> None:
        """The loop has ended."""
        self._sock.close()

    def close(self) -> None:
        """Idempotent."""
        if not self._is_over:
            self._is_over = True
            self.deadline = _FOREVER
            self._owner.loop.unwatch(self._sock)
            self._sock.close()
            self._owner.forget(self)
