"""Answers that the compiled engine may give again by itself, without asking the service.

The service says which they are; the engine decides whether it keeps them.  The pure build never does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from skitai._pure.http1 import Headers

__all__ = ["LastingFile", "StandingAnswer", "Witness"]


#: A path that was looked at and what was there, or None for nothing.
Witness = tuple[bytes, os.stat_result | None]


@dataclass(frozen=True, slots=True)
class LastingFile:
    """The answer to all who ask for a path, as long as everything that it was made of is as it was: that
    the engine looks up, now and then.

    ``headers`` are those of 200; ``unchanged`` those of 304, for a client that names ``etag`` or sends
    Last-Modified back; ``partial`` those of 206 without Content-Range and Content-Length, which come
    behind them, None if there are no ranges.  ``varies``: it is for all who send the same
    Accept-Encoding.  ``content``: in place of the file that is open.
    """

    headers: Headers
    unchanged: Headers
    partial: Headers | None
    etag: str
    witnesses: tuple[Witness, ...]
    varies: bool = False
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class StandingAnswer:
    """To GET and HEAD of ``path``, whatever host is asked: always the same 200."""

    path: str
    headers: Headers
    body: bytes
