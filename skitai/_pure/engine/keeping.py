"""Answers that the compiled engine may give again by itself, without asking the service.

The service says which they are; the engine decides whether it keeps them.  The pure build never does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from skitai._pure.http1 import Headers

__all__ = ["ErrorPage", "FolderTerms", "Ground", "LastingFile", "StandingAnswer", "Witness"]


#: The fields of 200, 304 and 206; None: there is no 206.
FileFields = tuple[Headers, Headers, Headers | None]

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


@dataclass(frozen=True, slots=True)
class FolderTerms:
    """What a folder answers with a file that is asked for by its name, and with nothing else beside it.

    ``root`` is looked up by name each time; ``index`` (empty: none) is the file of a folder that is asked
    for with its slash; ``follow_links``: wherever they lead to, else a path with one is for the service.
    ``types``: Content-Type by what stands behind the last dot, in lower case, and whether such files are
    coded for clients that like it, from ``coded_from`` bytes on; ``other_type`` for all others.  ``rules``:
    patterns of ``*`` and what stands for itself, whether each is for the path below the mount and not for the
    name, and Cache-Control; ``otherwise`` where none fits, but ``for_hashed``, if not None, for names with
    a hash.

    ``fields``: those of 200, 304 and 206 as in `LastingFile`, of any file: in place of its Content-Type,
    Content-Length, Last-Modified, ETag, Cache-Control and Content-Encoding those of the file belong there.
    They are of a file that has one form; of what could have been coded, and is not; of what is coded, at
    ``level``; of a file that is sent as it is, though there are compressed forms of it; of such a form.
    """

    root: bytes
    index: str
    dotfiles: bool
    follow_links: bool
    precompressed: bool
    types: tuple[tuple[str, str, bool], ...]
    other_type: tuple[str, bool]
    coded_from: int
    level: int
    rules: tuple[tuple[str, bool, str], ...]
    otherwise: str
    for_hashed: str | None
    fields: tuple[FileFields, FileFields, FileFields, FileFields, FileFields]


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What the service answers with ``status`` (404, 412, 416) to who likes ``media_type`` best, about a file
    of ``size`` bytes, a number that stands in it (0: it does not); ``has_forms``: compressed ones."""

    status: int
    media_type: str
    headers: Headers
    body: bytes
    size: int = 0
    has_forms: bool = False


@dataclass(frozen=True, slots=True)
class Ground:
    """What is mounted at ``mount`` (decoded, without a slash at its end) of ``host``, a name, a ``.domain``
    or ``default``: where ``terms`` is not None, a file that is there is the answer to GET and HEAD, and
    nobody else has a word.  ``folder_mount``: the part of the path in front of what is below its folder;
    ``our_errors``: errors are answered with an `ErrorPage`; ``ends``: so is what is not there; ``slot``:
    where its requests are counted (`MountSlots`)."""

    host: str
    mount: str
    terms: FolderTerms | None
    folder_mount: str = ""
    our_errors: bool = False
    ends: bool = False
    slot: int = 0
