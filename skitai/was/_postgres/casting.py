"""What a cursor of psycopg2's would make of a result that libpq gave to us: its values and its description.

The loop thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from skitai._kernels import Casts
from skitai.was._postgres.driver import extensions, native

__all__ = ["Descriptions", "casts_of"]

_NUMERIC: Final = 1700  # the OID of the type
_DESCRIPTIONS_MAX = 1000
#: Written in C, all of them make None of NULL.
_BUILT_IN: Final = frozenset(
    id(each) for each in vars(native).values() if isinstance(each, type(native.INTEGER))
)


def _of_null() -> Callable[[Any, Any], Any]:
    """psycopg2 asks a caster written in Python what NULL is, but only from C: called from Python, as here,
    it answers None itself.  Arrays ask that of their elements from C, so it is asked by an array of one."""
    arrays: dict[int, Any] = {}

    def of_null(caster: Any, cursor: Any) -> Any:
        if id(caster) in _BUILT_IN:
            return None
        array = arrays.get(id(caster))
        if array is None:  # which keeps the caster, and so its address
            array = arrays[id(caster)] = extensions.new_array_type((0,), "array of one", caster)
        return array(b"{NULL}", cursor)[0]

    return of_null


def casts_of(connection: Any) -> Casts:
    """Those that ``connection`` uses; types that are registered later apply from then on."""
    is_utf8 = connection.encoding == "UTF8"
    return Casts(
        own=connection.string_types,
        shared=extensions.string_types,
        rest=extensions.UNICODE,
        of_null=_of_null(),
        integers=(extensions.INTEGER, extensions.LONGINTEGER),
        floats=(extensions.FLOAT,),
        booleans=(extensions.BOOLEAN,),
        texts=(extensions.UNICODE, native.STRING) if is_utf8 else (),
    )


class Descriptions:
    """``cursor.description`` of results, made once for all of the same columns."""

    def __init__(self, codec: str) -> None:
        """``codec``: of the connection, as Python calls it."""
        self._codec = codec
        self._made: dict[Any, tuple[extensions.Column, ...]] = {}
        #: The compiled pipeline gives the same object for the same columns.
        self._last: Any = None
        self._made_last: tuple[extensions.Column, ...] = ()

    def of(self, columns: Any) -> tuple[extensions.Column, ...]:
        """Of a `Taken`."""
        if columns is self._last:
            return self._made_last
        made = self._made.get(columns)
        if made is None:
            if len(self._made) >= _DESCRIPTIONS_MAX:
                self._made.clear()
            made = self._made[columns] = tuple(self._column(*column) for column in columns)
        self._last, self._made_last = columns, made
        return made

    def _column(
        self, name: bytes, table: int, number: int, type_code: int, size: int, modifier: int
    ) -> extensions.Column:
        # pqpath.c, _make_column: the modifier of a type counts the four bytes of a length.
        if modifier > 0:
            modifier -= 4
        is_numeric = type_code == _NUMERIC
        if size == -1:
            size = modifier >> 16 if is_numeric else modifier
        return extensions.Column(
            name=name.decode(self._codec, "replace"),
            type_code=type_code,
            internal_size=size,
            precision=(modifier >> 16) & 0xFFFF if is_numeric else None,
            scale=modifier & 0xFFFF if is_numeric else None,
            table_oid=table or None,
            table_column=number or None,
        )
