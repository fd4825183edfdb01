"""An open file as what a request is answered with: whole, in part, or not again.

Made by the static files and for files that applications name; for any thread.  Conditions come
first, then Range, in the order of RFC 9110 section 13.2.2.
"""

from __future__ import annotations

import io
import os
from functools import lru_cache
from time import time
from typing import TYPE_CHECKING

from skitai._httpdate import format_date
from skitai._kernels import http1
from skitai._lazy import LazyModule
from skitai.core.answer import Answer
from skitai.core.conditional import evaluate, range_holds
from skitai.core.errorpages import accept_of, error_answer
from skitai.core.ranges import Span, content_range, multipart, wanted_spans

if TYPE_CHECKING:
    import hashlib
else:
    hashlib = LazyModule("hashlib")  # and with it libcrypto, of 3.3 MiB

__all__ = ["Representation", "precondition_failed", "range_not_satisfiable"]


class Representation:
    __slots__ = ("_modified", "coding", "content_type", "descriptor", "etag", "own", "shared", "size")

    def __init__(
        self,
        descriptor: int,
        status: os.stat_result,
        content_type: str,
        *,
        coding: str = "",
        shared: http1.Headers,
        own: http1.Headers,
    ) -> None:
        """``descriptor``: of a file with ``status``, as ``content_type`` with ``coding`` (empty: as it is).

        ``shared``: fields that caches are told with 304 too (RFC 9110 section 15.4.5), as Cache-Control and
        Vary; ``own``: further ones of 200 and 206.
        """
        self.descriptor = descriptor
        self.size = status.st_size
        self.etag = _entity_tag(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size, coding)
        self.content_type = content_type
        self.coding = coding
        self.shared = shared
        self.own = own
        # A date in the future is replaced by now (RFC 9110 section 8.8.2.1).
        self._modified = max(0, min(status.st_mtime_ns // 1_000_000_000, int(time())))

    def answer(self, head: http1.RequestHead, ranges_max: int) -> Answer:
        """To a GET or HEAD.  The descriptor is closed, or is the answer's ``file``.

        ``ranges_max``: see `skitai.limits`.
        """
        try:
            answer = self._answer(head, ranges_max)
        except BaseException:
            os.close(self.descriptor)
            raise
        if answer.file is None:
            os.close(self.descriptor)
        return answer

    def whole(self, status: int = 200) -> Answer:
        return Answer(status, self.whole_fields(), file=self._file(), count=self.size)

    def whole_fields(self) -> http1.Headers:
        """The fields of 200."""
        return self.fields(("Content-Type", self.content_type), ("Content-Length", str(self.size)))

    def fields(self, *content: tuple[str, str]) -> http1.Headers:
        """Those of 200 and 206, ``content`` among them: type and length, where they are not as usual."""
        coding = [("Content-Encoding", self.coding)] if self.coding else []
        return [
            *content,
            *coding,
            ("Last-Modified", format_date(self._modified)),
            ("ETag", self.etag),
            ("Accept-Ranges", "bytes"),
            *self.shared,
            *self.own,
        ]

    def partial(self) -> http1.Headers:
        """The fields of 206 for one range, but for Content-Range and Content-Length."""
        return self.fields(("Content-Type", self.content_type))

    def unchanged(self) -> http1.Headers:
        """The fields of 304: only what the client's cache may have to update."""
        return [("ETag", self.etag), *self.shared]

    def _answer(self, head: http1.RequestHead, ranges_max: int) -> Answer:
        verdict = evaluate(head, self.etag, self._modified)
        if verdict == 412:
            return precondition_failed(accept_of(head), self.shared)
        if verdict == 304:
            # Open, to be kept ready.
            return Answer(304, self.unchanged(), file=self._file(), spared=self.whole_fields())
        wanted = head.get("range") if head.method == "GET" else None
        if wanted is None or not range_holds(head.get("if-range"), self.etag, self._modified, time()):
            return self.whole()
        spans = wanted_spans(wanted, self.size, ranges_max)
        if spans is None:
            return self.whole()
        if not spans:
            return range_not_satisfiable(accept_of(head), self.shared, self.size)
        if len(spans) == 1:
            return self._part(spans[0])
        # Content-Encoding of a multipart body would be said of the whole of it, and clients differ
        # about what it means then.
        return self.whole() if self.coding else self._several(spans)

    def _part(self, span: Span) -> Answer:
        headers = self.fields(
            ("Content-Type", self.content_type),
            ("Content-Length", str(span.count)),
            ("Content-Range", content_range(span, self.size)),
        )
        return Answer(206, headers, file=self._file(), offset=span.offset, count=span.count)

    def _several(self, spans: list[Span]) -> Answer:
        boundary = os.urandom(16).hex()
        parts, length = multipart(spans, self.size, self.content_type, boundary)
        headers = self.fields(
            ("Content-Type", f"multipart/byteranges; boundary={boundary}"),
            ("Content-Length", str(length)),
        )
        return Answer(206, headers, file=self._file(), parts=parts, spared=self.whole_fields())

    def _file(self) -> io.FileIO:
        return io.FileIO(self.descriptor)


def precondition_failed(accept: str, shared: http1.Headers) -> Answer:
    """412 for a file with these ``shared`` fields."""
    return error_answer(412, "The file is another one by now.", accept=accept, extra_headers=_vary(shared))


def range_not_satisfiable(accept: str, shared: http1.Headers, size: int) -> Answer:
    """The same with 416."""
    length = ("Content-Range", f"bytes */{size}")
    why = f"The file has {size} bytes, none of those."
    return error_answer(416, why, accept=accept, extra_headers=[*_vary(shared), length])


def _vary(shared: http1.Headers) -> http1.Headers:
    return [item for item in shared if item[0].lower() == "vary"]


@lru_cache(maxsize=4096)
def _entity_tag(device: int, inode: int, mtime_ns: int, size: int, coding: str) -> str:
    """Strong: another file, another time, another size or another coding is another tag.  Hashed,
    because numbers of inodes are nobody's business (CVE-2003-1418)."""
    identity = f"{device} {inode} {mtime_ns} {size} {coding}".encode("ascii")
    return f'"{hashlib.blake2b(identity, digest_size=12).hexdigest()}"'
