"""Content codings: what each library makes can be read by others, piece by piece, at every level."""

from __future__ import annotations

import gc
import gzip
import os
import resource
import sys
import tracemalloc
import zlib
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skitai._pure import coders
from tests.decoding import decode, decoder

DATA = bytes(range(256)) * 1000
TEXT = b"".join(b'{"id": %d, "name": "user %d", "active": true}, ' % (n, n * n) for n in range(3000))

#: Each library that can make a coding, whichever of them `CODINGS` has.
LIBRARIES = ["zlib", "isal", "zlib_ng", "brotli", "zstd", "zstandard"]


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[coders.Coding]]:
    """What ``library`` makes, with the others out of its way."""
    name = request.param
    if name in ("zlib", "isal", "zlib_ng"):
        if name != "zlib" and getattr(coders, f"_{name}") is None:
            pytest.skip(f"{name} is not installed")
        theirs = {level: made for level, made in coders._ZLIBS.items() if made[0].__name__.startswith(name)}
        if name == "zlib_ng":  # at these levels ISA-L goes before it
            theirs |= {level: (coders._zlib_ng, level) for level in range(2, 5)}
        monkeypatch.setattr(coders, "_ZLIBS", {} if name == "zlib" else theirs)
        yield [coders._made_by_zlib("gzip"), coders._made_by_zlib("deflate")]
    elif name == "brotli":
        if coders._brotli is None:
            pytest.skip("neither brotli nor brotlicffi is there")
        yield [coders.CODINGS["br"]]
    elif name == "zstd":
        if coders._zstd is None:
            pytest.skip("neither compression.zstd nor backports.zstd is there")
        yield [coders.CODINGS["zstd"]]
    else:
        monkeypatch.setattr(coders, "_zstandard", pytest.importorskip("zstandard"))
        yield [coders.Coding("zstd", name, coders._zstandard_whole, coders._ZstandardCoder)]


PIECES = st.lists(st.binary(max_size=200) | st.just(b"abc" * 10_000) | st.just(b"{}, "), max_size=12)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=PIECES, level=st.integers(1, 9))
def test_each_piece_can_be_shown_when_it_has_come(
    library: list[coders.Coding], pieces: list[bytes], level: int
) -> None:
    for coding in library:
        coder, client = coding.begin(level), decoder(coding.name)
        for piece in pieces:
            assert client(coder.push(piece)) == piece
        assert client(coder.end()) == b""


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 30_000), max_size=6), level=st.integers(1, 9))
def test_any_cut_gives_the_same_body(library: list[coders.Coding], cuts: list[int], level: int) -> None:
    places = [0, *sorted(cuts), 30_000]
    for coding in library:
        coder = coding.begin(level)
        coded = b"".join(coder.push(TEXT[a:b]) for a, b in pairwise(places))
        assert decode(coding.name, coded + coder.end()) == TEXT[:30_000]


@pytest.mark.parametrize("data", [b"", b"x", TEXT, DATA], ids=["empty", "a byte", "text", "bytes"])
@pytest.mark.parametrize("level", range(1, 10))
def test_a_whole_body(library: list[coders.Coding], level: int, data: bytes) -> None:
    for coding in library:
        assert decode(coding.name, coding.whole(data, level)) == data


def test_an_empty_body_and_empty_pieces(library: list[coders.Coding]) -> None:
    for coding in library:
        coder = coding.begin(6)
        assert coder.push(b"") == b""
        assert decode(coding.name, coder.end()) == b""


def test_gzip_is_gzip_and_always_the_same(library: list[coders.Coding]) -> None:
    for coding in library:
        assert coding.whole(TEXT, 4) == coding.whole(TEXT, 4)
        if coding.name == "gzip":
            assert gzip.decompress(coding.whole(TEXT, 4)) == TEXT
            assert coding.whole(TEXT, 4)[4:8] == bytes(4)  # no time


@pytest.mark.parametrize("level", range(1, 10))
def test_a_level_means_about_the_same_for_all(library: list[coders.Coding], level: int) -> None:
    """At most 5 % more than zlib makes of it; for one that is quicker, at 1 to 4."""
    for coding in library:
        made = zlib.compressobj(level, zlib.DEFLATED, 30, 7)
        size = len(made.compress(TEXT) + made.flush())
        assert len(coding.whole(TEXT, level)) < 1.05 * size, coding.library


def test_what_cannot_be_compressed_becomes_little_longer(library: list[coders.Coding]) -> None:
    noise = os.urandom(100_000)
    for coding in library:
        assert len(coding.whole(noise, 6)) < len(noise) + 150


def test_a_long_body_takes_no_more_memory_than_a_short_one(library: list[coders.Coding]) -> None:
    for coding in library:
        coder = coding.begin(1)
        for _ in range(4):
            coder.push(DATA)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tracemalloc.start()
        try:
            for _ in range(50):
                coder.push(DATA)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held < 400_000  # some libraries take their windows from Python's allocator, late
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 << 10  # KiB, of 12 MB


def test_a_stream_that_is_given_up_gives_its_memory_back() -> None:
    """In kilobytes of the process: none of these shows in Python's own allocator."""

    def begin(coding: coders.Coding) -> coders.Coder:
        coder = coding.begin(4)
        coder.push(TEXT)
        return coder

    for coding in coders.CODINGS.values():
        begin(coding)
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(100):
            begin(coding)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10, coding.name


def test_what_is_missing_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_zstd", "_zstandard", "_brotli", "_isal", "_zlib_ng"):
        monkeypatch.setattr(coders, name, None)
    assert list(coders._all()) == ["gzip", "deflate"]
    assert coders._all()["gzip"].library == "zlib"


def test_a_module_that_does_not_load_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        if name == "there":
            return SimpleNamespace(name=name)
        raise ImportError("libisal.so.2: cannot open shared object file")

    monkeypatch.setattr(coders.importlib, "import_module", broken)  # type: ignore[attr-defined]  # its own
    assert coders.installed("away", "there").name == "there"
    assert coders.installed("away") is None


@pytest.mark.skipif(sys.version_info < (3, 14), reason="compression.zstd came with Python 3.14")
def test_the_standard_library_has_zstd() -> None:
    assert coders.CODINGS["zstd"].library == "compression.zstd"


def test_we_like_the_small_ones_best() -> None:
    order = ("zstd", "br", "gzip", "deflate")
    assert list(coders.CODINGS) == [name for name in order if name in coders.CODINGS]
