"""Statements without a server of ours: a loop in a thread, a client on it, and who waits for rows."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from skitai._kernels import engine
from skitai._waiting import Future
from skitai.core.resolver import Resolver, ResolverOptions
from skitai.limits import Limits
from skitai.was._postgres.client import PostgresClient
from skitai.was._postgres.statement import Database, Rows, Statement
from tests.postgres import Postgres

__all__ = ["Asked", "Asking", "asking", "eventually"]


class Asked:
    """One statement on its way."""

    def __init__(self, asking: Asking, statement: Statement) -> None:
        self._rows: list[Rows] = []
        self._done = Future()
        self.handle = asking.client.begin(statement, self._take)

    def _take(self, rows: Rows) -> None:
        self._rows.append(rows)
        self._done.complete()

    @property
    def is_over(self) -> bool:
        return bool(self._rows)

    def rows(self, seconds: float = 10.0) -> Rows:
        self._done.wait(seconds)
        assert len(self._rows) == 1
        return self._rows[0]


class Asking:
    def __init__(self, dsn: str, host: str, port: int, **limits: Any) -> None:
        self.errors: list[str] = []
        self.loop = engine.EventLoop(self._report)
        self.limits = Limits(**limits)
        resolver = Resolver(self.loop, ResolverOptions(self.limits, ()), self.errors.append)
        self.client = PostgresClient(self.loop, self.limits, resolver)
        self.database = Database(host, port, dsn)
        self._thread = threading.Thread(target=self.loop.run, daemon=True)
        self._thread.start()

    def _report(self, what: str) -> None:
        self.errors.append(f"{what}: {traceback.format_exc()}")

    def begin(self, sql: Any, params: Any = None, *, seconds: float = 10.0, **options: Any) -> Asked:
        deadline = time.monotonic() + seconds
        options = {"rows_max": self.limits.db_rows_max, "response_max": self.limits.db_response_max} | options
        return Asked(self, Statement(sql, self.database, params, deadline, 5.0, **options))

    def ask(self, sql: Any, params: Any = None, **options: Any) -> Rows:
        return self.begin(sql, params, **options).rows()

    def give(self, sql: Any, params: Any = None, **options: Any) -> list[tuple[Any, ...]]:
        rows = self.ask(sql, params, **options)
        if rows.error is not None:
            raise rows.error
        return list(rows.rows)

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.snapshot()["databases"][0]
        return found

    def end(self) -> None:
        self.client.close()
        self.loop.call_soon(self.loop.stop)
        self._thread.join(10)
        assert self.errors == []


@contextmanager
def asking(server: Postgres, **limits: Any) -> Iterator[Asking]:
    world = Asking(server.dsn, server.host, server.port, **limits)
    try:
        yield world
    finally:
        world.end()


def eventually(what: Callable[[], Any], seconds: float = 5.0) -> None:
    """``what()`` becomes true."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        time.sleep(0.01)
