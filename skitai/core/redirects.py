"""Redirects: the answer, and a decoded path as it stands in a Location field.

Pure functions for any thread; for the service, the static files, the routes and Saddle.
"""

from __future__ import annotations

from urllib.parse import quote

from skitai.core.answer import Answer

__all__ = ["quote_path", "redirect"]

#: What a path may hold as it is: pchar and the slash (RFC 3986 section 3.3).  Letters, digits and
#: ``-._~`` are kept anyway.
_KEPT = "/:@!$&'()*+,;="


def quote_path(path: bytes) -> str:
    """``path``, decoded, percent-encoded again."""
    return quote(path, safe=_KEPT)


def redirect(status: int, location: str, query: str) -> Answer:
    """An answer without a body that leads to ``location``, with the request's ``query`` kept."""
    target = f"{location}?{query}" if query else location
    return Answer(status, [("Location", target), ("Content-Length", "0")])
