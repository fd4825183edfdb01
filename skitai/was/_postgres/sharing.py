"""Which statements share connections, and the connections that they share.

A statement shares if its text says that it leaves nothing behind in the session (`classify`), and if it has
been quick before (`paces`).  libpq 14 and cffi are wanted, and without them no statement does.
"""

from __future__ import annotations

from typing import Any

from skitai._kernels import engine
from skitai.was._postgres.cancelling import Canceller
from skitai.was._postgres.classify import shape_of
from skitai.was._postgres.connecting import Link
from skitai.was._postgres.libpq import libpq
from skitai.was._postgres.paces import Paces
from skitai.was._postgres.pipelined import Pipelined
from skitai.was._postgres.refusals import Refusals
from skitai.was._postgres.statement import ConnectionOwner, Database, Statement

__all__ = ["Sharing"]


class Sharing:
    def __init__(self) -> None:
        """Raises PipeliningUnavailable."""
        self._libpq = libpq()
        Refusals(self._libpq, "utf-8")  # which looks whether psycopg2 is made as it expects
        self._paces: dict[Database, Paces] = {}

    def is_new_to(self, database: Database) -> bool:
        """Nothing was noted there.  The loop thread."""
        return database not in self._paces

    def may_share(self, statement: Statement) -> bool:
        """Any thread."""
        paces = self._paces.get(statement.origin)
        if paces is None or not self.is_shareable(statement):
            return False
        return paces.may_share(shape_of(statement.sql, statement.params is not None).key)

    def is_shareable(self, statement: Statement) -> bool:
        """Whether others notice nothing of it, if it is quick; any thread."""
        shape = shape_of(statement.sql, statement.params is not None)
        if not shape.is_shareable or statement.may_change_session:
            return False
        return shape.reads_only or self._libpq.keeps_step

    def note(self, statement: Statement, seconds: float) -> None:
        """``statement`` has run so long on a connection that it had for itself.  The loop thread."""
        shape = shape_of(statement.sql, statement.params is not None)
        if shape.is_shareable:
            self._paces_of(statement.origin).note(shape.key, seconds)

    def connection(
        self,
        owner: ConnectionOwner,
        loop: engine.EventLoop,
        link: Link,
        canceller: Canceller,
        database: Database,
    ) -> Pipelined:
        """One that takes several statements at once.  The loop thread."""
        return Pipelined(owner, loop, link, canceller, self._libpq, self._paces_of(database))

    def _paces_of(self, database: Database) -> Paces:
        return self._paces.setdefault(database, Paces())

    def snapshot(self) -> dict[str, Any]:
        """For people: by database, how many statements are known to be quick and to be slow; any thread."""
        paces = tuple(self._paces.items())
        return {
            "libpq": self._libpq.version,
            **{database.authority: known.snapshot() for database, known in paces},
        }
