"""Request fields in the WSGI ``environ`` (PEP 3333), the plain Python twin.

Called for each request to an application, in the loop thread or a worker.  What every request
teaches is kept: the environ keys of the field names seen, up to a bound.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

__all__ = ["add_fields"]

#: Fields that never reach an application:
#: ``Proxy`` would become HTTP_PROXY, which many clients obey (CVE-2016-5385, "httpoxy");
#: the hop-by-hop framing fields describe bytes that the application never sees.
_WITHHELD = frozenset({"proxy", "transfer-encoding", "expect", "te", "trailer"})
_PLAIN_KEYS = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
#: Field names come from the network: the table of known ones is bounded, in number and in length.
_KEYS_MAX = 1024
_KEY_LENGTH_MAX = 64
#: Field name as sent to its key ("" if it is withheld from all) and its lower case.
_keys: dict[str, tuple[str, str]] = {}


def add_fields(environ: dict[str, Any], headers: Iterable[tuple[str, str]], withheld: frozenset[str]) -> None:
    """Put ``headers`` (names in any case, values latin-1) into ``environ``, a repeated one joined.

    ``withheld``: lower-case names of fields that the application must not see, besides those
    that none ever does.
    """
    for field, value in headers:
        key, lower = _keys.get(field) or _learn(field)
        if not key or lower in withheld:
            continue
        known = environ.get(key)
        if known is None:
            environ[key] = value
        else:
            # RFC 9110 section 5.3; Cookie by RFC 6265 section 5.4.
            environ[key] = f"{known}; {value}" if key == "HTTP_COOKIE" else f"{known}, {value}"


def _learn(field: str) -> tuple[str, str]:
    """What `_keys` has to say of ``field``."""
    lower = field.lower()
    # ``X_Y`` and ``X-Y`` would share a key: a client could forge what a proxy sets.
    if "_" in field or lower in _WITHHELD:
        return "", lower
    key = _PLAIN_KEYS.get(lower) or "HTTP_" + field.upper().replace("-", "_")
    if len(_keys) < _KEYS_MAX and len(field) <= _KEY_LENGTH_MAX:
        # Only what is kept: some Pythons never give up an interned string.
        key = sys.intern(key)
        _keys[field] = key, lower
    return key, lower
