"""Files of a mounted folder as answers to GET and HEAD.

Called by the service in the loop thread, so nothing here may wait: fifos and devices are not
opened blocking, and the file itself is sent by the engine.  What lies outside the folder is never
opened (`skitai.core.beneath`), hidden names are not there at all.

A missing file is None and not 404: behind a folder there may be an application on the same path.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from time import time

from skitai._httpdate import format_date
from skitai._kernels import engine, http1
from skitai.core.answer import Answer
from skitai.core.beneath import open_beneath
from skitai.core.conditional import evaluate
from skitai.core.errorpages import error_answer
from skitai.core.mediatypes import media_type
from skitai.core.redirects import quote_path, redirect

__all__ = ["StaticFolder"]

#: Errors of open(2) that mean "no such file": not there, not a folder or a link astray,
#: a name no file can have, a socket.
_NOT_THERE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EMLINK, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO}
)
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})

#: Hidden names begin with a dot; this one is made for being asked for (RFC 8615).
_WELL_KNOWN = ".well-known"


class _No(Enum):
    """What was found instead of a file."""

    FILE = "nothing that is served"
    FOLDER = "a folder"


class StaticFolder:
    """The files beneath ``root``.  Immutable; for any thread."""

    def __init__(
        self, root: Path, *, max_age: int = 300, index: tuple[str, ...] = ("index.html", "index.htm")
    ) -> None:
        """``max_age``: seconds that clients may keep an answer without asking; ``index``: names of
        the file that is shown for its folder, first come first served.

        ``root`` is looked up by name at each request, so that a deployment may replace it.
        """
        self._root = os.fsencode(root.absolute())
        self._index = index
        self._cache_control = f"max-age={max_age}"

    def answer(self, path: str, head: http1.RequestHead, url_path: str) -> Answer | None:
        """The file at ``path``, a redirect to a folder's slash, 304 or an error; None if there is
        nothing to serve.

        ``path``: below the mount, percent-decoded once, UTF-8 with surrogateescape; with or
        without its first slash, empty for the mount itself.  ``url_path``: the whole path, decoded
        alike, for redirects.  ``head``: of a GET or HEAD request; its conditions are honoured.
        """
        segments = _segments(path)
        if segments is None:
            return None
        try:
            if path.endswith("/"):
                return self._index_of(segments, head)
            return self._at(segments, head, url_path)
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
        # Bytes: names of files are bytes, whatever the locale of the process makes of them.
        names = [segment.encode("utf-8", "surrogateescape") for segment in segments]
        try:
            descriptor = open_beneath(self._root, names)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return _No.FILE
            raise
        taken_over = False
        try:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                return _No.FOLDER
            if not stat.S_ISREG(status.st_mode):
                return _No.FILE
            path = b"/".join([self._root, *names])
            answer = self._represent(descriptor, status, path, segments[-1], head)
            taken_over = answer.file is not None
            return answer
        finally:
            if not taken_over:
                os.close(descriptor)

    def _represent(
        self, descriptor: int, status: os.stat_result, path: bytes, name: str, head: http1.RequestHead
    ) -> Answer:
        # A date in the future is replaced by now (RFC 9110 section 8.8.2.1).
        modified = max(0, min(status.st_mtime_ns // 1_000_000_000, int(time())))
        etag = _entity_tag(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
        verdict = evaluate(head, etag, modified)
        if verdict == 412:
            return error_answer(412, "The file is another one by now.", accept=head.get("accept") or "")
        # Only what the client's cache may have to update (RFC 9110 section 15.4.5).
        unchanged = [("ETag", etag), ("Cache-Control", self._cache_control)]
        if verdict == 304:
            return Answer(304, unchanged)
        headers = [
            ("Content-Type", media_type(name)),
            ("Content-Length", str(status.st_size)),
            ("Last-Modified", format_date(modified)),
            ("ETag", etag),
            ("Cache-Control", self._cache_control),
            ("X-Content-Type-Options", "nosniff"),
        ]
        lasting = engine.LastingFile(headers, unchanged, None, etag, ((path, status),))
        return Answer(200, headers, file=io.FileIO(descriptor), count=status.st_size, lasting=lasting)


def _segments(path: str) -> list[str] | None:
    """The names that ``path`` leads through; None for a path that no client needs to send.

    Backslashes separate on Windows and in the eyes of browsers; empty segments and dots would
    give one file many names.
    """
    if "\0" in path or "\\" in path:
        return None
    if path in ("", "/"):
        return []
    segments = path.removeprefix("/").removesuffix("/").split("/")
    for segment in segments:
        if not segment or (segment[0] == "." and segment != _WELL_KNOWN):
            return None
    return segments


@lru_cache(maxsize=4096)
def _entity_tag(device: int, inode: int, mtime_ns: int, size: int) -> str:
    """Strong: another file, another time or another size is another tag.  Hashed, because numbers
    of inodes are nobody's business (CVE-2003-1418)."""
    return f'"{blake2b(b"%d %d %d %d" % (device, inode, mtime_ns, size), digest_size=12).hexdigest()}"'


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
