"""Content codings of answers undone (RFC 9110 section 8.4), never more at a time than is asked for.

    made = decoder(head.get("content-encoding", ""))    # None: the body is what it is
    body = made.push(data, limit)                       # at most `limit` bytes of it
    while made.pending:                                 # it was all that was allowed: there may be more
        body = made.push(b"", limit)
    made.end()                                          # behind the last push

A few bytes can stand for gigabytes (a bomb: 1 to 1000 with gzip, 1 to 10000 and more with br and zstd).  So
only libraries are used that can be stopped in the midst of their output, and each gives a block of 64 KiB at
a time: what is kept beside what was asked for is such a block for each coding, the bytes that came, and the
window of the coding (32 KiB; br at most 16 MiB; zstd 8 MiB, as RFC 9659 bounds it for HTTP).

    gzip, x-gzip    several members too; what stands behind the last one and is none is ignored
    deflate         the zlib format (RFC 1950), and raw deflate, which some servers send under this name
    br              brotli or brotlicffi, from 1.2 on: older ones cannot be stopped
    zstd            compression.zstd (Python 3.14) or backports.zstd; zstandard cannot be stopped

ISA-L takes 0.37 of zlib's time for 380 KB of text, and 0.9 of it for 2 KB of JSON, where half is the making
of the stream; so it is taken where it is installed, and zlib-ng before zlib.

`ACCEPTED` is what we say in Accept-Encoding.

A decoder belongs to one answer; the loop thread works it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Final, Protocol

from skitai._kernels import coders
from skitai.errors import RemoteProtocolError

__all__ = ["ACCEPTED", "Decoder", "decoder"]

#: Bytes that a coding gives at a time.
_BLOCK: Final = 65536
#: brotli looks at its limit only where a buffer is full, and makes each twice the size of the last one: up to
#: here it stays with the first.
_BROTLI_BLOCK: Final = 32752
#: Members of gzip, and frames of zstd, in one body.  Each begins a stream, which costs more than its bytes.
_MEMBERS_MAX: Final = 1000
#: Codings one over the other; nobody has a use for two.
_CODINGS_MAX: Final = 5
_GZIP: Final = 16 + zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS
#: RFC 9659 section 3: a decoder of content codings need not take more than 8 MiB.
_ZSTD_WINDOW_LOG_MAX: Final = 23

_inflating = coders.installed("isal.isal_zlib", "zlib_ng.zlib_ng") or zlib
_brotli = coders.installed("brotli", "brotlicffi")
_zstd = coders.installed("compression.zstd", "backports.zstd")


class _Stage(Protocol):
    """One coding undone."""

    def feed(self, data: bytes) -> None:
        """The next bytes; only when `read` has given all that it can."""

    def read(self) -> bytes:
        """The next block; empty: more must be fed.  Raises what its library does."""

    @property
    def is_complete(self) -> bool:
        """The body may end here."""


class _Members:
    """gzip members or zstd frames, one behind the other; or one stream of deflate."""

    __slots__ = ("_begin", "_begun", "_input", "_is_over", "_magic", "_stream")

    def __init__(self, begin: Callable[[], Any], magic: bytes | None) -> None:
        """``begin()`` makes a stream of the library.  ``magic``: how each further member begins; bytes that
        begin otherwise mean nothing, and None is a coding of one member."""
        self._begin = begin
        self._begun = 0
        self._input = b""
        self._is_over = False
        self._magic = magic
        #: None between two members.
        self._stream: Any = None

    def feed(self, data: bytes) -> None:
        self._input = data

    @property
    def is_complete(self) -> bool:
        return self._stream is None

    def read(self) -> bytes:
        while self._stream is not None or self._begin_member():
            stream = self._stream
            block: bytes = stream.decompress(self._input, _BLOCK)
            # zstd keeps what it did not come to; zlib gives it back.
            self._input = getattr(stream, "unconsumed_tail", b"")
            if stream.eof:
                self._input, self._stream = stream.unused_data, None
            if block or not self._input:
                return block
        return b""

    def _begin_member(self) -> bool:
        if not self._input or self._is_over:
            return False
        if self._begun and (self._magic is None or not self._input.startswith(self._magic)):
            self._is_over = True
            return False
        if self._begun == _MEMBERS_MAX:
            raise RemoteProtocolError(f"a body of more than {_MEMBERS_MAX} compressed members", status=502)
        self._begun += 1
        self._stream = self._begin()
        return True


class _Deflate(_Members):
    """Which of the two formats it is, the first two bytes say."""

    __slots__ = ("_head",)

    def __init__(self) -> None:
        super().__init__(lambda: _inflating.decompressobj(self._bits()), None)
        self._head = b""

    def feed(self, data: bytes) -> None:
        if len(self._head) < 2:
            self._head = data = self._head + data
            if len(data) < 2:
                return
        super().feed(data)

    @property
    def is_complete(self) -> bool:
        return super().is_complete and len(self._head) != 1

    def _bits(self) -> int:
        # RFC 1950 section 2.2: the method is 8, and both bytes together are a multiple of 31.  Raw deflate
        # begins so only with bits in the padding of a stored block, which no encoder sets.
        first, second = self._head[:2]
        is_zlib = first & 0x0F == 8 and (first << 8 | second) % 31 == 0
        return zlib.MAX_WBITS if is_zlib else _RAW


class _Brotli:
    __slots__ = ("_has_begun", "_input", "_stream")

    def __init__(self) -> None:
        self._has_begun = False
        self._input = b""
        self._stream = _brotli.Decompressor()

    def feed(self, data: bytes) -> None:
        self._input = data
        self._has_begun = True

    @property
    def is_complete(self) -> bool:
        return not self._has_begun or bool(self._stream.is_finished())

    def read(self) -> bytes:
        data, self._input = self._input, b""
        block: bytes = self._stream.process(data, output_buffer_limit=_BROTLI_BLOCK)
        return block


def _gzip() -> _Stage:
    return _Members(lambda: _inflating.decompressobj(_GZIP), b"\x1f")


def _zstd_frames() -> _Stage:
    options = {_zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG_MAX}
    return _Members(lambda: _zstd.ZstdDecompressor(options=options), b"")


#: By name, what undoes a coding; and what the libraries raise.
_STAGES: Final[dict[str, Callable[[], _Stage]]] = {"gzip": _gzip, "deflate": _Deflate}
_ERRORS: tuple[type[Exception], ...] = (zlib.error, _inflating.error)
if _brotli is not None and hasattr(_brotli.Decompressor, "can_accept_more_data"):
    _STAGES["br"] = _Brotli
    _ERRORS += (_brotli.error,)
if _zstd is not None:
    _STAGES["zstd"] = _zstd_frames
    _ERRORS += (_zstd.ZstdError,)

#: RFC 9110 section 8.4.1.3.
_ALIASES: Final = {"x-gzip": "gzip"}

#: The value of Accept-Encoding.
ACCEPTED: Final = ", ".join(_STAGES)


class Decoder:
    """The codings of one body, undone in turn: the last one that was applied comes first."""

    __slots__ = ("_codings", "_held", "_received", "_stages", "pending")

    def __init__(self, codings: list[str]) -> None:
        """``codings``: as Content-Encoding lists them, all of them known."""
        self._codings = codings
        self._stages = [_STAGES[coding]() for coding in reversed(codings)]
        #: Came, and was not asked for yet.
        self._received = b""
        #: Came out, and was more than what was asked for.
        self._held = b""
        #: The last push gave all that it was allowed to: there may be more, without more data.
        self.pending = False

    def push(self, data: bytes, limit: int) -> bytes:
        """The next bytes of the body, at most ``limit`` (from 1 on), when ``data`` has come.

        Raises:
            RemoteProtocolError: it is not what Content-Encoding says.
        """
        self._received += data
        blocks = [self._held]
        size = len(self._held)
        try:
            while size < limit and (block := self._next(len(self._stages) - 1)):
                blocks.append(block)
                size += len(block)
        except _ERRORS as error:
            raise RemoteProtocolError(
                f"the body is not coded as Content-Encoding says ({', '.join(self._codings)}): {error}",
                status=502,
                rule="RFC 9110 section 8.4",
            ) from error
        self.pending = size >= limit
        last = blocks[-1]
        fits = len(last) - max(0, size - limit)
        blocks[-1], self._held = last[:fits], last[fits:]
        return b"".join(blocks)

    def end(self) -> None:
        """The last data was pushed, and nothing is pending.

        Raises:
            RemoteProtocolError: there should be more.
        """
        if not all(stage.is_complete for stage in self._stages):
            raise RemoteProtocolError(
                f"the body ends in the midst of its coding ({', '.join(self._codings)})",
                status=502,
                rule="RFC 9110 section 8.4",
            )

    def _next(self, index: int) -> bytes:
        """The next block of one stage, which is fed with those of the stage before."""
        stage = self._stages[index]
        while not (block := stage.read()):
            if index == 0:
                fed, self._received = self._received, b""
            else:
                fed = self._next(index - 1)
            if not fed:
                return b""
            stage.feed(fed)
        return block


def decoder(content_encoding: str) -> Decoder | None:
    """For a body with this field; None if there is nothing to undo, or something that we cannot.

    Raises:
        RemoteProtocolError: more codings than anybody has a use for.
    """
    if not content_encoding:
        return None
    named = [name.strip().lower() for name in content_encoding.split(",")]
    codings = [_ALIASES.get(name, name) for name in named if name not in ("", "identity")]
    if not codings or not all(coding in _STAGES for coding in codings):
        return None
    if len(codings) > _CODINGS_MAX:
        raise RemoteProtocolError(f"a body of {len(codings)} content codings", status=502)
    return Decoder(codings)
