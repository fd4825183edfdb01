"""Content codings (RFC 9110 section 8.4): gzip, deflate, and br and zstd where somebody has installed them.

`CODINGS` has those that this process can make, in the order of our liking: at one level each is smaller, or
quicker, than those behind it.  What is not installed, or does not load, is not in it, and never offered:

    zstd      compression.zstd (Python 3.14), backports.zstd, zstandard     RFC 8878
    br        brotli, brotlicffi                                            RFC 7932
    gzip      zlib; in its place ISA-L and zlib-ng where they are better    RFC 1952
    deflate   the same: the zlib format (RFC 1950), never raw deflate

A level is one of 1 (quick) to 9 (small) for all of them, and means about the same time: zlib's own levels are
the scale, the others are mapped onto it.  Measured with 20 KiB of JSON, in microseconds and bytes:

    level     zlib          isal          zlib-ng       br           zstd
    1         65   6253     39   5976     -             61   6295    62   5732
    4         106  5869     87   5866     109  5645     96   5548    92   5593
    6         250  5585     -             163  5471     213  5475    229  5508
    9         633  5509     -             219  5554     393  5378    545  5308

With 138 KB of source code ISA-L takes a fifth to a sixth of zlib's time at levels 1 to 4, and is at most 5 %
larger; it has nothing to offer above.  zlib-ng takes 0.4 to 0.7 of it; but its level 1 is a quarter larger.

A stream takes 128 KiB (gzip, deflate) to 800 KiB (br, zstd), for as long as its response lasts: windows are
bounded, which costs 5 % where text repeats itself over more than that.  All libraries let go of the GIL for
as long as they compress.  A coder of our own in C that kept zlib's state for the next response would save
3 us of 9 for 1 KB of JSON and 10 us of 60 for 20 KiB, less than ISA-L does, and hold that memory for ever.

A coder belongs to one response and is used by one thread at a time; all else here is for any thread, and the
same module in both builds.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol

__all__ = ["CODINGS", "Coder", "Coding", "ZlibCoder", "installed"]


class Coder(Protocol):
    """A content coding at work on one body."""

    def push(self, data: bytes) -> bytes:
        """The next piece of the body, coded.

        All of it: a client that has got the result can show ``data``.  So a page that an application
        yields in parts appears in parts; whoever has the parts at hand joins them first, since each
        push costs about 5 bytes and some compression.
        """

    def end(self) -> bytes:
        """The last bytes; nothing is pushed behind them."""


@dataclass(frozen=True, slots=True)
class Coding:
    """``whole(data, level)`` codes a body that is there; ``begin(level)`` one that comes in pieces.
    ``library`` is the module that does it."""

    name: str
    library: str
    whole: Callable[[bytes, int], bytes]
    begin: Callable[[int], Coder]


def installed(*modules: str) -> Any:
    """The first of ``modules`` that loads; None if none does."""
    for name in modules:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


_isal = installed("isal.isal_zlib")
_zlib_ng = installed("zlib_ng.zlib_ng")
_brotli = installed("brotli", "brotlicffi")
_zstd = installed("compression.zstd", "backports.zstd")
_zstandard: Any = None if _zstd else installed("zstandard")

#: By level: the module in zlib's place and its own level; `zlib` itself for all others.
_ZLIBS: dict[int, tuple[Any, int]] = {}
if _zlib_ng is not None:
    _ZLIBS |= {level: (_zlib_ng, level) for level in range(2, 10)}
if _isal is not None:
    _ZLIBS |= {1: (_isal, 2), 2: (_isal, 2), 3: (_isal, 3), 4: (_isal, 3)}
#: By level, from 1: the same measure of time in other libraries' units.
_BROTLI_QUALITIES = (1, 2, 3, 3, 4, 4, 5, 5, 6)
_ZSTD_LEVELS = (1, 1, 2, 3, 4, 5, 6, 7, 9)
#: 256 KiB; larger windows would take megabytes for each response that is on its way.
_WINDOW_LOG = 18


class ZlibCoder:
    """``gzip``, or ``deflate``.  The gzip header bears no time: equal bodies give equal bytes."""

    __slots__ = ("_stream", "_sync")

    # 128 KiB for both, half of zlib's own choice: it is no slower, and the result is up to 5 % larger
    # (400 KiB of source code), mostly not (JSON).
    _WINDOW_BITS = 14  # 4 << 14 = 64 KiB
    _MEMORY_LEVEL = 7  # 512 << 7 = 64 KiB
    _GZIP = 16  # zlib's sign, added to the window bits

    def __init__(self, coding: Literal["gzip", "deflate"], level: int) -> None:
        library, own_level = _ZLIBS.get(level, (zlib, level))
        bits = self._WINDOW_BITS + (self._GZIP if coding == "gzip" else 0)
        self._stream = library.compressobj(own_level, zlib.DEFLATED, bits, self._MEMORY_LEVEL)
        self._sync = library.Z_SYNC_FLUSH

    def push(self, data: bytes) -> bytes:
        if not data:
            return b""
        coded: bytes = self._stream.compress(data) + self._stream.flush(self._sync)
        return coded

    def end(self) -> bytes:
        coded: bytes = self._stream.flush()
        return coded

    def whole(self, data: bytes) -> bytes:
        coded: bytes = self._stream.compress(data)
        return coded + self.end()


class _BrotliCoder:
    __slots__ = ("_stream",)

    def __init__(self, level: int) -> None:
        quality = _BROTLI_QUALITIES[level - 1]
        self._stream = _brotli.Compressor(quality=quality, lgwin=_WINDOW_LOG)

    def push(self, data: bytes) -> bytes:
        if not data:
            return b""
        coded: bytes = self._stream.process(data) + self._stream.flush()
        return coded

    def end(self) -> bytes:
        coded: bytes = self._stream.finish()
        return coded


class _ZstdCoder:
    """By the standard library, or what brings it to older Pythons."""

    __slots__ = ("_stream",)

    def __init__(self, level: int) -> None:
        self._stream = _zstd.ZstdCompressor(options=_zstd_options(level))

    def push(self, data: bytes) -> bytes:
        if not data:
            return b""
        coded: bytes = self._stream.compress(data, self._stream.FLUSH_BLOCK)
        return coded

    def end(self) -> bytes:
        coded: bytes = self._stream.flush()
        return coded


class _ZstandardCoder:
    __slots__ = ("_stream",)

    def __init__(self, level: int) -> None:
        self._stream = _zstandard_compressor(level).compressobj()

    def push(self, data: bytes) -> bytes:
        if not data:
            return b""
        coded: bytes = self._stream.compress(data) + self._stream.flush(_zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        return coded

    def end(self) -> bytes:
        coded: bytes = self._stream.flush()
        return coded


def _zstd_options(level: int) -> dict[Any, int]:
    known = _zstd.CompressionParameter
    return {known.compression_level: _ZSTD_LEVELS[level - 1], known.window_log: _WINDOW_LOG}


def _zstandard_compressor(level: int) -> Any:
    made = _zstandard.ZstdCompressionParameters.from_level(_ZSTD_LEVELS[level - 1], window_log=_WINDOW_LOG)
    return _zstandard.ZstdCompressor(compression_params=made)


def _brotli_whole(data: bytes, level: int) -> bytes:
    quality = _BROTLI_QUALITIES[level - 1]
    coded: bytes = _brotli.compress(data, quality=quality, lgwin=_WINDOW_LOG)
    return coded


def _zstd_whole(data: bytes, level: int) -> bytes:
    coded: bytes = _zstd.compress(data, options=_zstd_options(level))
    return coded


def _zstandard_whole(data: bytes, level: int) -> bytes:
    coded: bytes = _zstandard_compressor(level).compress(data)
    return coded


def _made_by_zlib(name: Literal["gzip", "deflate"]) -> Coding:
    library = ", ".join(module.__name__ for module in (_isal, _zlib_ng, zlib) if module is not None)
    return Coding(
        name,
        library,
        lambda data, level: ZlibCoder(name, level).whole(data),
        lambda level: ZlibCoder(name, level),
    )


def _all() -> dict[str, Coding]:
    found = []
    if _zstd is not None:
        found.append(Coding("zstd", _zstd.__name__, _zstd_whole, _ZstdCoder))
    elif _zstandard is not None:
        found.append(Coding("zstd", _zstandard.__name__, _zstandard_whole, _ZstandardCoder))
    if _brotli is not None:
        found.append(Coding("br", _brotli.__name__, _brotli_whole, _BrotliCoder))
    found += [_made_by_zlib("gzip"), _made_by_zlib("deflate")]
    return {coding.name: coding for coding in found}


#: By name, those that we like best first.
CODINGS: Mapping[str, Coding] = MappingProxyType(_all())
