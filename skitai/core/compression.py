"""Which responses are compressed for their clients, and what their heads say then.

Asked by whoever has a response of a mount with ``compress = yes``: the gateway for applications, `codedfiles`
for files, the compiled lane for what it answers itself.  Here is the decision; the coders are
`skitai._kernels.coders`.

A response *could* be coded if its type is one of ``compress_types``, its body is not known to be shorter
than ``compress_min``, and nothing below forbids it.  Every such response says ``Vary: Accept-Encoding``,
also one that goes out as it is, because a cache may have it for others (RFC 9110 section 12.5.5).  It *is*
coded if the client likes a coding that we have (`preferred_coding`).  Never:

    204, 304                                 no body
    206, Content-Range                       a part; it varies as the whole does (RFC 9110 section 14.4)
    Content-Encoding                         coded already; ``identity`` is how an application says no
    Cache-Control: no-transform              RFC 9111 section 5.2.2.6
    Content-Digest, Repr-Digest, Digest,     digests of other bytes than those that we would send
    Content-MD5                              (RFC 9530 sections 2 and 3)

A coded response has lost Content-Length, which whoever codes may know anew, and Accept-Ranges, and its
strong ETag has become a weak one: the same content in other bytes (RFC 9110 section 8.8.1).  A client that
asks with that tag again gets a 304 with that tag, for a strong one would be of another response (RFC 9111
section 4.3.4).

HEAD has the fields of GET, but for Content-Length where GET would be coded.

Pure functions of any thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from skitai._kernels import coders, http1
from skitai.core.config import MountSettings
from skitai.core.negotiation import preferred_coding

__all__ = [
    "CODED_AT_ONCE_MAX",
    "CodedBody",
    "Coding",
    "Compression",
    "blocks",
    "coded_fields",
    "compression_of",
    "takes_long",
    "varying",
    "weakened",
]

#: A body up to this is compressed where quick work is done, in the engine's loop: less than a millisecond.
#: It is also what coders of longer ones are given at once.
CODED_AT_ONCE_MAX = 65536
_BODILESS = frozenset({204, 304})
_FORBIDDING = frozenset({"content-encoding", "content-digest", "repr-digest", "digest", "content-md5"})
_ACCEPT_ENCODING = "Accept-Encoding"
#: Values of Content-Type that are remembered: applications have few, but may make them of what comes.
_TYPES_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Coding:
    """One of `coders.CODINGS`, at a mount's level."""

    made_by: coders.Coding
    level: int

    def whole(self, body: bytes) -> bytes:
        return self.made_by.whole(body, self.level)

    def begin(self) -> coders.Coder:
        return self.made_by.begin(self.level)


class CodedBody:
    """A `coders.Coder` that has done its work: it was given the whole body before the first push."""

    __slots__ = ("_coded", "size")

    def __init__(self, coded: bytes) -> None:
        self._coded = coded
        self.size = len(coded)

    def push(self, data: bytes) -> bytes:
        coded, self._coded = self._coded, b""
        return coded

    def end(self) -> bytes:
        return b""


class Compression:
    """What one mount says about it."""

    __slots__ = ("_codings", "_known", "_types", "least", "level")

    def __init__(self, level: int, least: int, types: tuple[str, ...]) -> None:
        """``level``: see `coders`; ``least``: bytes; ``types``: as in ``compress_types``."""
        self.level = level
        #: Made with the first body that is coded: their libraries take a MiB.
        self._codings: dict[str, Coding] = {}
        self.least = max(least, 1)  # an empty body never becomes shorter
        self._types = re.compile("|".join(re.escape(item).replace(r"\*", "[^/]*") for item in types))
        self._known: dict[str, bool] = {}

    def wants(self, content_type: str) -> bool:
        """Whether a value of Content-Type is among the types."""
        known = self._known.get(content_type)
        if known is None:
            bare = content_type.partition(";")[0].strip().lower()
            known = self._types.fullmatch(bare) is not None
            if len(self._known) < _TYPES_REMEMBERED:
                self._known[content_type] = known
        return known

    def settle(
        self, head: http1.RequestHead, status: int, headers: http1.Headers, size: int | None
    ) -> tuple[http1.Headers, Coding | None]:
        """The headers to be sent, and how the body of ``size`` bytes is coded: None is as it is.

        ``size``: None where nobody knows it.
        """
        if status == 304:
            has_coded = (_named_tag(head, headers) or "").startswith("W/")
            return weakened(headers) if has_coded else headers, None
        if not self._varies(status, headers, size):
            return headers, None
        name = _chosen(head.get("accept-encoding"), status, headers)
        return _varying(headers, name), self._coding(name) if name else None

    def code(
        self, accept_encoding: str | None, status: int, headers: http1.Headers, body: bytes
    ) -> tuple[http1.Headers, bytes]:
        """The same for a whole body, which is coded; without Content-Length in ``headers``."""
        if not self._varies(status, headers, len(body)):
            return headers, body
        name = _chosen(accept_encoding, status, headers)
        return _varying(headers, name), self._coding(name).whole(body) if name else body

    def _coding(self, name: str) -> Coding:
        made = self._codings.get(name)
        if made is None:
            made = self._codings[name] = Coding(coders.CODINGS[name], self.level)
        return made

    def unchanged(
        self, head: http1.RequestHead, headers: http1.Headers, spared: http1.Headers, size: int
    ) -> http1.Headers:
        """The headers of a 304 in the place of a 200 with ``spared`` and a body of ``size`` bytes: what that
        varies by (RFC 9110 section 15.4.5), and the tag that the client has named, or would get."""
        tag = _named_tag(head, headers)
        if tag is not None and tag.startswith("W/"):
            return weakened(headers)
        if not self.could_code(spared, size):
            return headers
        would_code = tag is None and _chosen(head.get("accept-encoding"), 200, spared) is not None
        return weakened(headers) if would_code else varying(headers)

    def could_code(self, headers: http1.Headers, size: int) -> bool:
        """Whether a 200 with ``headers`` and a body of ``size`` bytes is coded for clients that like it."""
        return self._varies(200, headers, size)

    def _varies(self, status: int, headers: http1.Headers, size: int | None) -> bool:
        if status in _BODILESS or (size is not None and size < self.least):
            return False
        wanted = False
        for name, value in headers:
            lower = name.lower()
            if lower == "content-type":
                wanted = self.wants(value)
            elif lower in _FORBIDDING or (lower == "cache-control" and _names("no-transform", value)):
                return False
        return wanted


@lru_cache(maxsize=256)  # one for all mounts that say the same
def _compression(level: int, least: int, types: tuple[str, ...]) -> Compression:
    return Compression(level, least, types)


def compression_of(options: MountSettings) -> Compression | None:
    """None where nothing is compressed."""
    if not options.compress:
        return None
    return _compression(options.compress_level, options.compress_min, options.compress_types)


def takes_long(compression: Compression | None, pieces: Any) -> bool:
    """Whether what an application gave as its body may be too much for the engine's loop."""
    if compression is None:
        return False
    return sum(len(piece) for piece in pieces if isinstance(piece, (bytes, str))) > CODED_AT_ONCE_MAX


def varying(headers: http1.Headers) -> http1.Headers:
    """The head of a response that could have been coded, and is not."""
    return _varying(headers, None)


def weakened(headers: http1.Headers) -> http1.Headers:
    """The head of a 304 for who has the coded form."""
    return _varying(
        [(name, _weak(value) if name.lower() == "etag" else value) for name, value in headers], None
    )


def coded_fields(
    whole: http1.Headers, unchanged: http1.Headers, coding: str
) -> tuple[http1.Headers, http1.Headers, None]:
    """Those of 200, 304 and 206 of what is coded whole, made of the uncoded ones: there are no parts."""
    length = [item for item in whole if item[0] == "Content-Length"]
    return [*_varying(whole, coding), *length], weakened(unchanged), None


def _chosen(accept_encoding: str | None, status: int, headers: http1.Headers) -> str | None:
    if status == 206 or any(name.lower() == "content-range" for name, _ in headers):
        return None
    return preferred_coding(accept_encoding, tuple(coders.CODINGS)) if accept_encoding else None


def _varying(headers: http1.Headers, coding: str | None) -> http1.Headers:
    """The head of a response that depends on Accept-Encoding; Content-Length comes last."""
    made: http1.Headers = []
    length: http1.Headers = []
    vary = None
    for name, value in headers:
        lower = name.lower()
        if lower == "content-length":
            length = [] if coding else [(name, value)]
        elif lower == "vary":
            vary = value if vary is None else f"{vary}, {value}"
        elif coding and lower == "etag":
            made.append((name, _weak(value)))
        elif not coding or lower != "accept-ranges":
            made.append((name, value))
    if coding:
        made.append(("Content-Encoding", coding))
    made.append(("Vary", _with_accept_encoding(vary)))
    return made + length


def _named_tag(head: http1.RequestHead, headers: http1.Headers) -> str | None:
    """The form of the strong ETag in ``headers`` that If-None-Match names, the strong one if both."""
    named = head.get("if-none-match") or ""
    for name, value in headers:
        if name.lower() == "etag" and not value.startswith("W/"):
            if re.search(f"(?<!W/){re.escape(value)}", named):
                return value
            if value in named:
                return _weak(value)
    return None


def _weak(etag: str) -> str:
    return etag if etag.startswith("W/") else f"W/{etag}"


def _with_accept_encoding(vary: str | None) -> str:
    if not vary:
        return _ACCEPT_ENCODING
    if _names("*", vary) or _names("accept-encoding", vary):
        return vary
    return f"{vary}, {_ACCEPT_ENCODING}"


def _names(word: str, field: str) -> bool:
    """Whether ``word`` (lower case) is an item of the list that ``field`` is."""
    return any(item.strip().lower() == word for item in field.split(","))


def blocks(pieces: list[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks that are worth a push of a coder, and not too long for one."""
    block: list[bytes] = []
    size = 0
    for piece in pieces:
        for start in range(0, len(piece), CODED_AT_ONCE_MAX):
            part = piece[start : start + CODED_AT_ONCE_MAX]
            block.append(part)
            size += len(part)
            if size >= CODED_AT_ONCE_MAX:
                yield b"".join(block)
                block, size = [], 0
    yield b"".join(block)
