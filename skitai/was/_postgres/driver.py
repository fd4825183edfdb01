"""psycopg2, which is no part of a bare installation: all others here get it from this module.

libpq, below psycopg2, is reached through psycopg2's own extension module: a symbol that is asked of a loaded
object is looked for in whatever that was linked with (dlsym(3)), so it is the very libpq that made the
connection, and never another one of the same name.
"""

from __future__ import annotations

import ctypes
from typing import Any

try:
    import psycopg2  # type: ignore[import-untyped]
    from psycopg2 import _psycopg as native
    from psycopg2 import errors, extensions, sql
except ImportError as error:
    raise ImportError(
        "was.db needs psycopg2, which is not installed here; install it with: pip install 'skitai[pg]' "
        "(or psycopg2, where it shall be compiled against the libpq of the system)"
    ) from error

__all__ = [
    "POLL_OK",
    "POLL_READ",
    "POLL_WRITE",
    "errors",
    "extensions",
    "libpq_symbols",
    "native",
    "psycopg2",
    "sql",
]

POLL_OK: int = extensions.POLL_OK
POLL_READ: int = extensions.POLL_READ
POLL_WRITE: int = extensions.POLL_WRITE


def libpq_symbols() -> Any:
    """The loaded libpq, for `ctypes`: its functions run without the GIL.  A function that is not to be found,
    because libpq was linked in statically, is an AttributeError."""
    return ctypes.CDLL(native.__file__)
