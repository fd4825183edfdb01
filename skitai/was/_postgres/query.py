"""One statement on its way, and who else wants a connection.

    WAITING ──a connection──▶ RUNNING ──its rows──▶ OVER
       ▲                         │
       └── the connection was ───┘
           dead, and it has certainly not run

The loop thread, but for `cancel` and `extend`.
"""

from __future__ import annotations

import enum
from time import monotonic
from typing import Any, Protocol

from skitai._kernels import engine
from skitai.errors import CallCancelled, NetworkTimeout, SkitaiError
from skitai.was._postgres.statement import Connection, OnRows, Rows, Running, Statement

__all__ = ["Client", "Connections", "Customer", "Query", "Special", "Stage"]

_FOREVER = float("inf")


class Client(Protocol):
    """`PostgresClient`."""

    loop: engine.EventLoop

    def admit(self, customer: Any) -> bool: ...
    def look_at(self, due: float) -> None: ...
    def done(self, customer: Any) -> None: ...
    def note(self, statement: Statement, seconds: float) -> None: ...


class Special(Statement):
    """A statement that is more than a `Query`."""

    __slots__ = ()

    def customer(self, client: Client, on_done: OnRows) -> Any:
        """A `Customer` with `Query.cancel` and `Query.extend`."""
        raise NotImplementedError


class Connections(Protocol):
    """The pool of a database."""

    def want(self, customer: Any) -> None: ...
    def leave(self, customer: Any) -> None: ...


class Stage(enum.Enum):
    WAITING = "for a connection"
    RUNNING = "it has one"
    OVER = "nobody waits for it any more"

    __hash__ = object.__hash__


class Customer:
    """Who waits for a connection, until ``due``.  `go` and `fail` are called by the pool."""

    __slots__ = ("_began", "_client", "_pool", "connect_timeout", "deadline", "may_share", "stage")

    #: It connects by itself, and wants to be counted.
    wants_place = False

    def __init__(
        self, client: Client, deadline: float, connect_timeout: float = 0.0, may_share: bool = False
    ) -> None:
        """``may_share``: it may be given a connection that others use beside it."""
        self._client = client
        self._began = monotonic()
        self._pool: Connections | None = None
        self.deadline = deadline
        self.connect_timeout = connect_timeout
        self.may_share = may_share
        self.stage = Stage.WAITING

    @property
    def is_over(self) -> bool:
        return self.stage is Stage.OVER

    @property
    def due(self) -> float:
        return _FOREVER if self.stage is Stage.OVER else self.deadline

    def begin(self, pool: Connections) -> None:
        self._pool = pool
        pool.want(self)

    def go(self, connection: Any) -> None:
        """``connection``, which has room, is ours."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """It was given no connection, or is given up; nothing if it is over."""
        raise NotImplementedError

    def expire(self, now: float) -> None:
        """``due`` has passed."""
        waited = now - self._began
        if self.stage is Stage.WAITING:
            text = f"no connection to the database was free within {waited:.3g} s"
        else:
            text = f"the statement did not end within {waited:.3g} s"
        self.fail(NetworkTimeout(text, limit="timeout"))

    def leave(self) -> None:
        """It is over: nothing more is waited for."""
        if self.stage is Stage.WAITING and self._pool is not None:
            self._pool.leave(self)
        self.stage = Stage.OVER
        self._client.done(self)


class Query(Customer):
    """Who waits for the rows of one statement."""

    __slots__ = ("_given", "_on_done", "_running", "_was_repeated", "statement")

    def __init__(self, client: Client, statement: Statement, on_done: OnRows, may_share: bool) -> None:
        super().__init__(client, statement.deadline, statement.connect_timeout, may_share)
        self._on_done: OnRows | None = on_done
        self._running: Running | None = None
        self._was_repeated = False
        #: When it was given a connection for itself; 0: it shares one.
        self._given = 0.0
        self.statement = statement

    # -- any thread -------------------------------------------------------------------------------

    def cancel(self, error: SkitaiError | None = None) -> None:
        self._client.loop.call_soon(self.fail, error or CallCancelled("the call was cancelled"))

    def extend(self, deadline: float) -> None:
        # Looked at again when it seems to have passed.
        self.statement.deadline = self.deadline = deadline

    # -- the loop thread --------------------------------------------------------------------------

    def go(self, connection: Connection) -> None:
        self.stage = Stage.RUNNING
        self._given = 0.0 if connection.is_shared else monotonic()
        self._running = connection.run(self.statement, self._ended)

    def _ended(self, rows: Rows) -> None:
        self._running = None
        if self.stage is Stage.OVER:
            return
        if self._given:
            self._client.note(self.statement, monotonic() - self._given)
        if rows.error is not None and rows.has_not_run and not self._was_repeated:
            self._was_repeated = True
            self.stage = Stage.WAITING
            assert self._pool is not None
            self._pool.want(self)
            return
        self._finish(rows)

    def fail(self, error: BaseException) -> None:
        if self.stage is Stage.OVER:
            return
        running, self._running = self._running, None
        self._finish(Rows(self.statement, error, has_not_run=running is None))
        if running is not None:
            assert isinstance(error, SkitaiError)
            running.cancel(error)

    def _finish(self, rows: Rows) -> None:
        self.leave()
        rows.elapsed = monotonic() - self._began
        # Whoever is told may hold us, and would wait for the collector.
        on_done, self._on_done = self._on_done, None
        assert on_done is not None
        on_done(rows)
