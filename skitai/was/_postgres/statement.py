"""What a database is asked and what came of it; what a connection to one has to offer.

Plain values, for any thread, and the interface between pools and connections.  A `Statement` is to a
database what a `Request` is to an HTTP server: the same callers, clusters and waits carry both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias

from skitai.errors import SkitaiError

__all__ = ["Connection", "ConnectionOwner", "Database", "OnRows", "Params", "Rows", "Running", "Statement"]

Params: TypeAlias = Sequence[Any] | Mapping[str, Any] | None


class Database(NamedTuple):
    """Whom connections are kept for.  ``host`` is a name, an address, or the folder of a Unix socket; of a
    cluster ``@name``.  ``dsn`` is all that libpq is told, the password too: it is never shown."""

    host: str
    port: int
    dsn: str = ""

    @property
    def authority(self) -> str:
        """What may be shown to anybody."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __repr__(self) -> str:
        return f"<Database {self.authority}>"


@dataclass(slots=True)
class Statement:
    """``sql`` and ``params`` as ``cursor.execute`` of psycopg2 takes them.

    Times are seconds; 0 is no limit.  ``deadline`` is a time of `time.monotonic`.
    """

    #: As requests have them: all of it is in memory, and nobody asks twice what may have run.
    body: ClassVar[bytes] = b""
    repeatable: ClassVar[bool] = False

    sql: Any
    origin: Database
    params: Params = None
    #: When to give up at the latest; `NetworkTimeout` says ``limit="timeout"``.
    deadline: float = float("inf")
    connect_timeout: float = 0.0
    #: More rows, or more bytes as they come from the server, are `ResponseTooLarge`.
    rows_max: int = 100_000
    response_max: int = 64 << 20
    #: It changes nothing, so it may be asked again though it may have run.
    reads_only: bool = False
    #: It may leave something behind in the session (SET, LISTEN, a lock): nobody else's statement runs beside
    #: it, and the session is reset when it has ended.
    may_change_session: bool = False


@dataclass(slots=True)
class Rows:
    """An `Outcome`: ``error``, or else what the statement gave.

    ``error`` is an exception of psycopg2's where the server or the driver has refused it, whatever an
    adapter or a type caster raised, and else a `SkitaiError`.
    """

    request: Statement
    error: BaseException | None = None
    elapsed: float = 0.0
    #: As that of a cursor; None: the statement gives no rows.
    description: Sequence[Any] | None = None
    rows: Sequence[tuple[Any, ...]] = ()
    rowcount: int = -1
    #: The connection failed, and it has certainly not run: it may be asked of another one, or another server.
    has_not_run: bool = False

    @property
    def response(self) -> Rows | None:
        """As outcomes have it: what there is without an error."""
        return self if self.error is None else None


OnRows: TypeAlias = Callable[[Rows], None]


class Running(Protocol):
    """A statement that a connection has taken."""

    def cancel(self, error: SkitaiError) -> None:
        """Nobody wants its rows: ``on_done`` is told of ``error`` at once, unless it was told already, and
        the statement ends on the server."""


class Connection(Protocol):
    """A connection that is made and can be asked, of either kind: one statement at a time, or pipelined.

    Of the loop thread, all of it.
    """

    #: How many more statements it takes now; 0 as well when it is closed.
    room: int
    #: Statements under way, those too that were given up and have not ended on the server.
    busy: int
    #: When it was last used, a time of `time.monotonic`.
    used_at: float
    #: It takes several statements at once.
    is_shared: bool

    @property
    def is_closed(self) -> bool: ...

    def run(self, statement: Statement, on_done: OnRows) -> Running:
        """Only while there is room.  ``on_done(rows)`` is called once, never before `run` has returned."""

    def close(self) -> None:
        """What is on it ends with `CallCancelled`, and what runs ends on the server, too; the owner is told
        nothing."""


class ConnectionOwner(Protocol):
    """Its pool.  Both are called after the ``on_done`` of what has ended."""

    def freed(self, connection: Any) -> None:
        """It has more room than before."""

    def lost(self, connection: Any, error: BaseException) -> None:
        """It is closed, from the other side: once, and then no more."""
