"""A server that passes requests on, and members that a test plays itself: byte by byte, over real sockets."""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from skitai import was
from skitai._kernels import engine
from skitai.core.bodies import Spool
from skitai.core.config import ClusterTarget, load
from skitai.core.coroutines import Coroutines
from skitai.core.forwarded import TrustedProxies
from skitai.core.plans import ListenerInfo
from skitai.core.requestnotes import RequestNotes
from skitai.core.routes import RouteTable
from skitai.core.service import HttpService
from skitai.counters import MountSlots, private_row
from skitai.proxy import ClusterRelay
from skitai.was._reach import Reach, Surroundings
from tests.pure.certificates import Unnamed, client_context, server_context

__all__ = ["WARM", "Client", "Member", "ProxyWorld", "proxying"]

PATIENCE = 20.0


class Words:
    """In the place of the logs."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.requests: queue.Queue[tuple[Any, ...]] = queue.Queue()
        self.wsgi_errors = None

    def server(self, text: str, kind: str = "info") -> None:
        self.lines.append(text)

    app_warning = app = server

    def request(self, record: tuple[Any, ...]) -> None:
        self.requests.put(record)

    def trace(self, what: str) -> None:
        self.lines.append(f"{what}\n{traceback.format_exc()}")

    trace_app = trace


class Talk:
    """One connection, read with a limit of time."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(PATIENCE)
        self.received = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def until(self, end: bytes) -> bytes:
        """All up to ``end``, and with it."""
        while end not in self.received:
            data = self.sock.recv(65536)
            assert data, f"the connection ended with {self.received!r}"
            self.received += data
        before, _, self.received = self.received.partition(end)
        return before + end

    def exactly(self, size: int) -> bytes:
        while len(self.received) < size:
            data = self.sock.recv(65536)
            assert data, f"the connection ended with {self.received!r}"
            self.received += data
        found, self.received = self.received[:size], self.received[size:]
        return found

    def head(self) -> bytes:
        return self.until(b"\r\n\r\n")

    def rest(self) -> bytes:
        """Everything until the end.  Raises ConnectionResetError."""
        while data := self.sock.recv(65536):
            self.received += data
        found, self.received = self.received, b""
        return found

    def is_silent(self) -> bool:
        self.sock.settimeout(0.2)
        try:
            return not self.sock.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(PATIENCE)

    def close(self) -> None:
        self.sock.close()


class Client(Talk):
    def get(self, target: str = "/", extra: str = "") -> None:
        self.send(f"GET {target} HTTP/1.1\r\nHost: site\r\n{extra}\r\n".encode())


class Member:
    """A listening socket."""

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.name = f"127.0.0.1:{self.listener.getsockname()[1]}"
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            self.listener.listen()
            self.name = f"unix:{path}"
        self.listener.settimeout(PATIENCE)
        #: Connections that the server keeps.
        self.kept: list[socket.socket] = []

    def accept(self) -> Talk:
        """The next connection on which the server asks something."""
        while True:
            ready = select.select([*self.kept, self.listener], [], [], self.listener.gettimeout())[0]
            if not ready:
                raise TimeoutError("the server has not asked")
            if ready[0] is self.listener:
                return Talk(self.listener.accept()[0])
            self.kept.remove(ready[0])
            with contextlib.suppress(ConnectionResetError):
                if ready[0].recv(1, socket.MSG_PEEK):
                    return Talk(ready[0])
            ready[0].close()

    def is_left_alone(self) -> bool:
        self.listener.settimeout(0.2)
        try:
            self.listener.accept()[0].close()
        except TimeoutError:
            return True
        finally:
            self.listener.settimeout(PATIENCE)
        return False

    def close(self) -> None:
        self.listener.close()
        for sock in self.kept:
            sock.close()


class ProxyWorld:
    """``secure``: clients speak TLS with it."""

    def __init__(self, text: str, *, secure: bool = False) -> None:
        self.secure = secure
        settings = load(None, text=text, base=Path.cwd())
        assert settings.problems == ()
        self.words = Words()
        limits = settings.limits
        table = RouteTable.of(settings)
        self.executor = engine.make_executor(1, limits, pytest.fail)
        self.coroutines = Coroutines(limits.coroutines_max, pytest.fail)
        self.reach: Reach | None = None
        service = HttpService(
            table,
            {},
            {},
            limits=limits,
            threads=1,
            processes=1,
            executor=self.executor,
            coroutines=self.coroutines,
            spool=Spool(None, 1 << 20),
            proxies=TrustedProxies(settings.server.trusted_proxies),
            notes=RequestNotes(settings.server.request_id, settings.server.log_fields, TrustedProxies(())),
            logs=self.words,  # type: ignore[arg-type]  # a stand-in
            access_log=True,
            debug=False,
            binding=was.BINDING,
            counts=private_row(),
            mounts=MountSlots(),
            on_worn=lambda: None,
            relays={
                mount: ClusterRelay(mount, str(mount.target), limits, self._reach_of)
                for mount in table.mounts
                if isinstance(mount.target, ClusterTarget)
            },
        )
        self.engine = engine.Engine(service, limits, self.words.trace, private_row())
        self.around = Surroundings(
            self.engine.loop, self.words.trace, self.words.server, limits, clusters=settings.clusters
        )
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = listener.getsockname()
        info = ListenerInfo("https" if secure else "http", ("127.0.0.1", 80))
        self.engine.listen(listener, info, Unnamed(server_context) if secure else None)
        self.thread = threading.Thread(target=self.engine.run, daemon=True)
        self.thread.start()

    def _reach_of(self) -> Reach:
        if self.reach is None:
            self.reach = Reach(self.around)
        return self.reach

    def client(self) -> Client:
        sock = socket.create_connection(self.address)
        if self.secure:
            sock = client_context().wrap_socket(sock, server_hostname="test.example")
        return Client(sock)

    def logged(self) -> tuple[Any, ...]:
        """The next access line's record."""
        return self.words.requests.get(timeout=PATIENCE)

    def stop(self) -> None:
        if self.reach is not None:
            self.reach.close(1.0)
        self.coroutines.stop(0)
        self.engine.stop()
        self.executor.stop()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        assert not [line for line in self.words.lines if "Traceback" in line]


#: Whether the server keeps a connection to each member before a test begins: then plain requests do not leave
#: their lane.
WARM: ContextVar[bool] = ContextVar("WARM", default=False)


def warm_up(world: ProxyWorld, members: Sequence[Member], path: str) -> None:
    clients: list[Client] = []
    asked: dict[Member, list[Talk]] = {member: [] for member in members}
    while not all(asked.values()):
        clients.append(world.client())
        clients[-1].get(path)
        by_listener = {member.listener: member for member in members}
        ready = select.select(list(by_listener), [], [], PATIENCE)[0]
        assert ready, "no member was asked"
        member = by_listener[ready[0]]
        asked[member].append(member.accept())
    for member, talks in asked.items():
        for talk in talks:
            talk.head()
            talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            member.kept.append(talk.sock)
    for client in clients:
        client.head()
        assert client.exactly(2) == b"ok"
        world.logged()
        client.close()


@contextmanager
def proxying(
    *members: Member,
    server: str = "",
    cluster: str = "",
    mount: str = "",
    path: str = "/",
    secure: bool = False,
) -> Iterator[ProxyWorld]:
    """A server whose ``path`` leads to ``members``, with more lines of its sections."""
    text = f"[server]\n{server}\n[@c]\nmembers = {_names(members)}\n{cluster}\n[routes:line]\n{path} = @c\n"
    if mount:
        text += f"[mount {path}]\n{mount}\n"
    world = ProxyWorld(text, secure=secure)
    try:
        if WARM.get() and all(member.listener.fileno() >= 0 for member in members):
            warm_up(world, members, path)
        yield world
    finally:
        world.stop()
        for member in members:
            member.close()


def _names(members: Sequence[Member]) -> str:
    return ", ".join(member.name for member in members)
