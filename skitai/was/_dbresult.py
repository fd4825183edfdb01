"""What a statement gives: a `Result` with rows.

    status 3    it has ended well: `data`, `rows`, `description`, `rowcount`
    status 2    `error` is psycopg2's exception, or why nobody could be asked; the code of the former is 501
    status 1    not in time; it has ended on the server, too
    status 0    given up

The thread of the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from skitai.core.outbound.request import Outcome
from skitai.errors import SkitaiError
from skitai.was._postgres.statement import Rows
from skitai.was._results import Result

__all__ = ["DbResult"]

_OK: Final = 200
#: As in 0.11.
_REFUSED: Final = 501


class DbResult(Result):
    """``result.status == 3``, and then ``result.data``."""

    __slots__ = ("_data", "_rows")

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        rows: Any = outcome.response
        self._rows: Rows | None = rows
        self._data: list[dict[str, Any]] | None = None

    @property
    def code(self) -> int:
        error = self.error
        if error is None:
            return _OK
        return super().code if isinstance(error, SkitaiError) else _REFUSED

    @property
    def msg(self) -> str:
        error = self.error
        return "OK" if error is None else str(error).strip()

    @property
    def rows(self) -> Sequence[tuple[Any, ...]]:
        """As tuples; none where the statement gives none."""
        return () if self._rows is None else self._rows.rows

    @property
    def description(self) -> Sequence[Any] | None:
        """Of the columns, as that of a cursor (PEP 249); None: the statement gives no rows."""
        return None if self._rows is None else self._rows.description

    @property
    def rowcount(self) -> int:
        """Rows given or changed; -1 where there is no such number."""
        return -1 if self._rows is None else self._rows.rowcount

    @property
    def data(self) -> list[dict[str, Any]]:
        """The rows by the names of their columns; of several columns of one name the last counts."""
        if self._data is None:
            names = [column[0] for column in self.description or ()]
            self._data = [dict(zip(names, row, strict=True)) for row in self.rows]
        return self._data

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.data)

    @property
    def _head(self) -> Any:
        """Of HTTP there is nothing."""
        return None

    @property
    def _body(self) -> bytes:
        return b""
