"""The libpq that psycopg2 works with, for what psycopg2 has no words for: its pipeline mode.

A connection of psycopg2's says where its ``PGconn`` is (``pgconn_ptr``), and only the very library that made
it may be called with it.  A process can have several (each driver's wheel brings its own), and a library
looked for by name may be another one, or one more.  So none is loaded: psycopg2's own module is among the
loaded objects, and what the system's linker finds from there (dlsym(3): the object, then what it depends on)
is what psycopg2 calls itself.

By cffi without a compiler (ABI mode), so both builds have it.  The compiled build calls the same functions
by their addresses.

Any thread.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skitai.errors import SkitaiError
from skitai.was._postgres.driver import native

__all__ = ["Libpq", "PipeliningUnavailable", "libpq"]

#: PQenterPipelineMode came with PostgreSQL 14.
_VERSION_MIN = 140000

# libpq-fe.h, as far as it is used.
_DECLARATIONS = """
typedef struct PGconn PGconn;
typedef struct PGresult PGresult;
typedef unsigned int Oid;
int PQlibVersion(void);
int PQenterPipelineMode(PGconn *);
int PQsetnonblocking(PGconn *, int);
int PQsendQueryParams(PGconn *, const char *, int, const Oid *, const char *const *, const int *,
                      const int *, int);
int PQpipelineSync(PGconn *);
int PQsendPipelineSync(PGconn *);
int PQflush(PGconn *);
int PQconsumeInput(PGconn *);
int PQisBusy(PGconn *);
PGresult *PQgetResult(PGconn *);
char *PQerrorMessage(const PGconn *);
void PQclear(PGresult *);
int PQresultStatus(const PGresult *);
char *PQresultErrorMessage(const PGresult *);
char *PQresultErrorField(const PGresult *, int);
int PQntuples(const PGresult *);
int PQnfields(const PGresult *);
char *PQfname(const PGresult *, int);
Oid PQftable(const PGresult *, int);
int PQftablecol(const PGresult *, int);
Oid PQftype(const PGresult *, int);
int PQfsize(const PGresult *, int);
int PQfmod(const PGresult *, int);
char *PQcmdTuples(PGresult *);
char *PQgetvalue(const PGresult *, int, int);
int PQgetlength(const PGresult *, int, int);
int PQgetisnull(const PGresult *, int, int);
typedef void (*PQnoticeProcessor)(void *, const char *);
PQnoticeProcessor PQsetNoticeProcessor(PGconn *, PQnoticeProcessor, void *);
"""

#: What the compiled build calls by address.
_CALLED = (
    *("PQsendQueryParams", "PQpipelineSync", "PQflush", "PQconsumeInput", "PQisBusy", "PQgetResult"),
    *("PQerrorMessage", "PQclear", "PQresultStatus", "PQntuples", "PQnfields", "PQfname", "PQftable"),
    *("PQftablecol", "PQftype", "PQfsize", "PQfmod", "PQcmdTuples", "PQgetvalue", "PQgetlength"),
    *("PQgetisnull",),
)


class PipeliningUnavailable(SkitaiError):
    """Statements cannot be pipelined here; the text says why."""


@dataclass(frozen=True, slots=True)
class Libpq:
    """``ffi`` and ``functions`` are cffi's; ``version`` is as 170011; ``no_notices`` is what libpq may call
    with a notice, which nobody reads."""

    ffi: Any
    functions: Any
    version: int
    addresses: Mapping[str, int]
    no_notices: Any

    @property
    def keeps_step(self) -> bool:
        """Whether it still knows which answer is whose where a statement fails behind its end, by a
        constraint that was deferred: 15.0 and 16.0 wait for ever then, 15.20 and 17 do not
        (tests/was/postgres/test_two_ways.py)."""
        return self.version >= 170000 or 150020 <= self.version < 160000


@functools.cache
def libpq() -> Libpq:
    """Raises PipeliningUnavailable."""
    try:
        cffi = importlib.import_module("cffi")
    except ImportError:
        raise PipeliningUnavailable("cffi is not installed (pip install 'skitai[pg]')") from None
    ffi = cffi.FFI()
    ffi.cdef(_DECLARATIONS)
    try:
        functions = ffi.dlopen(native.__file__, ffi.RTLD_NOW | ffi.RTLD_NOLOAD)
        version = int(functions.PQlibVersion())
    except (OSError, AttributeError) as error:
        raise PipeliningUnavailable(f"psycopg2 does not show which libpq it works with: {error}") from None
    if version < _VERSION_MIN:
        raise PipeliningUnavailable(
            f"psycopg2 works with libpq {version // 10000}, and only 14 and later can pipeline "
            "(pip install psycopg2-binary brings a new one)"
        )
    addresses = {name: int(ffi.cast("uintptr_t", getattr(functions, name))) for name in _CALLED}
    # From version 17 on the mark behind a statement need not leave at once, in a system call of its own.
    if version >= 170000:
        addresses["PQpipelineSync"] = int(ffi.cast("uintptr_t", functions.PQsendPipelineSync))
    no_notices = ffi.callback("void(void *, const char *)", lambda argument, text: None)
    return Libpq(ffi, functions, version, addresses, no_notices)
