"""Notifications, as a handler hears them.

    with was.db("@mydb").listen("jobs") as notices:
        for notice in notices:
            print(notice.payload)

The loop thread hears them (`skitai.was._postgres.listening`) and puts them here; one handler's thread takes
them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from time import monotonic
from types import TracebackType
from typing import Any

from skitai._waiting import Future
from skitai.errors import WaitTimeout
from skitai.was._awaiting import until_done
from skitai.was._postgres.client import PostgresClient
from skitai.was._postgres.listening import Notice
from skitai.was._postgres.statement import Database

__all__ = ["Notices"]

#: That are kept for who does not take them; then the oldest are dropped.
_MOST = 10_000
#: Bytes of a name, PostgreSQL's NAMEDATALEN: it would take the beginning of a longer one for it.
_NAME_MAX = 63


class Notices:
    """An `Ear`."""

    def __init__(
        self,
        client: PostgresClient,
        database: Database,
        channel: Any,
        on_notice: Callable[[Notice], None] | None,
        timeout: float,
    ) -> None:
        """``on_notice(notice)`` is called in the loop thread, which it must not keep; nothing is kept then.
        ``timeout``: seconds until the server listens.

        Raises ValueError: it is no name of a channel."""
        if not isinstance(channel, str) or not 0 < len(channel.encode()) <= _NAME_MAX or "\0" in channel:
            raise ValueError(f"a channel has a name of 1 to {_NAME_MAX} bytes, not {channel!r}")
        self.channel: str = channel
        #: Notifications that were dropped because nobody took them.
        self.dropped = 0
        #: How often the connection was lost: each time something may not have been heard.
        self.gaps = 0
        self._client = client
        self._database = database
        self._on_notice = on_notice
        self._timeout = timeout
        self._lock = threading.Lock()
        self._notices: deque[Notice] = deque(maxlen=_MOST)
        self._came = Future()
        self._heard = Future()
        self._is_heard = False
        self._is_closed = False

    # -- the handler's thread -----------------------------------------------------------------------

    def __enter__(self) -> Notices:
        """From now on nothing is missed.  Raises why nobody can listen there."""
        self._client.listen(self, self._database)
        try:
            self._heard.wait(self._timeout)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Notices:
        self._client.listen(self, self._database)
        try:
            if not await until_done(self._heard, self._timeout):
                raise WaitTimeout(f"the database did not listen within {self._timeout:g} s")
            self._heard.wait(0)
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def getwait(self, timeout: float | None = None) -> Notice | None:
        """The next one; None: none has come within ``timeout`` seconds.  No ``timeout``: wait as long as it
        takes."""
        until = None if timeout is None else monotonic() + timeout
        while True:
            notice, came = self._next()
            if notice is not None:
                return notice
            try:
                came.wait(None if until is None else max(0.0, until - monotonic()))
            except WaitTimeout:
                return None

    def __iter__(self) -> Iterator[Notice]:
        """Without end, unless the client of the request goes (ClientDisconnected)."""
        while (notice := self.getwait()) is not None:
            yield notice

    async def __aiter__(self) -> AsyncIterator[Notice]:
        while True:
            notice, came = self._next()
            if notice is not None:
                yield notice
            else:
                await until_done(came, None)

    def close(self) -> None:
        """Any thread: listen no more."""
        if not self._is_closed:
            self._is_closed = True
            self._client.unlisten(self, self._database)

    def _next(self) -> tuple[Notice | None, Future]:
        with self._lock:
            if self._notices:
                return self._notices.popleft(), self._came
            if self._came.done:
                self._came = Future()
            return None, self._came

    # -- the loop thread ----------------------------------------------------------------------------

    def hears(self) -> None:
        self._is_heard = True
        self._heard.complete()

    def hear(self, notice: Notice) -> None:
        if self._on_notice is not None:
            self._client.loop.call_soon(self._on_notice, notice)
            return
        with self._lock:
            self.dropped += len(self._notices) == _MOST
            self._notices.append(notice)
            came = self._came
        came.complete()

    def loses(self, error: BaseException) -> None:
        self._heard.fail(error)
        self.gaps += self._is_heard
        self._is_heard = False
