"""Statements that share connections from the first one on."""

from __future__ import annotations

from skitai.was._postgres.classify import shape_of
from skitai.was._postgres.paces import Paces
from skitai.was._postgres.sharing import Sharing
from skitai.was._postgres.statement import Database, Statement

__all__ = ["AllBrief", "SharesAll", "SharesAllThatMay"]


class SharesAllThatMay(Sharing):
    """Quick or slow."""

    def may_share(self, statement: Statement) -> bool:
        return self.is_shareable(statement)


class SharesAll(Sharing):
    """With a libpq that may lose step, too."""

    def may_share(self, statement: Statement) -> bool:
        may_be = shape_of(statement.sql, statement.params is not None).is_shareable
        return may_be and not statement.may_change_session


class AllBrief(SharesAll):
    """And brief, on a machine that has much else to do, too."""

    def _paces_of(self, database: Database) -> Paces:
        return self._paces.setdefault(database, _Brief())


class _Brief(Paces):
    def is_brief(self, key: str) -> bool:
        return True
