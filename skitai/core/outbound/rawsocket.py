"""A connected, non-blocking socket before HTTP speaks on it: a proxy is asked for a way, hands are shaken.

It has something to send, and waits for room until that has left; then it reads.

The thread of its loop.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod

from skitai._kernels import engine

__all__ = ["RawSocket"]


class RawSocket(ABC):
    __slots__ = ("_interest", "_loop", "_sock", "_unsent")

    def __init__(self, loop: engine.EventLoop, sock: socket.socket) -> None:
        self._loop = loop
        self._sock = sock
        self._unsent: bytes | memoryview = b""
        self._interest = 0

    def close(self) -> None:
        self._watch(0)
        self._sock.close()

    def _send(self) -> None:
        try:
            while self._unsent:
                self._unsent = memoryview(self._unsent)[self._sock.send(self._unsent) :]
        except (BlockingIOError, InterruptedError):
            self._watch(engine.WRITE)
            return
        except OSError as error:
            self._unsent = b""
            if not self._may_read(error):
                return
        self._watch(engine.READ)

    @abstractmethod
    def _may_read(self, error: OSError) -> bool:
        """Sending has failed.  False: so has everything, and it is closed."""

    @abstractmethod
    def _on_ready(self, events: int) -> None: ...

    def _watch(self, interest: int) -> None:
        self._interest = engine.change_watch(self._loop, self._sock, self._interest, interest, self._on_ready)
