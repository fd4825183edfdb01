"""The chunked coding in C beside the one in Python: the same events at the same places, and bytes.

Compared are the readers themselves, event by event, with all that they keep from call to call: a run of
chunks that is joined otherwise would be seen, and so would a byte taken too early.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skitai._pure.http1 import bodies, writing
from skitai._pure.http1.buffer import ReceiveBuffer
from skitai._pure.http1.events import Data, EndOfMessage
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits
from tests.pure.test_heads import MUTATIONS, mutated, thorough
from tests.pure.test_http1_cuts import cut

compiled = pytest.importorskip("skitai._speedups.chunks", reason="no extensions are built here")

SIZES = [0, 1, 2, 9, 10, 15, 16, 17, 255, 256, 4095, 4096, 65535, 65536, 1 << 20]
KEPT = [name for name in bodies.ChunkedReader.__slots__ if name != "_trailers"]
#: Chunks of one event, and some more.
RUN = bodies.CHUNKS_AT_ONCE + 3


@dataclass(frozen=True)
class Bounds:
    body_max: int | None
    limits: Limits


FREE = Bounds(None, Limits())


def read(reader: bodies.ChunkedReader, pieces: list[bytes]) -> list[Any]:
    """All that ``reader`` gives and keeps."""
    buffer, said = ReceiveBuffer(), []
    try:
        for piece in pieces:
            if piece:
                buffer.feed(piece)
            while True:
                event = reader.read(buffer)
                said.append((event, len(buffer), *(getattr(reader, name) for name in KEPT)))
                if isinstance(event, Data):
                    assert type(event.data) is bytes
                    assert event.data
                elif isinstance(event, EndOfMessage):
                    return said
                else:
                    break
    except RemoteProtocolError as error:
        said.append((error.status, str(error), len(buffer)))
    return said


def check(pieces: list[bytes], bounds: Bounds = FREE) -> list[Any]:
    expected = read(bodies.ChunkedReader(bounds.limits, bounds.body_max), pieces)
    assert read(compiled.ChunkedReader(bounds.limits, bounds.body_max), pieces) == expected
    return expected


def body_of(said: list[Any]) -> bytes:
    return b"".join(entry[0].data for entry in said if isinstance(entry[0], Data))


def end_of(said: list[Any]) -> Any:
    """The end of the message, status and words of a refusal, or None."""
    last = said[-1] if said else (None,)
    return last[:2] if isinstance(last[0], int) else last[0]


def test_the_numbers_of_both_are_one() -> None:
    """A run is cut where the pure reader cuts it (``CHUNKS_MAX`` in ``chunks.pxd``)."""
    said = check([b"1\r\nx\r\n" * (2 * bodies.CHUNKS_AT_ONCE)])
    assert [len(entry[0].data) for entry in said[:2]] == [bodies.CHUNKS_AT_ONCE] * 2


def test_the_parts_are_in_the_order_of_the_c_ones() -> None:
    assert [part.name for part in bodies.ChunkPart] == ["LINE", "DATA", "DATA_END", "TRAILERS"]


@pytest.mark.parametrize("digits", [b"5", b"005", b"0" * 14 + b"5", b"0" * 15 + b"5"])
def test_sizes_of_every_length_are_read(digits: bytes) -> None:
    for line_max in (1, 3, 14, 15, 16, 1024):
        stream = digits + b"\r\nhello\r\n0\r\n\r\n"
        said = check([stream], Bounds(None, Limits(chunk_line_max=line_max)))
        assert body_of(said) == (b"hello" if len(digits) <= line_max else b"")


@pytest.mark.parametrize("digits", [b"f" * 14, b"f" * 15, b"f" * 16, b"FFFFFFFFFFFFFFFE"])
def test_sizes_beyond_all_memory(digits: bytes) -> None:
    for body_max in (None, 0, 1 << 30, 1 << 60, (1 << 64) - 1, 1 << 64, 1 << 70):
        bounds = Bounds(body_max, Limits())
        check([b"5\r\nhello\r\n" + digits + b"\r\nhello", b"again", b"and again"], bounds)


def test_every_byte_in_every_place() -> None:
    plain = b"3\r\nabc\r\n1F;x=y\r\n" + b"z" * 31 + b"\r\na\r\n0123456789\r\n0\r\nX: y\r\n\r\n"
    for place in range(len(plain) + 1):
        for byte in range(256):
            check([plain[:place] + bytes([byte]) + plain[place:]])
            check([plain[:place] + bytes([byte]) + plain[place + 1 :]])


def test_every_cut() -> None:
    plain = b"3\r\nabc\r\n1F;x=y\r\n" + b"z" * 31 + b"\r\n" + b"1\r\nx\r\n" * RUN + b"0\r\nX: y\r\n\r\n"
    for first in range(len(plain)):
        for second in range(first, len(plain), 5):
            said = check([plain[:first], plain[first:second], plain[second:]])
            assert body_of(said) == b"abc" + b"z" * 31 + b"x" * RUN
    check([plain[place : place + 1] for place in range(len(plain))])


def test_a_piece_that_fills_the_buffer_is_not_copied() -> None:
    for module in (bodies, compiled):
        reader, buffer = module.ChunkedReader(Limits(), None), ReceiveBuffer()
        buffer.feed(b"a\r\n")
        assert reader.read(buffer) is None
        piece = b"hello"
        buffer.feed(piece)
        assert reader.read(buffer).data is piece


CHUNKS = st.one_of(
    st.integers(1, 40).map(lambda size: b"%x\r\n%b\r\n" % (size, b"d" * size)),
    st.integers(1, 40).map(lambda size: b"%015X\r\n%b\r\n" % (size, b"\r\n0\r\n\r\n"[:size].ljust(size))),
    st.sampled_from(
        [
            b"1\r\nx\r\n" * RUN,
            b"5;x\r\nhello\r\n",
            b"5 ; " + b"x" * 30 + b"\r\nhello\r\n",
            b"0000000000000005\r\nhello\r\n",
            b"5\nhello\r\n",
            b"5\r\nhello\n",
            b"5\r\nhello!\r\n",
            b"ffffffffffffffff\r\n",
            b"g\r\n",
            b"\r\n",
            b"",
        ]
    ),
)
LAST = st.sampled_from([b"0\r\n\r\n", b"000\r\n\r\n", b"0;x\r\nX: y\r\n\r\n", b"0\r\nHost: h\r\n\r\n", b""])
CHUNKED_BODIES = st.builds(lambda chunks, last: b"".join(chunks) + last, st.lists(CHUNKS, max_size=6), LAST)
BOUNDS = st.builds(
    lambda body, line, extensions: Bounds(body, Limits(chunk_line_max=line, chunk_extensions_max=extensions)),
    st.sampled_from([None, None, 0, 5, 40, 1 << 30]),
    st.sampled_from([1024, 1024, 0, 1, 15, 20]),
    st.sampled_from([16384, 16384, 0, 1, 40]),
)


@thorough
@given(
    body=CHUNKED_BODIES,
    mutations=MUTATIONS,
    points=st.lists(st.integers(0, 400), max_size=6),
    bounds=BOUNDS,
)
@example(b"5\r\nhello\r\n0\r\n\r\n", [], [3, 8, 9], FREE)
def test_bodies_cut_anywhere(
    body: bytes, mutations: list[tuple[int, int, bytes]], points: list[int], bounds: Bounds
) -> None:
    data = mutated(body, mutations)
    whole = check([data], bounds)
    pieces = check(cut(data, points), bounds)
    check([data[place : place + 1] for place in range(len(data))], bounds)
    # How it was cut changes no byte of the data and no word of the refusal.
    assert body_of(pieces) == body_of(whole)
    assert end_of(pieces) == end_of(whole)


@thorough
@given(data=st.binary(max_size=40), bounds=BOUNDS)
def test_noise(data: bytes, bounds: Bounds) -> None:
    check([data], bounds)
    check([b"1\r\nx\r\n" + data + b"\r\n0\r\n\r\n"], bounds)


@pytest.mark.parametrize("size", SIZES)
def test_a_chunk_is_written_alike(size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    written = compiled.ChunkedWriter().data(data)
    assert written == writing.ChunkedWriter().data(data)
    assert type(written) is bytes


@thorough
@given(size=st.integers(0, 70000))
def test_sizes_are_written_alike(size: int) -> None:
    assert compiled.ChunkedWriter().data(bytes(size)) == writing.ChunkedWriter().data(bytes(size))


@pytest.mark.parametrize("data", [b"", b"x" * 20])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, type("Bytes", (bytes,), {})])
def test_other_kinds_of_bytes_are_written_alike(kind: Any, data: bytes) -> None:
    assert compiled.ChunkedWriter().data(kind(data)) == writing.ChunkedWriter().data(kind(data))


@pytest.mark.parametrize("data", ["text", 5])
def test_what_are_no_bytes_fails_alike(data: Any) -> None:
    failures = []
    for writer in (compiled.ChunkedWriter(), writing.ChunkedWriter()):
        with pytest.raises(TypeError) as failure:
            writer.data(data)
        failures.append(str(failure.value))
    assert failures[0] == failures[1]
