"""What of a mounted folder is the answer to GET and HEAD: a file, its index, or a listing.

Called by the service in the loop thread, so nothing here may wait: fifos and devices are not
opened blocking, and the file itself is sent by the engine.  What lies outside the folder is never
opened (`skitai.core.beneath`) unless all links are trusted, hidden names are not there at all.  What
is said about a file is the matter of `skitai.core.representation`.

A missing file is None and not 404: behind a folder there may be an application on the same path.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from skitai._kernels import engine, http1
from skitai.core.answer import Answer
from skitai.core.beneath import open_anywhere, open_beneath, with_status
from skitai.core.caching import CachePolicy
from skitai.core.compression import Compression, coded_fields, varying
from skitai.core.errorpages import TYPES, accept_of, error_answer
from skitai.core.listing import entries_of, listing_answer
from skitai.core.mediatypes import MEDIA_TYPES, UNKNOWN, media_type
from skitai.core.negotiation import preferred_coding
from skitai.core.precompressed import SUFFIXES, current_codings, look_beside
from skitai.core.redirects import quote_path, redirect
from skitai.core.representation import Representation, precondition_failed, range_not_satisfiable
from skitai.limits import Limits

__all__ = ["StaticFolder", "error_pages", "not_there"]

#: Errors of open(2) that mean "no such file": not there, not a folder or a link astray,
#: a name no file can have, a socket.
_NOT_THERE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EMLINK, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO}
)
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})

#: Hidden names begin with a dot; this one is made for being asked for (RFC 8615).
_WELL_KNOWN = ".well-known"

_VARY = ("Vary", "Accept-Encoding")
#: Bytes: no file is so long.
_SOME_SIZE = 9_876_543_210_123_456_789
#: A file is what its name says, whatever a browser makes of the content.
_NOSNIFF = ("X-Content-Type-Options", "nosniff")


class _No(Enum):
    """What was found instead of a file."""

    FILE = "nothing that is served"
    FOLDER = "a folder"


class StaticFolder:
    """The files beneath ``root``.  Immutable; for any thread."""

    def __init__(
        self,
        root: Path,
        limits: Limits,
        *,
        policy: CachePolicy,
        index: Sequence[str] = ("index.html", "index.htm"),
        precompressed: bool = True,
        listing: bool = False,
        dotfiles: bool = False,
        follow_links: bool = False,
    ) -> None:
        """``index``: names of the file that is shown for its folder, first come first served;
        ``follow_links``: wherever they lead to.

        ``root`` is looked up by name at each request, so that a deployment may replace it.
        """
        self._root = os.fsencode(root.absolute())
        self._policy = policy
        self._index = index
        self._precompressed = precompressed
        self._listing = listing and os.scandir in os.supports_fd  # not on Windows
        self._dotfiles = dotfiles
        self._open = open_anywhere if follow_links else open_beneath
        self._ranges_max = limits.ranges_max
        self._listing_max = limits.listing_max

    def answer(self, path: str, head: http1.RequestHead, url_path: str) -> Answer | None:
        """The file at ``path``, a redirect to a folder's slash, 304 or an error; None if there is
        nothing to serve.

        ``path``: below the mount, percent-decoded once, UTF-8 with surrogateescape; with or
        without its first slash, empty for the mount itself.  ``url_path``: the whole path, decoded
        alike, for redirects.  ``head``: of a GET or HEAD request; its conditions are honoured.
        """
        segments = _segments(path)
        if segments is None or not (self._dotfiles or not any(map(_is_hidden, segments))):
            return None
        try:
            if not path.endswith("/"):
                return self._at(segments, head, url_path)
            answer = self._index_of(segments, head)
            if answer is None and self._listing:
                answer = self._list(segments, head, url_path)
            return answer
        except OSError as error:
            return _failure(error, head)

    def _at(self, segments: list[str], head: http1.RequestHead, url_path: str) -> Answer | None:
        unreadable = None
        found: Answer | _No = _No.FOLDER
        try:
            if segments:
                found = self._file(segments, head)
        except PermissionError as error:
            unreadable = error  # also a folder that may be passed through and not be listed
        if not isinstance(found, _No):
            return found
        if found is _No.FOLDER:
            index = self._index_of(segments, head)
            if index is not None:
                if index.file is not None:
                    index.file.close()
                return _redirect(url_path, head.query)
            if self._listing and unreadable is None:
                return _redirect(url_path, head.query)
        if unreadable is not None:
            raise unreadable
        # A folder without an index is no page to be redirected to: the application may have one.
        return None

    def _index_of(self, segments: list[str], head: http1.RequestHead) -> Answer | None:
        for place, name in enumerate(self._index):
            found = self._file([*segments, name], head)
            if isinstance(found, Answer):
                if place:
                    found.lasting = None  # as long as nobody makes one of the names in front of it
                return found
        return None

    def _file(self, segments: list[str], head: http1.RequestHead) -> Answer | _No:
        names = _names(segments)
        try:
            descriptor, status = self._opened(names)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return _No.FILE
            raise
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            return _No.FOLDER if stat.S_ISDIR(status.st_mode) else _No.FILE
        representation, witnesses = self._representation(descriptor, status, names, segments, head)
        answer = representation.answer(head, self._ranges_max)
        if answer.file is not None:
            answer.lasting = engine.LastingFile(
                answer.headers if answer.status == 200 else representation.whole_fields(),
                representation.unchanged(),
                representation.partial(),
                representation.etag,
                witnesses,
                varies=_VARY in representation.shared,
            )
        return answer

    def _opened(self, names: list[bytes]) -> tuple[int, os.stat_result]:
        return with_status(self._open(self._root, names) if names else os.open(self._root, os.O_RDONLY))

    def _representation(
        self,
        descriptor: int,
        status: os.stat_result,
        names: list[bytes],
        segments: list[str],
        head: http1.RequestHead,
    ) -> tuple[Representation, tuple[engine.Witness, ...]]:
        """The form of the file that the client likes best, and all that was looked at to find it.
        ``descriptor``, which is of the file, is closed where another one takes its place."""
        path = b"/".join([self._root, *names])
        beside = look_beside(path) if self._precompressed else ()
        codings = current_codings(beside, status)
        witnesses = {path: status, **dict(beside)}
        shared = [("Cache-Control", self._policy.field("/" + "/".join(segments)))]
        coding = ""
        if codings:
            shared.append(_VARY)
            coding = preferred_coding(head.get("accept-encoding"), codings) or ""
            form = self._form([*names[:-1], names[-1] + SUFFIXES[coding]]) if coding else None
            if form is None:
                coding = ""
            else:
                os.close(descriptor)
                descriptor, status = form
                witnesses[path + SUFFIXES[coding]] = status
        representation = Representation(
            descriptor, status, media_type(segments[-1]), coding=coding, shared=shared, own=[_NOSNIFF]
        )
        return representation, tuple(witnesses.items())

    def _form(self, names: list[bytes]) -> tuple[int, os.stat_result] | None:
        """A compressed form of a file; None if it is gone in between, or not for us."""
        try:
            descriptor, status = self._opened(names)
        except OSError:
            return None
        if stat.S_ISREG(status.st_mode):
            return descriptor, status
        os.close(descriptor)
        return None

    # -- without Python -------------------------------------------------------------------------

    def terms(self, compression: Compression | None) -> engine.FolderTerms | None:
        """By which the compiled engine finds files here by itself, on a mount with ``compression``; None
        where there is a rule that it does not read."""
        index = self._index[0] if self._index else ""
        if (
            not index.isascii()
            or "/" in index
            or not all(_is_star_pattern(r.pattern) for r in self._policy.rules)
        ):
            return None

        def is_coded(content_type: str) -> bool:
            return compression is not None and compression.wants(content_type)

        shared = [("Cache-Control", self._policy.otherwise)]
        plain = _fields("", shared)
        return engine.FolderTerms(
            root=self._root,
            index=index,
            dotfiles=self._dotfiles,
            follow_links=self._open is open_anywhere,
            precompressed=self._precompressed,
            types=tuple((suffix, type_, is_coded(type_)) for suffix, type_ in MEDIA_TYPES.items()),
            other_type=(UNKNOWN, is_coded(UNKNOWN)),
            coded_from=compression.least if compression is not None else 0,
            level=compression.level if compression is not None else 0,
            rules=tuple((rule.pattern, rule.is_path, rule.value) for rule in self._policy.rules),
            otherwise=self._policy.otherwise,
            for_hashed=self._policy.for_hashed,
            fields=(
                plain,
                (varying(plain[0]), varying(plain[1]), varying(plain[2])),
                coded_fields(plain[0], plain[1], "gzip"),
                _fields("", [*shared, _VARY]),
                _fields("gzip", [*shared, _VARY]),
            ),
        )

    # -- listings -------------------------------------------------------------------------------

    def _list(self, segments: list[str], head: http1.RequestHead, url_path: str) -> Answer | None:
        names = _names(segments)
        folder = self._open_folder(names)
        if folder is None:
            return None
        try:
            entries, is_cut = entries_of(
                folder, self._is_visible, lambda name: self._look([*names, name]), self._listing_max
            )
        finally:
            os.close(folder)
        return listing_answer(url_path, entries, is_cut=is_cut, is_top=not names, accept=accept_of(head))

    def _open_folder(self, names: list[bytes]) -> int | None:
        try:
            descriptor, status = self._opened(names)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return None
            raise
        if stat.S_ISDIR(status.st_mode):
            return descriptor
        os.close(descriptor)
        return None

    def _is_visible(self, name: bytes) -> bool:
        return b"\\" not in name and (
            self._dotfiles or not _is_hidden(name.decode("utf-8", "surrogateescape"))
        )

    def _look(self, names: list[bytes]) -> os.stat_result | None:
        try:
            descriptor, status = self._opened(names)
        except OSError:
            return None
        os.close(descriptor)
        return status


def not_there(accept: str) -> Answer:
    """404 of a folder behind which nobody is asked."""
    return error_answer(404, "There is no such file.", accept=accept)


def error_pages() -> tuple[engine.ErrorPage, ...]:
    """What folders refuse, in words."""
    pages = []
    for media_type_ in TYPES:
        pages.append(_page(not_there(media_type_), media_type_))
        for shared in ([], [_VARY]):
            pages.append(_page(precondition_failed(media_type_, shared), media_type_, bool(shared)))
            beyond = range_not_satisfiable(media_type_, shared, _SOME_SIZE)
            pages.append(_page(beyond, media_type_, bool(shared), _SOME_SIZE))
    return tuple(pages)


def _page(answer: Answer, media_type_: str, has_forms: bool = False, size: int = 0) -> engine.ErrorPage:
    return engine.ErrorPage(answer.status, media_type_, answer.headers, answer.body, size, has_forms)


def _segments(path: str) -> list[str] | None:
    """The names that ``path`` leads through; None for a path that no client needs to send.

    Backslashes separate on Windows and in the eyes of browsers; empty segments and those of dots
    would give one file many names.
    """
    if "\0" in path or "\\" in path:
        return None
    if path in ("", "/"):
        return []
    segments = path.removeprefix("/").removesuffix("/").split("/")
    return None if any(segment in ("", ".", "..") for segment in segments) else segments


def _names(segments: list[str]) -> list[bytes]:
    """Names of files are bytes, whatever the locale of the process makes of them."""
    return [segment.encode("utf-8", "surrogateescape") for segment in segments]


def _fields(coding: str, shared: http1.Headers) -> tuple[http1.Headers, http1.Headers, http1.Headers]:
    """Of 200, 304 and 206 of some file."""
    some = Representation(-1, os.stat(os.sep), UNKNOWN, coding=coding, shared=shared, own=[_NOSNIFF])
    return some.whole_fields(), some.unchanged(), some.partial()


def _is_star_pattern(pattern: str) -> bool:
    """Whether nothing in it but ``*`` stands for something else."""
    return pattern.isascii() and not any(character in pattern for character in "?[")


def _is_hidden(name: str) -> bool:
    return name.startswith(".") and name != _WELL_KNOWN


def _redirect(url_path: str, query: str) -> Answer:
    # One slash in front: "//host/" would be another site (RFC 3986 section 4.2).
    path = url_path.strip("/").encode("utf-8", "surrogateescape")
    return redirect(301, f"/{quote_path(path)}/", query)


def _failure(error: OSError, head: http1.RequestHead) -> Answer:
    accept = head.get("accept") or ""
    if error.errno in _FORBIDDEN:
        return error_answer(403, "The server's user may not read this file.", accept=accept)
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        retry = [("Retry-After", "1")]
        return error_answer(503, "Too many files are open.", accept=accept, extra_headers=retry)
    return error_answer(500, f"The file cannot be read: {error.strerror}.", accept=accept)
