"""What PEP 3333 asks of the things that an application hands over: status, headers, pieces of body.

Called by the gateway in the thread that runs the application; pure functions.  What they raise is
the application's fault and goes to its log: a text says what was given and what is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from skitai._kernels import http1

__all__ = ["as_bytes", "check_headers", "parse_status"]

#: RFC 9110 section 7.6.1; PEP 3333 forbids them to applications.  ``Connection: close`` is a
#: wish that we can grant, the others would contradict the framing that the server chooses.
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "upgrade"}
)
#: Of these names and of Content-Length: most others are told from them by this.
_LENGTHS = frozenset(map(len, {*_HOP_BY_HOP, "content-length"}))


def as_bytes(piece: Any) -> bytes:
    """A piece of a body; str counts as UTF-8.  Raises TypeError for what is neither."""
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, str):  # the README's first sample returns ['Hello World']
        return piece.encode("utf-8")
    if isinstance(piece, (bytearray, memoryview)):
        return bytes(piece)
    raise TypeError(f"a WSGI application's body is made of bytes, not {type(piece).__name__} (PEP 3333)")


def parse_status(status: Any) -> tuple[int, str]:
    """Code and reason phrase of ``status``.  Raises TypeError and ValueError."""
    if not isinstance(status, str):
        raise TypeError(f"status must be a str such as '200 OK', not {type(status).__name__} (PEP 3333)")
    return _split_status(status)


@lru_cache(maxsize=256)  # an application has few
def _split_status(status: str) -> tuple[int, str]:
    code, _, reason = status.partition(" ")
    if not (len(code) == 3 and code.isascii() and code.isdigit() and "200" <= code <= "599"):
        raise ValueError(f"status must be a str such as '200 OK', not {status!r} (PEP 3333)")
    return int(code), reason


def check_headers(headers: Any, warn: Callable[[str], None]) -> tuple[http1.Headers, int | None]:
    """The headers that may be sent and the Content-Length among them.

    ``warn(text)`` is told what is left out.  Types and framing are looked at here, forbidden
    characters by the kernel when it writes.  Raises TypeError and ValueError.
    """
    kept: http1.Headers = []
    length: int | None = None
    for field in headers:
        name, value = field
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"header names and values must be str, not {field!r} (PEP 3333)")
        if len(name) not in _LENGTHS:
            kept.append((name, value))
            continue
        lower = name.lower()
        if lower in _HOP_BY_HOP:
            if lower == "connection" and value.lower() == "close":
                kept.append((name, value))
            else:
                warn(
                    f"header {name}: {value!r} left out: it belongs to the connection, not to the application"
                )
            continue
        if lower == "content-length":
            announced = int(value) if value.isascii() and value.isdigit() else None
            if announced is None or length not in (None, announced):
                raise ValueError(f"bad or contradictory Content-Length {value!r}")
            if length is not None:
                continue
            length = announced
        kept.append((name, value))
    return kept, length
