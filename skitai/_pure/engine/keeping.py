"""Answers that the compiled engine may give again by itself, without asking the service.

The service says which they are; the engine decides whether it keeps them.  The pure build never does.
"""

from __future__ import annotations

from dataclasses import dataclass

from skitai._pure.http1 import Headers

__all__ = ["LastingFile", "StandingAnswer"]


@dataclass(frozen=True, slots=True)
class LastingFile:
    """A file that is the answer to all who ask for its path, whole and without conditions, as long
    as the same file is at ``path`` and unchanged: that the engine looks up, now and then.

    ``headers`` are those of 200, ``unchanged`` those of 304 for a client that names ``etag``.
    """

    path: bytes
    headers: Headers
    unchanged: Headers
    etag: str


@dataclass(frozen=True, slots=True)
class StandingAnswer:
    """To GET and HEAD of ``path``, whatever host is asked: always the same 200."""

    path: str
    headers: Headers
    body: bytes
