"""A connection that runs one statement at a time, by psycopg2's own asynchronous ways.

    IDLE ──run──▶ RUNNING ──its rows──▶ IDLE
                     │ given up
                     ▼
                  ENDING ──it has ended on the server, and the server was told──▶ IDLE
                     └──it does not end──▶ CLOSED        (and from all of them, when the other side closes)

While IDLE it is watched, too: a server that goes is noticed before anybody is sent there.

libpq keeps a result until it is complete.  So its bytes are counted as they come (`metering`), and its rows
before they are made objects of Python.

The loop thread.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from time import monotonic
from typing import Any

from skitai._kernels import engine
from skitai.errors import CallCancelled, ReadError, ResponseTooLarge, SkitaiError
from skitai.was._postgres.cancelling import Canceller
from skitai.was._postgres.connecting import Link
from skitai.was._postgres.driver import POLL_OK, POLL_WRITE, extensions, psycopg2
from skitai.was._postgres.metering import Meter, meter_of
from skitai.was._postgres.statement import ConnectionOwner, OnRows, Rows, Statement

__all__ = ["Exclusive"]

#: Seconds that a statement which was given up may take to end on the server.
_GRACE = 2.0
#: Seconds after which the server is told once more.
_AGAIN = 0.05
#: Rows that are made objects of Python in one turn of the loop, which has others to serve.
_ROWS_AT_ONCE = 1000
#: What libpq sends with the call that asks: a longer statement has to be sent on.
_SENT_AT_ONCE = 8000
_NO_TRANSACTION: int = extensions.TRANSACTION_STATUS_IDLE
#: Between two statements: no connection, or an answer that has not come to its end.
_BROKEN = (extensions.TRANSACTION_STATUS_UNKNOWN, extensions.TRANSACTION_STATUS_ACTIVE)


class _Stage(enum.Enum):
    IDLE = "nothing to do"
    RUNNING = "a statement is under way"
    FETCHING = "its rows are here, and are made objects"
    ENDING = "it was given up, and ends on the server"
    CLOSED = "no more"

    __hash__ = object.__hash__


_IDLE, _RUNNING, _FETCHING, _ENDING, _CLOSED = _Stage


class _Run:
    """A statement under way."""

    __slots__ = ("_connection", "began", "cursor", "meter", "on_done", "received", "rows", "statement")

    def __init__(self, connection: Exclusive, statement: Statement, on_done: OnRows) -> None:
        self._connection = connection
        self.statement = statement
        self.on_done: OnRows | None = on_done
        self.began = monotonic()
        self.cursor: Any = None
        self.rows: list[tuple[Any, ...]] = []
        #: Where the answer does not come all at once; bytes of it.
        self.meter: Meter | None = None
        self.received = 0

    def cancel(self, error: SkitaiError) -> None:
        self._connection.give_up(self, error)

    def unmeter(self) -> None:
        meter, self.meter = self.meter, None
        if meter is not None:
            meter.end()

    def end(self, rows: Rows) -> None:
        on_done, self.on_done = self.on_done, None
        if on_done is not None:
            rows.elapsed = monotonic() - self.began
            on_done(rows)


class Exclusive:
    is_shared = False

    def __init__(
        self,
        owner: ConnectionOwner,
        loop: engine.EventLoop,
        link: Link,
        canceller: Canceller,
    ) -> None:
        #: May be changed while nothing runs: whoever has the connection for himself.
        self.owner = owner
        self.room = 1
        self.busy = 0
        self.used_at = monotonic()
        self.link = link
        self._loop = loop
        self._connection = link.connection
        self._canceller = canceller
        self._stage = _IDLE
        self._run: _Run | None = None
        #: Beside ENDING: the server has not been told yet.
        self._is_telling = False
        self._timer: engine.Timer | None = None
        self._listener: Callable[[], None] | None = None
        #: Something may be left in the session that the next one must not find.
        self.is_soiled = False
        link.watch(engine.READ, self._ready)

    @property
    def is_closed(self) -> bool:
        return self._stage is _CLOSED

    @property
    def is_in_transaction(self) -> bool:
        """One has begun and has not ended, or what has happened is not known."""
        return bool(self._connection.get_transaction_status() != _NO_TRANSACTION)

    @property
    def connection(self) -> Any:
        """Of psycopg2."""
        return self._connection

    def listen(self, on_messages: Callable[[], None] | None) -> None:
        """``on_messages()`` is called when something has come while nothing runs, or beside what runs."""
        self._listener = on_messages

    # -- a statement ------------------------------------------------------------------------------

    def run(self, statement: Statement, on_done: OnRows) -> _Run:
        assert self._stage is _IDLE
        run = self._run = _Run(self, statement, on_done)
        self._stage = _RUNNING
        self.room, self.busy = 0, 1
        self.is_soiled |= statement.may_change_session
        try:
            run.cursor = cursor = self._connection.cursor()
            cursor.execute(statement.sql, statement.params)
        except Exception as error:  # of an adapter, too, which may be anybody's
            run.cursor = None  # nothing was sent: what comes now is no answer
            self._loop.call_soon(self._refused, run, error)
            return run
        if len(cursor.query) > _SENT_AT_ONCE:
            self._loop.call_soon(self._advance_run, run)
        return run

    def _refused(self, run: _Run, error: Exception) -> None:
        """By psycopg2, before anything has left; or the connection proves dead."""
        if self._run is not run:
            return
        if self._is_broken():
            run.end(Rows(run.statement, error, has_not_run=True))
            self._lose(error)
        else:
            self._finish(run, Rows(run.statement, error))

    def _ready(self, events: int) -> None:
        run = self._run
        if run is not None and run.cursor is not None and self._stage is not _FETCHING:
            self._advance(run)
        else:
            self._hear()

    def _advance_run(self, run: _Run) -> None:
        if self._run is run and self._stage in (_RUNNING, _ENDING):
            self._advance(run)

    def _advance(self, run: _Run) -> None:
        meter = run.meter
        try:
            if meter is not None:
                meter.admit()
            state = self._connection.poll()
            while meter is not None and meter.is_left():
                state = self._connection.poll()
        except Exception as error:
            if self._is_broken():
                self._lose(error)
            else:
                self._finish(run, Rows(run.statement, error))
            return
        if self._listener is not None:
            self._listener()
        if state == POLL_OK:
            self._take(run)
            return
        self.link.watch(engine.WRITE if state == POLL_WRITE else engine.READ, self._ready)
        if state != POLL_WRITE and self._stage is _RUNNING:
            self._count(run)

    def _is_broken(self) -> bool:
        """psycopg2's ``closed`` does not know of it before the next statement."""
        return self._connection.get_transaction_status() in _BROKEN

    # -- how much ---------------------------------------------------------------------------------

    def _count(self, run: _Run) -> None:
        """A part of the answer has come."""
        if run.meter is None:
            run.meter = meter_of(self.link)
            return
        run.received += run.meter.count()
        if run.received > run.statement.response_max:
            most = run.statement.response_max
            self.give_up(run, ResponseTooLarge(f"the result is longer than {most} bytes (response_max)"))
            # What has come of it is in memory as long as the connection is.
            self._lose(CallCancelled("the result was longer than is wanted"))

    # -- rows -------------------------------------------------------------------------------------

    def _take(self, run: _Run) -> None:
        """The statement has ended well."""
        run.unmeter()
        cursor = run.cursor
        if self._stage is _ENDING or cursor.description is None:
            self._finish(run, Rows(run.statement, rowcount=cursor.rowcount))
            return
        most = run.statement.rows_max
        if cursor.rowcount > most:
            error = ResponseTooLarge(f"the result has {cursor.rowcount} rows, more than {most} (rows_max)")
            self._finish(run, Rows(run.statement, error))
            return
        self._stage = _FETCHING
        self._fetch(run)

    def _fetch(self, run: _Run) -> None:
        if self._run is not run or self._stage is not _FETCHING:
            return
        cursor = run.cursor
        try:
            rows = cursor.fetchmany(_ROWS_AT_ONCE)
        except Exception as error:  # of a type caster
            self._finish(run, Rows(run.statement, error))
            return
        run.rows = run.rows + rows if run.rows else rows
        if len(run.rows) < cursor.rowcount and rows:
            self._loop.call_soon(self._fetch, run)
        else:
            self._finish(
                run,
                Rows(run.statement, description=cursor.description, rows=run.rows, rowcount=cursor.rowcount),
            )

    def _finish(self, run: _Run, rows: Rows) -> None:
        """It has ended on the server."""
        self._run = None
        run.cursor = None
        run.unmeter()
        if self._stage is _ENDING and self._is_telling:
            return  # what runs next could be hit
        run.end(rows)
        self._rest()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._stage is _CLOSED:
            return  # by whoever was told
        self._stage = _IDLE
        self.room, self.busy = 1, 0
        self.used_at = monotonic()
        self.link.watch(engine.READ, self._ready)
        self.owner.freed(self)

    # -- giving up ----------------------------------------------------------------------------------

    def give_up(self, run: _Run, error: SkitaiError) -> None:
        if self._run is not run or self._stage not in (_RUNNING, _FETCHING):
            return
        if self._stage is _FETCHING:
            self._finish(run, Rows(run.statement, error))
            return
        self._stage = _ENDING
        self._is_telling = self._canceller.cancel(self._connection, self._told)
        self._timer = self._loop.call_later(_GRACE if self._is_telling else 0.0, self._overstay)
        run.end(Rows(run.statement, error))

    def _told(self) -> None:
        self._is_telling = False
        if self._stage is not _ENDING:
            return
        if self._run is None:
            self._rest()
        else:
            # The server may not have begun when it was told, and then it has not heard.
            self._loop.call_later(_AGAIN, self._tell_again)

    def _tell_again(self) -> None:
        if self._stage is _ENDING and self._run is not None and not self._is_telling:
            self._is_telling = self._canceller.cancel(self._connection, self._told)

    def _overstay(self) -> None:
        self._timer = None
        if self._stage is _ENDING:
            self._lose(CallCancelled("a statement was given up and did not end on the server"))

    # -- the end --------------------------------------------------------------------------------------

    def _hear(self) -> None:
        """While nothing runs: a notice, a notification, or the end."""
        try:
            self._connection.poll()
        except psycopg2.Error as error:
            self._lose(error)
            return
        if self._connection.closed:
            self._lose(ReadError("the server has closed the connection"))
        elif self._listener is not None:
            self._listener()

    def _lose(self, error: BaseException) -> None:
        if self._stage is _CLOSED:
            return
        run = self._shut()
        if run is not None:
            run.end(Rows(run.statement, error))
        self.owner.lost(self, error)

    def close(self) -> None:
        if self._stage is not _CLOSED:
            if self._stage is _RUNNING:
                self._canceller.cancel(self._connection)
            run = self._shut()
            if run is not None:
                run.end(Rows(run.statement, CallCancelled("the connection was closed")))

    def _shut(self) -> _Run | None:
        self._stage = _CLOSED
        self.room = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        run, self._run = self._run, None
        if run is not None:
            run.cursor = None
            run.unmeter()
        self.link.close()
        return run

    def release(self) -> Link:
        """Give the connection away, which is idle: this is one no more."""
        assert self._stage is _IDLE
        self._stage = _CLOSED
        self.room = 0
        self.link.watch(0, self._ready)
        return self.link
