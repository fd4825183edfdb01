"""From a `Database` to a connection of psycopg2's that can be asked, made on our loop.

    RESOLVING ──▶ CONNECTING ──▶ MADE
        └─────────────┴────────▶ FAILED

libpq would look names up by itself, and block the loop with it: so they are looked up by our resolver, and
libpq is given addresses (``hostaddr``) beside the names, which it wants for certificates and passwords.  All
else of a DSN is libpq's own: Unix sockets, ``sslmode``, ``passfile``, several hosts.

libpq closes descriptors when it likes, and opens others.  What the loop watches is therefore a duplicate,
which nobody closes but us.

The loop thread.
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from skitai._kernels import engine
from skitai.core.resolver import Address, Lookup
from skitai.errors import NetworkError, NetworkTimeout
from skitai.was._postgres.driver import POLL_OK, POLL_READ, extensions, psycopg2
from skitai.was._postgres.statement import Database

__all__ = ["Connecting", "Link", "Names"]

#: Of PostgreSQL.
_PORT = "5432"
#: What libpq is told where the DSN says nothing else: a server that has vanished is noticed within a minute.
_PARAMETERS = {
    "fallback_application_name": "skitai",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}


class Names(Protocol):
    """A `Resolver`."""

    def addresses(
        self, host: str, on_done: Callable[[Sequence[Address] | NetworkError], None]
    ) -> Lookup[Address]: ...


class Link:
    """A connection of psycopg2's and its socket, as the loop watches it."""

    __slots__ = ("_events", "_loop", "connection", "sock")

    def __init__(self, loop: engine.EventLoop, connection: Any) -> None:
        self._loop = loop
        self._events = 0
        self.connection = connection
        self.sock = socket.socket(fileno=socket.dup(connection.fileno()))

    def watch(self, events: int, callback: Callable[[int], None]) -> None:
        """From now on call ``callback`` for ``events``, 0: for none."""
        if self._events and events:
            self._loop.rewatch(self.sock, events, callback)
        elif events:
            self._loop.watch(self.sock, events, callback)
        elif self._events:
            self._loop.unwatch(self.sock)
        self._events = events

    def let_go(self) -> None:
        """Of the socket: the connection has taken another one, or has ended."""
        self.watch(0, lambda events: None)
        self.sock.close()

    def close(self) -> None:
        self.let_go()
        self.connection.close()


class _Stage(enum.Enum):
    RESOLVING = "the addresses are looked up"
    CONNECTING = "libpq connects, shakes hands and says who we are"
    MADE = "it can be asked"
    FAILED = "there is none"


class Connecting:
    def __init__(
        self,
        database: Database,
        loop: engine.EventLoop,
        names: Names,
        on_made: Callable[[Connecting, Link], None],
        on_failed: Callable[[Connecting, BaseException], None],
    ) -> None:
        """``on_failed`` gets an exception of psycopg2's, or a `NetworkError`; neither is called before
        `begin` has returned."""
        self._database = database
        self._loop = loop
        self._names = names
        self._on_made = on_made
        self._on_failed = on_failed
        self._stage = _Stage.RESOLVING
        self._parameters: dict[str, str] = {}
        #: What is still to be looked up: hosts with their ports.
        self._hosts: list[tuple[str, str]] = []
        #: Host, address and port, each as often as it has addresses.
        self._places: list[tuple[str, str, str]] = []
        self._lookup: Lookup[Address] | None = None
        self._timer: engine.Timer | None = None
        self._link: Link | None = None

    def begin(self, timeout: float) -> None:
        """``timeout``: connect_timeout, in seconds; 0: none of its own."""
        if timeout:
            self._timer = self._loop.call_later(timeout, self._expire)
        self._loop.call_soon(self._begin)

    def cancel(self) -> None:
        """Nothing is told."""
        self._stage = _Stage.FAILED
        self._tidy()
        if self._lookup is not None:
            self._lookup.cancel()
        if self._link is not None:
            self._link.close()

    def _begin(self) -> None:
        if self._stage is not _Stage.RESOLVING:
            return
        try:
            self._parameters = extensions.parse_dsn(self._database.dsn)
        except psycopg2.ProgrammingError as error:
            self._fail(error)
            return
        for name, value in _PARAMETERS.items():
            self._parameters.setdefault(name, value)
        hosts = self._parameters.get("host", "").split(",")
        ports = self._parameters.get("port", _PORT).split(",")
        if "hostaddr" not in self._parameters and any(map(_is_name, hosts)):
            if len(ports) not in (1, len(hosts)):
                self._fail(psycopg2.OperationalError("there are more ports than hosts, or fewer"))
                return
            ports = ports * len(hosts) if len(ports) == 1 else ports
            self._hosts = list(zip(hosts, ports, strict=True))[::-1]
        self._look_next()

    # -- names ----------------------------------------------------------------------------------

    def _look_next(self) -> None:
        while self._hosts:
            host, port = self._hosts[-1]
            if _is_name(host):
                self._lookup = self._names.addresses(host, self._on_addresses)
                return
            self._hosts.pop()
            self._places.append((host, "", port))
        if self._places:
            hosts, addresses, ports = (",".join(parts) for parts in zip(*self._places, strict=True))
            self._parameters.update(host=hosts, hostaddr=addresses, port=ports)
        self._connect()

    def _on_addresses(self, found: Sequence[Address] | NetworkError) -> None:
        self._lookup = None
        if self._stage is not _Stage.RESOLVING:
            return
        host, port = self._hosts.pop()
        if not isinstance(found, NetworkError):
            self._places.extend((host, record.sockaddr_host, port) for record in found)
        elif not (self._hosts or self._places):
            # Not at once: whoever is told may try again, and be answered at once again.
            self._loop.call_soon(self._fail, found)
            return
        self._look_next()

    # -- the connection ---------------------------------------------------------------------------

    def _connect(self) -> None:
        self._stage = _Stage.CONNECTING
        try:
            connection = psycopg2.connect(extensions.make_dsn(**self._parameters), async_=1)
            self._link = Link(self._loop, connection)
        except (psycopg2.Error, OSError) as error:
            self._fail(error)
            return
        self._poll(0)

    def _poll(self, events: int) -> None:
        assert self._link is not None
        connection = self._link.connection
        try:
            state = connection.poll()
            link = Link(self._loop, connection)
        except (psycopg2.Error, OSError) as error:
            self._fail(error)
            return
        self._link.let_go()
        self._link = link
        if state == POLL_OK:
            self._stage = _Stage.MADE
            self._tidy()
            self._on_made(self, self._link)
        else:
            self._link.watch(engine.READ if state == POLL_READ else engine.WRITE, self._poll)

    def _expire(self) -> None:
        self._timer = None
        self._fail(
            NetworkTimeout(
                f"no connection to the database at {self._database.authority} in time: {self._stage.value}",
                limit="connect_timeout",
            )
        )

    def _fail(self, error: BaseException) -> None:
        if self._stage in (_Stage.MADE, _Stage.FAILED):
            return
        self.cancel()
        self._on_failed(self, error)

    def _tidy(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _is_name(host: str) -> bool:
    """And no folder of a socket, or an abstract one, or libpq's own choice."""
    return bool(host) and host[0] not in "/@"
