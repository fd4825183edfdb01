"""What others do where `benchmarks.querying` calls `was.db`; `benchmarks.clients` serves them.

Both run as many tasks as are at once on uvloop, each of which waits for a connection, asks, and waits for the
rows.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.databases import ROWS, STATEMENT

__all__ = ["DATABASE_CLIENTS"]


class _OnUvloop:
    def __init__(self, package: str, connections: int) -> None:
        self._package = importlib.import_module(package)
        self._connections = connections
        self._loop = importlib.import_module("uvloop").new_event_loop()
        self._is_ready = False

    def __call__(self, url: str, count: int, at_once: int) -> int:
        return int(self._loop.run_until_complete(self._ask_all(url, count, at_once)))

    async def _ask_all(self, url: str, count: int, at_once: int) -> int:
        if not self._is_ready:
            await self._connect(url)
            self._is_ready = True
        numbers = iter(range(count))
        return sum(await asyncio.gather(*(self._work(numbers) for _ in range(at_once))))

    async def _work(self, numbers: Iterator[int]) -> int:
        received = 0
        for number in numbers:
            rows = await self._ask(number % ROWS + 1)
            if rows[0][0] != number % ROWS + 1:
                raise RuntimeError("the row of another statement")
            received += len(rows)
        return received

    async def _connect(self, url: str) -> None:
        raise NotImplementedError

    async def _ask(self, number: int) -> Any:
        raise NotImplementedError


class ByAsyncpg(_OnUvloop):
    """Its pool; it prepares the statement by itself, once for each connection."""

    def __init__(self, connections: int) -> None:
        super().__init__("asyncpg", connections)
        self._pool: Any = None

    async def _connect(self, url: str) -> None:
        size = self._connections
        self._pool = await self._package.create_pool(url, min_size=size, max_size=size)

    async def _ask(self, number: int) -> Any:
        return await self._pool.fetch(STATEMENT.format("$1"), number)


class ByPsycopg2(_OnUvloop):
    """Asynchronous connections, one statement at a time on each; their sockets are watched all the time."""

    def __init__(self, connections: int) -> None:
        super().__init__("psycopg2", connections)
        self._idle: asyncio.LifoQueue[Any] = asyncio.LifoQueue()

    async def _connect(self, url: str) -> None:
        for _ in range(self._connections):
            connection = self._package.connect(url, async_=1)
            while connection.poll() != self._package.extensions.POLL_OK:
                await asyncio.sleep(0.001)
            waiter = _Waiter(connection, self._loop, self._package.extensions.POLL_OK)
            self._loop.add_reader(connection.fileno(), waiter.advance)
            self._idle.put_nowait(waiter)

    async def _ask(self, number: int) -> Any:
        waiter = await self._idle.get()
        try:
            return await waiter.ask(STATEMENT.format("%s"), (number,))
        finally:
            self._idle.put_nowait(waiter)


class _Waiter:
    def __init__(self, connection: Any, loop: asyncio.AbstractEventLoop, done: int) -> None:
        self._connection = connection
        self._loop = loop
        self._done = done
        self._waiting: asyncio.Future[None] | None = None

    async def ask(self, text: str, params: tuple[Any, ...]) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(text, params)
            self._waiting = self._loop.create_future()
            await self._waiting
            return cursor.fetchall()

    def advance(self) -> None:
        if self._connection.poll() == self._done and self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.set_result(None)


def _was() -> Any:
    return importlib.import_module("benchmarks.querying").by_was


#: By the name that the command line has for them, with the number of connections.
DATABASE_CLIENTS: dict[str, Callable[[], Any]] = {
    "asyncpg-4": partial(ByAsyncpg, 4),
    "asyncpg-10": partial(ByAsyncpg, 10),
    "psycopg2-2": partial(ByPsycopg2, 2),
    "psycopg2-4": partial(ByPsycopg2, 4),
    "was.db": _was,
}
