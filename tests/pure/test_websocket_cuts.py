"""The same bytes, cut anywhere, come to the same events in both builds.

Streams are built of good frames, bad ones and noise, fed whole, byte by byte and cut at random; every event
must be equal, and so the code and the words of the fault.
"""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai._pure import websocket as pure
from skitai.limits import Limits
from tests.pure.ws_talk import compiled, cut, frame, hear

LIMITS = Limits(ws_message_max=100)

TEXTS = st.sampled_from(
    [
        b"",
        b"hello",
        "é€😀".encode(),
        b"\xe2\x82",
        b"\xac",
        b"\xed\xa0",
        b"\xff",
        b"\xed\xa0\x80",
        b"x" * 41,
        b"x" * 130,
    ]
)


def _deflated(data: bytes, end: int) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (stream.compress(data) + stream.flush(end)).removesuffix(b"\x00\x00\xff\xff")


PACKED = st.builds(
    _deflated, TEXTS | st.just(bytes(5000)), st.sampled_from([zlib.Z_SYNC_FLUSH, zlib.Z_FINISH])
)
PAYLOADS = TEXTS | PACKED | st.binary(max_size=8)
CLOSES = st.sampled_from(
    [b"", b"\x03", b"\x03\xe8", b"\x03\xe8bye", b"\x03\xed", b"\x0b\xb8\xff", b"\xff\xff"]
)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    opcode = draw(st.sampled_from([1, 1, 1, 2, 2, 0, 0, 0, 8, 9, 10, 3]))
    payload = draw(CLOSES if opcode == 8 else PAYLOADS)
    wide = 2 if len(payload) > 125 else draw(st.sampled_from([None] * 12 + [2, 8]))
    return frame(
        opcode,
        payload,
        fin=draw(st.sampled_from([True, True, False])),
        reserved=draw(st.sampled_from([0, 0, 0, 0, 4, 4, 1])),
        mask=draw(st.sampled_from([b"mask"] * 12 + [b"\0\0\0\0", None])),
        wide=wide,
    )


STREAMS = st.lists(frames() | st.binary(max_size=4), max_size=8).map(b"".join)


def core_of(build: Any, is_client: bool, deflate: bool) -> pure.Connection:
    return build.Connection(LIMITS, is_client=is_client, deflate=pure.Agreement() if deflate else None)


@pytest.mark.parametrize("build", [pure, *([compiled] if compiled else [])], ids=lambda b: b.__name__)
@given(
    stream=STREAMS,
    places=st.lists(st.integers(0, 10_000), max_size=12),
    is_client=st.sampled_from([False, False, False, True]),
    deflate=st.booleans(),
)
def test_events_do_not_depend_on_the_cuts(
    build: Any, stream: bytes, places: list[int], is_client: bool, deflate: bool
) -> None:
    expected = hear(core_of(pure, is_client, deflate), [stream])
    for pieces in ([stream], cut(stream, places), [bytes([byte]) for byte in stream]):
        assert hear(core_of(build, is_client, deflate), pieces) == expected
