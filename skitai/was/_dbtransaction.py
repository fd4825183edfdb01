"""A transaction, as a handler writes it.

    with was.db("@mydb").begin() as tx:
        tx.execute("UPDATE accounts SET amount = amount - 1 WHERE id = %s", (1,))
        tx.execute("UPDATE accounts SET amount = amount + 1 WHERE id = %s", (2,))

At the end of the block it is committed; what makes the block end otherwise rolls it back.  Statements run one
after the other, and need not be waited for: one that fails and was not looked at is raised at the end, and
nothing is committed.

One handler's thread at a time; the connection is a `Session` of the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any

from skitai.errors import CallCancelled, ClientDisconnected, SkitaiError
from skitai.was._call import Call, CallGroup, Timing
from skitai.was._dbresult import DbResult
from skitai.was._postgres.session import Holder, Session
from skitai.was._postgres.statement import Params, Statement

__all__ = ["Transaction", "opening_words"]

_ISOLATIONS = ("serializable", "repeatable read", "read committed", "read uncommitted")


def opening_words(isolation: str | None, read_only: bool, deferrable: bool) -> str:
    """Raises ValueError: there is no such isolation, or what is deferrable is not serializable and read-only,
    so that PostgreSQL would not hear of it."""
    words = ["BEGIN"]
    if isolation is not None:
        if isolation.lower() not in _ISOLATIONS:
            raise ValueError(f"isolation is one of {', '.join(_ISOLATIONS)}, not {isolation!r}")
        words.append(f"ISOLATION LEVEL {isolation.upper()}")
    if read_only:
        words.append("READ ONLY")
    if deferrable:
        if not read_only or isolation is None or isolation.lower() != "serializable":
            raise ValueError('deferrable wants isolation="serializable" and read_only=True')
        words.append("DEFERRABLE")
    return " ".join(words)


class Transaction:
    """``with was.db("@mydb").begin() as tx``: committed at the end of the block, rolled back if it raises."""

    __slots__ = ("_calls", "_group", "_holder", "_session", "_start", "_state")

    def __init__(
        self,
        start: Callable[[Holder], Call],
        state: Callable[[Any, Params], tuple[Statement, Timing, CallGroup | None]],
        group: CallGroup | None,
    ) -> None:
        """``start(holder)`` sends what it begins with; ``state(sql, params)`` gives a statement with what its
        call needs.  ``group``: the calls of the request, which end with it."""
        self._start = start
        self._state = state
        self._group = group
        self._holder = Holder()
        self._session: Session | None = None
        #: Those that nobody has looked at when the last one was made.
        self._calls: list[Call] = []

    # -- what a handler says ----------------------------------------------------------------------

    def execute(self, sql: Any, params: Params = None) -> Call:
        """As that of ``was.db``; runs when those before have ended.

        Raises RuntimeError: the transaction has not begun, or has ended.
        """
        call = self._send(*self._state(sql, params))
        self._calls = [*self._unseen(), call]
        return call

    def commit(self) -> None:
        """Wait for all statements, and commit.  Raises what the first of them has failed with that nobody has
        looked at, or why it could not be committed; then it is rolled back."""
        try:
            for call in self._unseen():
                call.getwait().reraise()
            self._end("COMMIT").getwait().reraise()
        finally:
            self._let_go()

    def rollback(self) -> None:
        """As if nothing had been."""
        try:
            self._end("ROLLBACK").getwait()
        finally:
            self._let_go()

    # -- the block ----------------------------------------------------------------------------------

    def __enter__(self) -> Transaction:
        """Raises why it could not begin."""
        call = self._begin()
        try:
            call.getwait().reraise()
        except BaseException:
            self._let_go()
            raise
        return self._begun()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is None:
            return
        if kind is None:
            self.commit()
        else:
            with suppress(ClientDisconnected):  # which may be what has ended the block
                self.rollback()

    async def __aenter__(self) -> Transaction:
        """Raises why it could not begin."""
        call = self._begin()
        try:
            (await call).reraise()
        except BaseException:
            self._let_go()
            raise
        return self._begun()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is None:
            return
        try:
            if kind is None:
                for call in self._unseen():
                    (await call).reraise()
                (await self._end("COMMIT")).reraise()
            else:
                await self._end("ROLLBACK")
        finally:
            self._let_go()

    def cancel(self, error: SkitaiError | None = None) -> None:
        """Any thread: nobody wants it any more.  It is rolled back, unless it has ended."""
        session = self._holder.session
        if session is not None:
            session.cancel(error or CallCancelled("the request of the transaction is over"))

    # -- below ----------------------------------------------------------------------------------------

    def _begin(self) -> Call:
        if self._session is not None or self._holder.is_gone:
            raise RuntimeError("a transaction begins once: with was.db(...).begin() as tx")
        return self._start(self._holder)

    def _begun(self) -> Transaction:
        self._session = self._holder.session
        if self._group is not None:
            self._group.add(self)
        return self

    def _unseen(self) -> list[Call]:
        return [call for call in self._calls if not call.is_taken]

    def _send(
        self, statement: Statement, timing: Timing, group: CallGroup | None, ends: bool = False
    ) -> Call:
        if self._session is None:
            raise RuntimeError("a transaction is in its block only: with was.db(...).begin() as tx")
        begin: Any = partial(self._session.take, ends=ends)
        carried: Any = statement  # by what carries requests
        return Call(begin, carried, DbResult, timing, group)

    def _end(self, words: str) -> Call:
        statement, timing, _ = self._state(words, None)
        statement.may_change_session = False
        return self._send(statement, timing, None, ends=True)

    def _let_go(self) -> None:
        """What is left of it is rolled back."""
        self._holder.is_gone = True
        self.cancel()
        self._session = None
        if self._group is not None:
            self._group.forget(self)

    def __del__(self) -> None:
        if not self._holder.is_gone:
            self._let_go()
