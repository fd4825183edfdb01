"""What psycopg2 does over blocking connections only: ``executemany``, ``callproc``, ``COPY``.

Each such job has a thread and a connection of its own, which is one of those that the pool may have.  It is
one transaction: committed when it has ended, rolled back when it fails or was given up.

    WAITING ──a place──▶ RUNNING, in the thread ──▶ OVER: the place is free again when the thread has ended

The loop thread, but for `Job.work`, `_Run.cancel`, `_Run.extend` and what the thread does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from skitai.errors import CallCancelled, ResponseTooLarge, SkitaiError
from skitai.was._postgres.cancelling import Canceller
from skitai.was._postgres.driver import extensions, psycopg2
from skitai.was._postgres.helpers import Helpers
from skitai.was._postgres.query import Client, Customer, Special, Stage
from skitai.was._postgres.statement import OnRows, Rows

__all__ = ["Job"]

#: Seconds after which a server is told once more that nobody wants what runs there.
_AGAIN = 0.1


@dataclass(slots=True)
class Job(Special):
    """``work(cursor)`` is called in the thread; what it leaves in the cursor is the result."""

    work: Callable[[Any], None] = lambda cursor: None

    def customer(self, client: Any, on_done: OnRows) -> _Run:
        return _Run(client, self, on_done)


class _Client(Client, Protocol):
    canceller: Canceller
    helpers: Helpers


class _Places(Protocol):
    """The pool."""

    def place_freed(self) -> None: ...


class _Run(Customer):
    __slots__ = ("_connection", "_is_given_up", "_job", "_lock", "_on_done", "_owner")

    wants_place = True

    def __init__(self, client: _Client, job: Job, on_done: OnRows) -> None:
        super().__init__(client, job.deadline, job.connect_timeout)
        self._owner = client
        self._job = job
        self._on_done: OnRows | None = on_done
        self._lock = threading.Lock()
        #: Of psycopg2, as long as it may be told to stop; only with the lock.
        self._connection: Any = None
        self._is_given_up = False

    # -- any thread -------------------------------------------------------------------------------

    def cancel(self, error: SkitaiError | None = None) -> None:
        self._owner.loop.call_soon(self.fail, error or CallCancelled("the call was cancelled"))

    def extend(self, deadline: float) -> None:
        self.deadline = deadline

    # -- the loop thread ----------------------------------------------------------------------------

    def go(self, places: _Places) -> None:
        self.stage = Stage.RUNNING
        self._owner.helpers.run(lambda: self._work(places))

    def fail(self, error: BaseException) -> None:
        if self.stage is Stage.OVER:
            return
        was_running = self.stage is Stage.RUNNING
        self._finish(Rows(self._job, error, has_not_run=not was_running))
        if was_running:
            self._is_given_up = True
            self._stop()

    def _stop(self) -> None:
        """Until the thread has ended: between two of its statements the server does not hear."""
        with self._lock:
            if self._connection is not None:
                self._owner.canceller.cancel(self._connection, self._told)

    def _told(self) -> None:
        self._owner.loop.call_later(_AGAIN, self._stop)

    def _ended(self, rows: Rows, places: _Places) -> None:
        places.place_freed()
        if self.stage is not Stage.OVER:
            self._finish(rows)

    def _finish(self, rows: Rows) -> None:
        self.leave()
        rows.elapsed = monotonic() - self._began
        on_done, self._on_done = self._on_done, None
        assert on_done is not None
        on_done(rows)

    # -- its thread -----------------------------------------------------------------------------------

    def _work(self, places: _Places) -> None:
        try:
            connection = psycopg2.connect(self._dsn())
        except Exception as error:
            rows = Rows(self._job, error, has_not_run=True)
        else:
            rows = self._use(connection)
        self._owner.loop.call_soon(self._ended, rows, places)

    def _dsn(self) -> str:
        seconds = self._job.connect_timeout
        # libpq counts whole seconds, and takes 1 for 2.
        more = {"connect_timeout": str(max(2, round(seconds)))} if seconds else {}
        dsn: str = extensions.make_dsn(self._job.origin.dsn, **more)
        return dsn

    def _use(self, connection: Any) -> Rows:
        with self._lock:
            self._connection = connection
        try:
            return self._result(connection)
        except Exception as error:
            return Rows(self._job, error)
        finally:
            with self._lock:
                self._connection = None
            connection.close()

    def _result(self, connection: Any) -> Rows:
        cursor = connection.cursor()
        if not self._is_given_up:
            self._job.work(cursor)
        most = self._job.rows_max
        if cursor.description is not None and cursor.rowcount > most:
            raise ResponseTooLarge(f"the result has {cursor.rowcount} rows, more than {most} (rows_max)")
        found = cursor.fetchall() if cursor.description is not None else ()
        if not self._is_given_up:
            connection.commit()
        return Rows(self._job, description=cursor.description, rows=found, rowcount=cursor.rowcount)
