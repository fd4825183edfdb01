"""Content codings undone: all of them, cut anywhere, and never more than was asked for."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import random
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai._kernels import coders
from skitai.core.outbound import decoding
from skitai.core.outbound.decoding import ACCEPTED, Decoder, decoder
from skitai.errors import RemoteProtocolError

TEXT = b"What one server says to another. " * 5000
NOISE = random.Random(7).randbytes(200_000)
LIMIT = 10**9


def coded(name: str, body: bytes) -> bytes:
    return coders.CODINGS[name].whole(body, 6)


def undo(field: str, *pieces: bytes, limit: int = LIMIT) -> bytes:
    """As the client does it."""
    made = decoder(field)
    assert made is not None
    body = []
    for piece in pieces:
        body.append(made.push(piece, limit))
        while made.pending:
            body.append(made.push(b"", limit))
    made.end()
    assert all(len(part) <= limit for part in body)
    return b"".join(body)


@pytest.fixture(params=ACCEPTED.split(", "))
def coding(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["zlib", "isal.isal_zlib", "zlib_ng.zlib_ng"], autouse=True)
def _library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tests with each library that can take zlib's place."""
    library = coders.installed(request.param)
    if library is None:
        pytest.skip(f"{request.param} is not installed")
    monkeypatch.setattr(decoding, "_inflating", library)
    monkeypatch.setattr(decoding, "_ERRORS", (*decoding._ERRORS, library.error))


def test_all_that_are_installed_are_offered() -> None:
    assert ACCEPTED.split(", ")[:2] == ["gzip", "deflate"]
    assert {"br", "zstd"} >= set(ACCEPTED.split(", ")[2:])


@pytest.mark.parametrize("body", [b"", b"x", TEXT, NOISE], ids=["empty", "one", "text", "noise"])
def test_a_body_comes_out_as_it_was(coding: str, body: bytes) -> None:
    assert undo(coding, coded(coding, body)) == body


@pytest.mark.parametrize("limit", [1000, 65536, 65537])
def test_in_pieces_of_what_is_asked_for(coding: str, limit: int) -> None:
    assert undo(coding, coded(coding, TEXT), limit=limit) == TEXT


def test_byte_by_byte(coding: str) -> None:
    whole = coded(coding, TEXT[:3000])
    assert undo(coding, *(whole[i : i + 1] for i in range(len(whole)))) == TEXT[:3000]


@given(st.data())
def test_cut_anywhere(data: st.DataObject) -> None:
    coding = data.draw(st.sampled_from(ACCEPTED.split(", ")))
    body = data.draw(st.binary(max_size=300)) * data.draw(st.sampled_from([1, 1000]))
    whole = coded(coding, body)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    edges = [0, *cuts, len(whole)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(edges)]
    assert undo(coding, *pieces, limit=data.draw(st.sampled_from([100, 65536, LIMIT]))) == body


@given(st.binary(max_size=300), st.sampled_from(ACCEPTED.split(", ")))
def test_anything_else_is_a_protocol_error_or_a_body(data: bytes, coding: str) -> None:
    made = decoder(coding)
    assert made is not None
    with contextlib.suppress(RemoteProtocolError):
        made.push(data, 65536)
        made.end()


def test_a_body_that_ends_too_early(coding: str) -> None:
    whole = coded(coding, NOISE)
    for size in (1, 2, 1000, len(whole) - 1):
        with pytest.raises(RemoteProtocolError, match=rf"ends in the midst of its coding \({coding}\)"):
            undo(coding, whole[:size])


def test_no_body_at_all_is_none(coding: str) -> None:
    # 204, HEAD, and servers that announce a coding for nothing.
    assert undo(coding) == b"" == undo(coding, b"")


def test_a_body_that_is_not_coded_as_said(coding: str) -> None:
    with pytest.raises(
        RemoteProtocolError, match=rf"not coded as Content-Encoding says \({coding}\)"
    ) as caught:
        undo(coding, b"<html>not coded at all</html>" * 9)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    "field", ["gzip, deflate", "deflate,gzip", " GZIP , identity,, x-gzip", "gzip, gzip"]
)
def test_several_codings(field: str) -> None:
    body = NOISE[:5000] + TEXT
    for name in field.lower().replace("x-gzip", "gzip").split(","):
        if name.strip() in coders.CODINGS:
            body = coded(name.strip(), body)
    assert undo(field, body) == NOISE[:5000] + TEXT
    assert undo(field, body[:700], body[700:], limit=999) == NOISE[:5000] + TEXT


@pytest.mark.parametrize("field", ["", "identity", "compress", "gzip, aws-chunked", "br2", ", ,"])
def test_what_cannot_be_undone_is_left(field: str) -> None:
    assert decoder(field) is None


def test_too_many_codings_are_an_attack() -> None:
    assert decoder(", ".join(["gzip"] * 5)) is not None
    with pytest.raises(RemoteProtocolError, match="6 content codings"):
        decoder(", ".join(["gzip"] * 6))


# --- gzip and deflate as others send them


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_checksum_that_is_wrong(coding: str) -> None:
    whole = bytearray(coded(coding, TEXT))
    whole[-1 if coding == "deflate" else -5] ^= 1
    with pytest.raises(RemoteProtocolError, match="not coded as Content-Encoding says"):
        undo(coding, bytes(whole))


def test_several_members() -> None:
    whole = gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(b"two")
    assert undo("gzip", whole) == b"onetwo"
    assert undo("gzip", *(whole[i : i + 1] for i in range(len(whole)))) == b"onetwo"


@pytest.mark.parametrize("junk", [b"\0" * 512, b"junk", b"<!-- -->" + b"\x1f\x8b\x08"])
def test_what_stands_behind_the_last_member_is_ignored(junk: bytes) -> None:
    whole = gzip.compress(b"one") + junk
    assert undo("gzip", whole) == b"one"
    assert undo("gzip", *(whole[i : i + 1] for i in range(len(whole)))) == b"one"


def test_a_further_member_that_is_broken_is_an_error() -> None:
    with pytest.raises(RemoteProtocolError):
        undo("gzip", gzip.compress(b"one") + gzip.compress(NOISE)[:-3])
    with pytest.raises(RemoteProtocolError):
        undo("gzip", gzip.compress(b"one") + b"\x1f\x8b\x08\x00 broken")


def test_a_body_of_a_great_many_members_is_an_attack() -> None:
    assert undo("gzip", gzip.compress(b"a") * 1000) == b"a" * 1000
    with pytest.raises(RemoteProtocolError, match="more than 1000 compressed members"):
        undo("gzip", gzip.compress(b"a") * 1001)


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("body", [b"", b"x", TEXT, NOISE], ids=["empty", "one", "text", "noise"])
def test_raw_deflate(level: int, body: bytes) -> None:
    stream = zlib.compressobj(level, zlib.DEFLATED, -15)
    whole = stream.compress(body) + stream.flush()
    assert undo("deflate", whole) == body
    assert undo("deflate", whole + b"behind it") == body
    assert undo("deflate", whole[:1], whole[1:]) == body


# --- bombs


def bomb(coding: str, size: int) -> bytes:
    made = coders.CODINGS[coding].begin(9)
    zeros = bytes(1 << 20)
    return b"".join([made.push(zeros) for _ in range(size >> 20)]) + made.end()


def test_a_bomb_takes_no_more_memory_than_is_allowed(coding: str) -> None:
    size, limit = 64 << 20, 1 << 20
    whole = bomb(coding, size)
    made = decoder(coding)
    assert made is not None
    tracemalloc.start()
    try:
        assert made.push(whole, limit) == bytes(limit)
        assert made.pending
        _, most = tracemalloc.get_traced_memory()
        got = limit
        while made.pending:
            got += len(made.push(b"", limit))
    finally:
        tracemalloc.stop()
    made.end()
    assert got == size
    # What is joined is there twice for a moment.
    assert most < 2 * limit + len(whole) + 4 * 65536


def test_a_bomb_in_a_bomb() -> None:
    whole = coded("gzip", bomb("gzip", 64 << 20))
    made = decoder("gzip, gzip")
    assert made is not None
    assert made.push(whole, 4096) == bytes(4096)
    assert made.pending


def test_zstd_with_a_larger_window_than_http_allows() -> None:
    zstd = coders.installed("compression.zstd", "backports.zstd")
    if zstd is None:
        pytest.skip("no zstd that could be stopped is installed")
    known = zstd.CompressionParameter
    stream = zstd.ZstdCompressor(options={known.compression_level: 1, known.window_log: 27})
    whole = stream.compress(TEXT) + stream.flush()
    with pytest.raises(RemoteProtocolError, match="zstd"):
        undo("zstd", whole)


def test_a_library_that_cannot_be_stopped_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(decoding._STAGES, "br", raising=False)
    assert decoder("br") is None
    assert isinstance(decoder("gzip"), Decoder)
