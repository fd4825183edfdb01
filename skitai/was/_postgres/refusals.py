"""The exceptions of psycopg2, made of a result of libpq in which the server refuses a statement.

They are what psycopg2's own cursor would have raised: the class of the SQLSTATE, the message, ``pgcode``,
``pgerror``, and ``diag`` with all fields.  psycopg2 offers no way to make these whole: `Exception` ends
where its five own fields begin, and only C can write the last of them, the result that ``diag`` reads.  So we
write them by address.  Before any is written, a specimen shows whether they lie where they are expected
; a psycopg2 that has them elsewhere gets no pipeline.

The loop thread.
"""

from __future__ import annotations

import codecs
import ctypes
from typing import Any, Final

from skitai.was._postgres.driver import native, psycopg2
from skitai.was._postgres.libpq import Libpq, PipeliningUnavailable

__all__ = ["Refusals"]

#: errorObject in psycopg2's error.h, behind `BaseException`: pgerror, pgcode, cursor, pydecoder, pgres.
_FIELDS, _DECODER, _RESULT = 5, 3, 4
#: PG_DIAG_SQLSTATE, PG_DIAG_SEVERITY_NONLOCALIZED
_SQLSTATE, _SEVERITY = ord("C"), ord("V")
#: What pqpath.c, strip_severity, takes away.
_SEVERITIES: Final = (b"ERROR:  ", b"FATAL:  ", b"PANIC:  ")


def _class_of(code: str) -> type[Exception]:
    """error.h, exception_from_sqlstate: that of the code, or the base of those of its class (which has the
    code with three zeros)."""
    known: dict[str, type[Exception]] = native.sqlstate_errors
    if code in known:
        return known[code]
    of_class = known.get(f"{code[:2]}000")
    return psycopg2.DatabaseError if of_class is None else of_class.__bases__[0]


class Refusals:
    """For the connections of one encoding."""

    def __init__(self, libpq: Libpq, codec: str) -> None:
        """Raises PipeliningUnavailable: this psycopg2 is made otherwise."""
        self._ffi = libpq.ffi
        self._functions = libpq.functions
        self._codec = codec
        self._decoder = codecs.getdecoder(codec)
        if not self._layout_is_known():
            raise PipeliningUnavailable(
                f"psycopg2 {psycopg2.__version__.partition(' ')[0]} lays its exceptions out in an unknown way"
            )

    def _fields(self, error: Exception) -> Any:
        return self._ffi.cast("uintptr_t *", id(error) + Exception.__basicsize__)

    def _layout_is_known(self) -> bool:
        size = _FIELDS * self._ffi.sizeof("void *")
        if psycopg2.Error.__basicsize__ != Exception.__basicsize__ + size:
            return False
        text, code = "a text of its own", "and a code of its own"
        specimen = psycopg2.Error()
        specimen.__setstate__({"pgerror": text, "pgcode": code})
        return list(self._fields(specimen)[0:_FIELDS]) == [id(text), id(code), 0, 0, 0]

    def is_fatal(self, address: int) -> bool:
        """The server ends the session with it: what comes behind this statement is not looked at."""
        severity = self._field(self._ffi.cast("PGresult *", address), _SEVERITY)
        return severity in (b"FATAL", b"PANIC")

    def _field(self, result: Any, name: int) -> bytes:
        field = self._functions.PQresultErrorField(result, name)
        if field == self._ffi.NULL:
            return b""
        text: bytes = self._ffi.string(field)
        return text

    def take(self, address: int) -> Any:
        """The exception for the ``PGresult`` at ``address``, which is its own from now on."""
        result = self._ffi.cast("PGresult *", address)
        whole: bytes = self._ffi.string(self._functions.PQresultErrorMessage(result))
        message = whole[8:] if whole.startswith(_SEVERITIES) else whole
        code = self._field(result, _SQLSTATE).decode("ascii")
        # psycopg2 raises DatabaseError where libpq itself has refused, in which case there is no code.
        error = (_class_of(code) if code else psycopg2.DatabaseError)(message.decode(self._codec, "replace"))
        error.__setstate__({"pgerror": whole.decode(self._codec, "replace"), "pgcode": code or None})
        fields = self._fields(error)
        fields[_RESULT] = address
        fields[_DECODER] = id(self._decoder)
        # The exception gives the reference back.  Not by cffi, which lets the GIL go.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._decoder))
        return error
