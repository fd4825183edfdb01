"""A connection that somebody has for himself for a while: what he asks runs one after the other.

    WAITING ──a connection──▶ RUNNING: BEGIN, then steps ──COMMIT, ROLLBACK, given up, too late──▶ OVER

Whatever ends it, the connection goes back to its pool, and the pool rolls back what is still open there
(`Pool.freed`): so nothing is ever left idle in a transaction.  What is running at that moment is ended on the
server, what waits is not done.

The loop thread, but for `take`, `cancel` and `extend`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from skitai.errors import CallCancelled, NetworkTimeout, SkitaiError
from skitai.was._postgres.driver import extensions
from skitai.was._postgres.exclusive import Exclusive
from skitai.was._postgres.query import Client, Customer, Query, Special, Stage
from skitai.was._postgres.statement import OnRows, Rows, Running, Statement

__all__ = ["Holder", "Opening", "Session", "Step"]

_HAS_FAILED: int = extensions.TRANSACTION_STATUS_INERROR


class Holder:
    """Who wants a session, in his own thread.  Each side writes one of the two and then reads the other, so a
    session that comes when nobody waits for it any more is always seen by one of them."""

    __slots__ = ("is_gone", "session")

    def __init__(self) -> None:
        self.session: Session | None = None
        self.is_gone = False


@dataclass(slots=True)
class Opening(Special):
    """What a session begins with; it is over at ``until``, a time of `time.monotonic`."""

    holder: Holder = field(default_factory=Holder)
    until: float = float("inf")

    def customer(self, client: Client, on_done: OnRows) -> Session:
        return Session(client, self, on_done)


class _Pool(Protocol):
    def want(self, customer: Any) -> None: ...
    def leave(self, customer: Any) -> None: ...
    def give_back(self, connection: Exclusive) -> None: ...
    def lost(self, connection: Exclusive, error: BaseException) -> None: ...


class Step(Query):
    """One statement of a session; ``ends`` it when it has ended."""

    __slots__ = ("_session", "ends")

    def __init__(self, client: Client, statement: Statement, on_done: OnRows, session: Session) -> None:
        super().__init__(client, statement, on_done, may_share=False)
        self._session = session
        self.ends = False

    def _ended(self, rows: Rows) -> None:
        rows.has_not_run = False  # elsewhere it would be no part of this
        if rows.error is not None:
            self._session.failure = rows.error
        if self.ends:
            self._session.is_over_soon()
        super()._ended(rows)


class Session(Customer):
    __slots__ = (
        "_connection",
        "_error",
        "_on_done",
        "_opening",
        "_running",
        "_steps",
        "failure",
    )

    _pool: _Pool

    def __init__(self, client: Client, opening: Opening, on_done: OnRows) -> None:
        super().__init__(client, opening.deadline, opening.connect_timeout)
        self._opening = opening
        #: Until it is there, or will not be.
        self._on_done: OnRows | None = on_done
        self._connection: Exclusive | None = None
        #: The first statement, or the step that runs.
        self._running: Running | Step | None = None
        self._steps: deque[Step] = deque()
        #: Why the last step failed that did.
        self.failure: BaseException | None = None
        #: What later steps are told.
        self._error: BaseException = CallCancelled("the transaction has ended")

    # -- any thread -------------------------------------------------------------------------------

    def take(self, statement: Statement, on_done: OnRows, ends: bool = False) -> Step:
        """The next one; ``ends``: COMMIT or ROLLBACK."""
        step = Step(self._client, statement, on_done, self)
        step.ends = ends
        self._client.loop.call_soon(self._enter, step)
        return step

    def cancel(self, error: SkitaiError | None = None) -> None:
        self._client.loop.call_soon(self.fail, error or CallCancelled("the transaction was given up"))

    def extend(self, deadline: float) -> None:
        if self._on_done is not None:
            self.deadline = deadline

    # -- it comes: `Customer` -----------------------------------------------------------------------

    def go(self, connection: Exclusive) -> None:
        self.stage = Stage.RUNNING
        connection.owner = self
        self._connection = connection
        self._running = connection.run(self._opening, self._begun)

    def _begun(self, rows: Rows) -> None:
        self._running = None
        if self.stage is Stage.OVER:
            return
        if rows.error is not None:
            self._end(rows.error, rows.has_not_run)
            return
        holder = self._opening.holder
        holder.session = self
        self.deadline = self._opening.until
        self._client.look_at(self.deadline)
        on_done, self._on_done = self._on_done, None
        assert on_done is not None
        on_done(rows)
        if holder.is_gone:
            self.fail(CallCancelled("nobody waits for the transaction"))

    # -- steps: what `Query` wants of a pool ----------------------------------------------------------

    def _enter(self, step: Step) -> None:
        if not step.is_over and self._client.admit(step):
            step.begin(self)

    def want(self, step: Step) -> None:
        if self.stage is Stage.OVER:
            step.fail(self._error)
            return
        self._steps.append(step)
        self._go_on()

    def leave(self, customer: Any = None) -> None:
        """A step, which is given up; or this session."""
        if customer is None:
            super().leave()
        elif customer in self._steps:
            self._steps.remove(customer)

    def _go_on(self) -> None:
        connection = self._connection
        if not self._steps or connection is None or not connection.room:
            return
        step = self._running = self._steps.popleft()
        if step.ends and connection.connection.get_transaction_status() == _HAS_FAILED:
            # To COMMIT the server would say that all is well, and roll back.
            self._end(self.failure or CallCancelled("a statement of the transaction was given up"))
            return
        step.go(connection)

    def is_over_soon(self) -> None:
        """Its last step has ended: it is over when the connection is free."""
        self._running = None
        self._end(self._error)

    # -- the end ----------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        if self._on_done is not None:
            super().expire(now)
            return
        text = f"the transaction did not end within {now - self._began:.3g} s, and was rolled back"
        self.fail(NetworkTimeout(text, limit="timeout"))

    def fail(self, error: BaseException) -> None:
        if self.stage is not Stage.OVER:
            self._end(error, has_not_run=self._connection is None)

    def _end(self, error: BaseException, has_not_run: bool = False) -> None:
        self._error = error
        self.leave()
        running, self._running = self._running, None
        if isinstance(running, Step):
            running.fail(error)
        elif running is not None:
            running.cancel(CallCancelled("the transaction was given up"))
        while self._steps:
            self._steps.popleft().fail(error)
        on_done, self._on_done = self._on_done, None
        if on_done is not None:
            on_done(Rows(self._opening, error, has_not_run=has_not_run))
        connection = self._connection
        if connection is not None and connection.room:
            self._give_back(connection)

    def _give_back(self, connection: Exclusive) -> None:
        self._connection = None
        self._pool.give_back(connection)

    # -- `ConnectionOwner` ----------------------------------------------------------------------------------

    def freed(self, connection: Exclusive) -> None:
        if self.stage is Stage.OVER:
            self._give_back(connection)
        else:
            self._go_on()

    def lost(self, connection: Exclusive, error: BaseException) -> None:
        self._connection = None
        self._pool.lost(connection, error)
        self.fail(error)
