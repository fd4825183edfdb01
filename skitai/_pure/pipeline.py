"""Statements out and results in, many under way at once: libpq's pipeline mode over one connection.

Statements are sent with marks between them (Sync, "Extended Query" in PostgreSQL's chapter on the protocol).
What stands before one mark is one transaction: when a statement in it fails, the server passes over those
behind it up to the mark.  What statements have come to is known only at their mark: a deferred constraint
speaks up after the rows.  Results come in the order of statements.

A mark is dear: the server sends what it has at each of them, a system call there and one or two here
(measured: 31 us of the server and 23 of the client for a row with a mark, 16 and 6 where 32 rows share one).

Where the connection ends, libpq forgets which statements are under way (17.0: ``pqDropConnection``), though
what it has read of their answers is still there to be parsed.  It then takes the columns of the next one for
what a Describe has asked for, and says that all is well, without a row.  No statement here is a Describe, so
that is no answer; and behind it libpq passes over all that is left.

Values become Python's by the casters of psycopg2, which are called as its own cursor calls them: the text of
the value, as bytes, and a cursor, which must be a real one (None crashes the interpreter).  The compiled twin
does the work of the commonest ones itself, and only where nobody has put another caster in their place.

Nothing here waits.  psycopg2 is told of nothing of all this, and must not be asked: its ``connection.poll()``
takes results away (measured with 2.9.13).  The loop thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

__all__ = ["Pipeline"]

#: ``caster(value, cursor)``.
Caster: TypeAlias = Callable[[bytes, Any], Any]
#: Name, OID of the table, number in it, OID of the type, size, modifier: libpq's words for a column.
RawColumn: TypeAlias = tuple[bytes, int, int, int, int, int]
#: The address of a ``PGresult`` with the refusal of the server, of whoever takes it, or 0; what a caster
#: raised; the columns, None where a statement has none; rows; how many rows it was about, or -1.
Taken: TypeAlias = tuple[
    int, "BaseException | None", "tuple[RawColumn, ...] | None", "Sequence[tuple[Any, ...]]", int
]

_OK, _TUPLES, _SYNC = 1, 2, 10  # ExecStatusType: PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_PIPELINE_SYNC


class PipelineError(Exception):
    """libpq does not take something; the text is its own."""


class Library(Protocol):
    """`skitai.was._postgres.libpq`."""

    @property
    def ffi(self) -> Any: ...
    @property
    def functions(self) -> Any: ...
    @property
    def addresses(self) -> Mapping[str, int]: ...


class Casts(NamedTuple):
    """Casters by the OID of a type: those of a connection, those of all, and the one for the rest.

    ``of_null(caster, cursor)``: what a caster makes of NULL.  ``integers``, ``floats``, ``booleans``,
    ``texts``: the casters that come with psycopg2, for the compiled twin; no texts where the connection
    does not speak UTF-8.
    """

    own: Mapping[int, Caster]
    shared: Mapping[int, Caster]
    rest: Caster
    of_null: Callable[[Caster, Any], Any]
    integers: tuple[Caster, ...] = ()
    floats: tuple[Caster, ...] = ()
    booleans: tuple[Caster, ...] = ()
    texts: tuple[Caster, ...] = ()


class Pipeline:
    def __init__(self, library: Library, address: int, casts: Casts) -> None:
        """``address``: of the ``PGconn``, which is in pipeline mode."""
        ffi = library.ffi
        self._ffi = ffi
        self._lib = library.functions
        self._connection = ffi.cast("PGconn *", address)
        self._sync = ffi.cast("int (*)(PGconn *)", library.addresses["PQpipelineSync"])
        self._casts = casts
        #: How many statements stand before each mark that has not come back; those without a mark yet.
        self._marks: deque[int] = deque()
        self._unmarked = 0
        #: What has come of those whose mark is next.
        self._held: list[Taken] = []

    def send(self, sql: bytes) -> None:
        """To be sent with the next `flush`, or with this; a `mark` has to follow.

        Raises PipelineError: the connection is broken.
        """
        null = self._ffi.NULL
        if not self._lib.PQsendQueryParams(self._connection, sql, 0, null, null, null, null, 0):
            raise self._error()
        self._unmarked += 1

    def mark(self) -> None:
        """Behind what was sent since the last one.

        Raises PipelineError: the connection is broken.
        """
        if not self._sync(self._connection):
            raise self._error()
        self._marks.append(self._unmarked)
        self._unmarked = 0

    def flush(self) -> bool:
        """Whether something is left, for which the socket has no room now.

        Raises PipelineError: the connection is broken.
        """
        left: int = self._lib.PQflush(self._connection)
        if left < 0:
            raise self._error()
        return left > 0

    def _error(self) -> PipelineError:
        text: bytes = self._ffi.string(self._lib.PQerrorMessage(self._connection))
        return PipelineError(text.decode(errors="replace"))

    def read(self) -> None:
        """What has come, for `take`.

        Raises PipelineError: the connection is broken; what came before may still be taken.
        """
        if not self._lib.PQconsumeInput(self._connection):
            raise self._error()

    @property
    def answered(self) -> int:
        """How many of those before the oldest mark have come whole, though not their mark."""
        return len(self._held)

    def take(self, cursor: Any, rows_max: int) -> list[Taken] | None:
        """What those before the oldest mark have come to, without the rows of those that have more than
        ``rows_max``; None: more has to be read.

        Behind one that was refused there is nothing: the server has not run those.  Where it has refused the
        transaction in the end, that is all there is.
        """
        lib = self._lib
        was_end = False
        while self._marks and not lib.PQisBusy(self._connection):
            result = lib.PQgetResult(self._connection)
            if result == self._ffi.NULL:
                # One ends the results of a statement; after two there are none, for the connection is broken.
                if was_end:
                    return None
                was_end = True
                continue
            was_end = False
            if lib.PQresultStatus(result) == _SYNC:
                lib.PQclear(result)
                self._marks.popleft()
                return self.drop()
            self._hold(result, cursor, rows_max)
        return None

    def drop(self) -> list[Taken]:
        """What has come of those whose mark has not; it is forgotten here."""
        held, self._held = self._held, []
        return held

    def _hold(self, result: Any, cursor: Any, rows_max: int) -> None:
        lib = self._lib
        if self._held and self._held[-1][0]:
            lib.PQclear(result)  # not run, or the end of the connection, of which the server has said why
            return
        status = lib.PQresultStatus(result)
        if status == _OK and lib.PQnfields(result):
            lib.PQclear(result)  # a description without its rows: see the head of this file
            return
        if status not in (_OK, _TUPLES):
            if len(self._held) == self._marks[0]:
                self._held.clear()  # it is the transaction that is refused
            self._held.append((int(self._ffi.cast("uintptr_t", result)), None, None, (), -1))
            return
        try:
            if status == _OK:
                count: bytes = self._ffi.string(lib.PQcmdTuples(result))
                self._held.append((0, None, None, (), int(count) if count else -1))
                return
            columns = self._columns(result)
            found = lib.PQntuples(result)
            rows = self._rows(result, columns, cursor) if found <= rows_max else ()
            self._held.append((0, None, columns, rows, found))
        except Exception as error:
            self._held.append((0, error, None, (), -1))
        finally:
            lib.PQclear(result)

    def _columns(self, result: Any) -> tuple[RawColumn, ...]:
        lib, string = self._lib, self._ffi.string
        return tuple(
            (
                string(lib.PQfname(result, place)),
                lib.PQftable(result, place),
                lib.PQftablecol(result, place),
                lib.PQftype(result, place),
                lib.PQfsize(result, place),
                lib.PQfmod(result, place),
            )
            for place in range(lib.PQnfields(result))
        )

    def _caster(self, oid: int) -> Caster:
        caster = self._casts.own.get(oid)
        if caster is None:
            caster = self._casts.shared.get(oid)
        return self._casts.rest if caster is None else caster

    def _rows(self, result: Any, columns: Sequence[RawColumn], cursor: Any) -> list[tuple[Any, ...]]:
        lib, buffer = self._lib, self._ffi.buffer
        casters = [self._caster(column[3]) for column in columns]
        rows = []
        for row in range(lib.PQntuples(result)):
            values = []
            for place, caster in enumerate(casters):
                if lib.PQgetisnull(result, row, place):
                    values.append(self._casts.of_null(caster, cursor))
                else:
                    length = lib.PQgetlength(result, row, place)
                    values.append(caster(buffer(lib.PQgetvalue(result, row, place), length)[:], cursor))
            rows.append(tuple(values))
        return rows
