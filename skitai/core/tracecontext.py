"""Requests that belong together, in several servers: ``traceparent`` (W3C Trace Context, section 3.2).

Whoever begins a trace gives it an id, and each request within it a span.  We begin none: what a request has
brought is said in the lines of logs about it, and passed on to whom it asks with a span of its own.

Pure functions, any thread.
"""

from __future__ import annotations

import os
import re

__all__ = ["child_of", "ids_of", "words_for"]

#: version, trace id, parent id, flags (section 3.2.2): a version to come may have more, which is not for us.
_FIELD = re.compile(r"00-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})")


def child_of(field: str | None) -> str:
    """The field for a request that is made because of one with ``field``; empty where that says nothing."""
    found = _FIELD.fullmatch(field or "")
    return f"00-{found[1]}-{os.urandom(8).hex()}-{found[3]}" if found else ""


def ids_of(field: str | None) -> tuple[str, str]:
    """Trace and span; both empty where ``field`` says nothing."""
    found = _FIELD.fullmatch(field or "")
    return (found[1], found[2]) if found else ("", "")


def words_for(field: str | None) -> str:
    """What a line in a log says of it, with a blank before; empty where it says nothing."""
    trace, span = ids_of(field)
    return f" trace={trace} span={span}" if trace else ""
