"""Files that applications have sent for them: the fields X-Sendfile and X-Accel-Redirect.

The application decides who may have the file and says what it is; the server sends it, with conditions,
ranges and all.  Only for mounts with ``sendfile_roots``: elsewhere the fields go to the client, for a
proxy in front may be meant (nginx, Apache).  Used by the gateway, in the thread that has the request.

    X-Sendfile: /srv/files/a.pdf          the path of a file, its bytes as they are
    X-Accel-Redirect: /protected/a.pdf    a path below the prefix of a root, percent-encoded
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from skitai._kernels import http1, percent_decode
from skitai.core.answer import Answer
from skitai.core.beneath import open_beneath, with_status
from skitai.core.config import SendfileRoot
from skitai.core.mediatypes import media_type
from skitai.core.representation import Representation
from skitai.errors import HTTPError

__all__ = ["NamedFile", "SendfileRoots"]

_FIELDS = frozenset({"x-sendfile", "x-accel-redirect"})
#: Of the body that the file replaces.
_OF_THE_BODY = frozenset({"accept-ranges", "content-length", "content-range", "etag", "last-modified"})
#: What only the application knows of the file.
_OF_THE_FILE = frozenset({"content-encoding", "content-type"})
#: Said with 304 too (RFC 9110 section 15.4.5); cookies are the application's own wish.
_SHARED = frozenset({"cache-control", "content-location", "expires", "set-cookie", "vary"})
_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


@dataclass(frozen=True, slots=True)
class NamedFile:
    """What a field of an application asks for; ``headers`` are those of its response that stay."""

    roots: SendfileRoots
    field: str
    value: str
    headers: http1.Headers

    def answer(self, head: http1.RequestHead, status: int, warn: Callable[[str], None]) -> Answer:
        """The file in the place of a response with ``status``: with 200 conditions and ranges are
        honoured, with any other it is sent whole.

        Raises HTTPError: 404 for a file that is not there, 500 for one that may not be sent, of which
        ``warn(text)`` tells the operator.
        """
        return self.roots.answer(head, status, self, warn)


class SendfileRoots:
    """Those of one mount; immutable."""

    def __init__(self, roots: Iterable[SendfileRoot], ranges_max: int) -> None:
        """``ranges_max``: see `skitai.limits`."""
        self._roots = [(root.prefix, os.fsencode(root.folder.absolute())) for root in roots]
        self._ranges_max = ranges_max

    def named(self, status: int, headers: http1.Headers) -> NamedFile | None:
        """The file that the response with ``status`` and ``headers`` asks for."""
        for name, value in headers:
            if name.lower() in _FIELDS and status >= 200 and status not in (204, 304):
                rest = [item for item in headers if item[0].lower() not in _FIELDS | _OF_THE_BODY]
                return NamedFile(self, name, value, rest)
        return None

    def answer(
        self, head: http1.RequestHead, status: int, named: NamedFile, warn: Callable[[str], None]
    ) -> Answer:
        """For `NamedFile.answer`."""
        descriptor, file_status, name = self._open(named, warn)
        said = {field.lower(): value for field, value in named.headers if field.lower() in _OF_THE_FILE}
        representation = Representation(
            descriptor,
            file_status,
            said.get("content-type") or media_type(os.fsdecode(name)),
            coding=said.get("content-encoding", ""),
            shared=[item for item in named.headers if item[0].lower() in _SHARED],
            own=[item for item in named.headers if item[0].lower() not in _SHARED | _OF_THE_FILE],
        )
        if status == 200 and head.method in ("GET", "HEAD"):
            return representation.answer(head, self._ranges_max)
        return representation.whole(status)

    def _open(self, named: NamedFile, warn: Callable[[str], None]) -> tuple[int, os.stat_result, bytes]:
        place = self._place(named)
        if place is None:
            warn(f"{named.field}: {named.value} lies in none of the sendfile_roots of its mount")
            raise _refusal()
        root, segments = place
        try:
            descriptor, status = with_status(open_beneath(root, segments))
        except OSError as error:
            if error.errno in _MISSING:
                raise _nothing_there() from None
            warn(f"{named.field}: {named.value} cannot be opened ({error.strerror})")
            raise _refusal() from None
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise _nothing_there()
        return descriptor, status, segments[-1]

    def _place(self, named: NamedFile) -> tuple[bytes, list[bytes]] | None:
        is_uri = named.field.lower() == "x-accel-redirect"
        path = percent_decode(named.value.partition("?")[0]) if is_uri else named.value.encode("latin-1")
        for prefix, folder in self._roots:
            if bool(prefix) is not is_uri:
                continue
            start = (prefix.encode("utf-8") if is_uri else folder.rstrip(b"/")) + b"/"
            segments = [segment for segment in path[len(start) :].split(b"/") if segment]
            if path.startswith(start) and segments and not {b".", b".."} & {*segments} and b"\0" not in path:
                return folder, segments
        return None


def _refusal() -> HTTPError:
    return HTTPError(500, "The application named a file that is not sent; its error log says which.")


def _nothing_there() -> HTTPError:
    return HTTPError(404, "There is no such file.")
