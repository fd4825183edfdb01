"""The reverse proxy for long: a hundred clients that take their time over a large body, and its memory."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from tests.live.memory import MIB, resident_of
from tests.live.program import Serve
from tests.live.test_master import workers
from tests.live.upstreams import Upstream

Nginx = Callable[..., Upstream]

CLIENTS = 100
#: Of each client.
RATE = 280 << 10
SECONDS = 30.0


class SlowClients:
    """All in one thread; each takes what its time allows."""

    def __init__(self, address: tuple[str, int], path: str) -> None:
        self.taken = dict.fromkeys(range(CLIENTS), 0)
        self.socks = [socket.create_connection(address) for _ in range(CLIENTS)]
        self._path = path

    def ask(self, path: str) -> None:
        for sock in self.socks:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())

    def warm_up(self) -> None:
        """So that connections to the member are kept: their requests do not leave their lane then."""
        self.ask(f"{self._path}/small")
        for sock in self.socks:
            sock.settimeout(20)
            while not sock.recv(65536).endswith(b"small"):
                pass

    def begin(self) -> None:
        self.ask(f"{self._path}/large")
        for sock in self.socks:
            sock.setblocking(False)
        self.began_at = monotonic()

    def pull_until(self, seconds: float) -> None:
        """As of `begin`."""
        with selectors.DefaultSelector() as selector:
            for number, sock in enumerate(self.socks):
                selector.register(sock, selectors.EVENT_READ, number)
            while (now := monotonic() - self.began_at) < seconds:
                for key, _ in selector.select(0.1):
                    if self.taken[key.data] < RATE * now:
                        self.taken[key.data] += len(self.socks[key.data].recv(32768))
                selector.select(0.005)

    def close(self) -> None:
        for sock in self.socks:
            sock.close()


@pytest.mark.soak
def test_memory_is_flat_while_a_hundred_clients_pull_a_gigabyte_each(
    serve_conf: Serve, serve_nginx: Nginx, tmp_path: Path
) -> None:
    (tmp_path / "small").write_bytes(b"small")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 30)
    member = serve_nginx(tmp_path)
    server = serve_conf(f"[@c]\nmembers = 127.0.0.1:{member.port}\n[routes:line]\n/c = @c\n")
    (worker,) = workers(server)
    clients = SlowClients(("127.0.0.1", server.port), "/c")
    try:
        clients.warm_up()
        before = resident_of(worker)
        clients.begin()
        clients.pull_until(3.0)
        early = resident_of(worker)
        clients.pull_until(SECONDS)
        late = resident_of(worker)
    finally:
        clients.close()
    print(f"{before / MIB:.1f} MiB before, {early / MIB:.1f} after 3 s, {late / MIB:.1f} after {SECONDS:g} s")
    assert min(clients.taken.values()) > RATE * SECONDS / 2
    # One read of a member for each client, and no more however long it takes.
    assert late - before < CLIENTS * (128 << 10) + 4 * MIB
