"""Many clients at once from one thread: each asks one request on a connection of its own (Linux)."""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import time

from tests.live.program import LiveServer

__all__ = ["Crowd"]

_PATIENCE = 30.0


class Crowd:
    """``size`` connections that are made beforehand: what is measured is the waiting."""

    def __init__(self, server: LiveServer, size: int) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < size + 100:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, size + 100), hard))
        self._stack = contextlib.ExitStack()
        self._epoll = self._stack.enter_context(contextlib.closing(select.epoll()))
        self._sockets: dict[int, socket.socket] = {}
        for _ in range(size):
            sock = self._stack.enter_context(socket.create_connection((server.host, server.port)))
            self._sockets[sock.fileno()] = sock
            self._epoll.register(sock, select.EPOLLIN)

    def close(self) -> None:
        self._stack.close()

    def ask(self, target: str) -> list[float]:
        """All ask ``target``; the seconds that each has waited for its (short) answer, in order."""
        request = f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
        asked = {}
        for descriptor, sock in self._sockets.items():
            sock.sendall(request)
            asked[descriptor] = time.monotonic()
        waited = []
        deadline = time.monotonic() + _PATIENCE
        while asked:
            ready = self._epoll.poll(1.0)
            now = time.monotonic()
            assert now < deadline, f"{len(asked)} of {len(self._sockets)} got no answer"
            for descriptor, _ in ready:
                reply = self._sockets[descriptor].recv(65536)
                assert reply.startswith(b"HTTP/1.1 200 "), reply[:200]
                waited.append(now - asked.pop(descriptor))
        return sorted(waited)
