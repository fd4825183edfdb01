"""What the core reads: the rules of RFC 6455 section 5, one by one, in both builds, whole and in bytes."""

from __future__ import annotations

import tracemalloc
import zlib
from typing import Any

import pytest

from skitai._pure.websocket import Agreement, Close, Event, Fault, Ping, Pong, Side
from tests.pure.ws_talk import both, client, frame, hear, server

pieces = pytest.mark.parametrize("whole", [True, False], ids=["whole", "byte by byte"])

DEFLATE = Agreement()


def fed(stream: bytes, whole: bool) -> list[bytes]:
    return [stream] if whole else [stream[at : at + 1] for at in range(len(stream))]


def deflated(data: bytes, end: int = zlib.Z_SYNC_FLUSH) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush(end)


@both
@pieces
@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(frame(1, b"hello"), ["hello"], id="text"),
        pytest.param(frame(2, b"\x00\xff"), [b"\x00\xff"], id="binary"),
        pytest.param(frame(1), [""], id="empty"),
        pytest.param(frame(2, b"x" * 126), [b"x" * 126], id="two bytes of length"),
        pytest.param(frame(2, b"x" * 70000), [b"x" * 70000], id="eight bytes of length"),
        pytest.param(
            frame(1, b"a", fin=False) + frame(0, b"b", fin=False) + frame(0, b"c"), ["abc"], id="fragments"
        ),
        pytest.param(
            frame(1, b"\xe2", fin=False) + frame(0, b"\x82", fin=False) + frame(0, b"\xac"),
            ["€"],
            id="a character in fragments",
        ),
        pytest.param(
            frame(2, b"a", fin=False) + frame(9, b"?") + frame(0, b"b") + frame(10, b"!"),
            [Ping(b"?"), b"ab", Pong(b"!")],
            id="control frames between fragments",
        ),
        pytest.param(frame(1, fin=False) + frame(0), [""], id="empty fragments"),
        pytest.param(frame(9, b"p" * 125), [Ping(b"p" * 125)], id="the longest ping"),
        pytest.param(frame(8), [Close(1005, "")], id="a close without a code"),
        pytest.param(frame(8, b"\x03\xe8bye \xc3\xa9"), [Close(1000, "bye é")], id="a close"),
        pytest.param(frame(8, b"\x0f\xa0"), [Close(4000, "")], id="a private code"),
        pytest.param(frame(8) + frame(1, b"late"), [Close(1005, "")], id="nothing behind a close"),
    ],
)
def test_good_frames(core: Any, whole: bool, stream: bytes, expected: list[Event]) -> None:
    assert hear(server(core), fed(stream, whole)) == expected


@both
@pieces
@pytest.mark.parametrize(
    ("stream", "code", "words"),
    [
        *((frame(op), 1002, "reserved opcode") for op in (3, 7, 11, 15)),
        *((frame(1, reserved=bits), 1002, "reserved bit") for bits in (1, 2, 4, 7)),
        (frame(9, b"x", reserved=4), 1002, "reserved bit"),
        (frame(1, b"x", mask=None), 1002, "without a mask"),
        (frame(9, b"x", fin=False), 1002, "control frame in fragments"),
        (frame(9, b"x" * 126), 1002, "more than 125"),
        (frame(0, b"x"), 1002, "continuation of nothing"),
        (frame(1, b"x", fin=False) + frame(1, b"y"), 1002, "within another"),
        (frame(1, b"x", wide=2), 1002, "could be shorter"),
        (frame(1, b"x", wide=8), 1002, "could be shorter"),
        (b"\x82\xff\x80" + bytes(7) + b"mask", 1002, "63 bits"),
        (frame(1, b"\xff"), 1007, "not UTF-8"),
        (frame(1, b"\xe2\x82"), 1007, "not UTF-8"),
        (frame(1, b"\xed\xa0\x80", fin=False), 1007, "not UTF-8"),
        (frame(1, b"a" * 101), 1009, "more than 100 bytes"),
        (frame(2, b"a" * 60, fin=False) + frame(0, b"a" * 41), 1009, "more than 100 bytes"),
        (frame(8, b"\x03"), 1002, "half a code"),
        *((frame(8, code.to_bytes(2, "big")), 1002, f"code {code}") for code in (0, 999, 1004, 1005, 1006)),
        *((frame(8, code.to_bytes(2, "big")), 1002, f"code {code}") for code in (1015, 2999, 5000, 65535)),
        (frame(8, b"\x03\xe8\xff"), 1007, "reason"),
    ],
)
def test_bad_frames(core: Any, whole: bool, stream: bytes, code: int, words: str) -> None:
    connection = server(core, ws_message_max=100)
    *before, fault = hear(connection, fed(frame(2, b"good") + stream + frame(2, b"not read"), whole))
    assert before == [b"good"]
    assert isinstance(fault, Fault)
    assert fault.code == code
    assert words in fault.reason
    assert len(fault.reason.encode()) <= 123  # it is sent
    assert connection.their_side is Side.FAILED


@both
@pieces
def test_a_servers_frames_have_no_mask(core: Any, whole: bool) -> None:
    assert hear(client(core), fed(frame(1, b"hi", mask=None), whole)) == ["hi"]
    (fault,) = hear(client(core), fed(frame(1, b"hi"), whole))
    assert isinstance(fault, Fault)
    assert (fault.code, "server with a mask" in fault.reason) == (1002, True)


@both
def test_a_message_that_is_too_long_is_refused_by_its_head(core: Any) -> None:
    head = frame(2, bytes(70000))[:14]
    (fault,) = server(core, ws_message_max=69999).receive(head)
    assert isinstance(fault, Fault)
    assert fault.code == 1009


@both
def test_text_is_refused_before_its_end(core: Any) -> None:
    stream = frame(1, b"good\xff" + b"more" * 1000)
    (fault,) = server(core).receive(stream[: 8 + 5])
    assert isinstance(fault, Fault)
    assert fault.code == 1007


@both
@pieces
@pytest.mark.parametrize("opcode", [1, 2])
def test_compressed_messages(core: Any, whole: bool, opcode: int) -> None:
    payload = b"a text, a text, a text" * 10
    packed = deflated(payload)[:-4]
    stream = frame(opcode, packed[:5], reserved=4, fin=False) + frame(9) + frame(0, packed[5:])
    stream += frame(opcode, b"plain") + frame(opcode, b"\x00", reserved=4)
    events = hear(server(core, deflate=Agreement(client_takeover=False)), fed(stream, whole))
    assert [event.encode() if isinstance(event, str) else event for event in events] == [
        Ping(b""),
        payload,
        b"plain",
        b"",
    ]


@both
@pieces
def test_the_samples_of_rfc_7692(core: Any, whole: bool) -> None:
    """Section 7.2.3: one block, two fragments, takeover, a block that is not compressed, a final one, two."""
    hello = bytes.fromhex("f248cdc9c90700")
    stream = frame(1, hello, reserved=4)
    stream += frame(1, hello[:3], reserved=4, fin=False) + frame(0, hello[3:])
    stream += frame(1, bytes.fromhex("f200110000"), reserved=4)  # a reference to the one before
    stream += frame(1, bytes.fromhex("000500faff48656c6c6f00"), reserved=4)
    stream += frame(1, bytes.fromhex("f348cdc9c9070000"), reserved=4)
    stream += frame(1, bytes.fromhex("f248050000 00ffffcac9c90700"), reserved=4)
    assert hear(server(core, deflate=DEFLATE), fed(stream, whole)) == ["Hello"] * 6


@both
@pieces
@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"\xff\xff\xff", 1007),
        (deflated(b"\xff")[:-4], 1007),  # good DEFLATE, bad text
        (deflated(b"a" * 101)[:-4], 1009),
        (deflated(b"a" * 10_000_000)[:-4], 1009),
        (deflated(b"\xff" + b"a" * 10_000)[:-4], 1007),  # the first fault wins
        (deflated(b"a", zlib.Z_FINISH) * 3, 1007),
    ],
)
def test_bad_compressed_messages(core: Any, whole: bool, payload: bytes, code: int) -> None:
    connection = server(core, deflate=DEFLATE, ws_message_max=100)
    (fault,) = hear(connection, fed(frame(1, payload, reserved=4), whole))
    assert isinstance(fault, Fault)
    assert fault.code == code


@both
def test_a_bomb_is_never_inflated(core: Any) -> None:
    """A hundred MiB in a hundred KB: what zlib may make is bounded before it makes it."""
    bomb = frame(2, deflated(bytes(100 << 20))[:-4], reserved=4)
    connection = server(core, deflate=DEFLATE, ws_message_max=1 << 20)
    tracemalloc.start()
    try:
        (fault,) = connection.receive(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(fault, Fault)
    assert fault.code == 1009
    assert peak < 6 << 20


@both
def test_what_of_a_frame_has_come(core: Any) -> None:
    connection = server(core)
    stream = frame(2, b"abc")
    for byte in stream[:-1]:
        connection.receive(bytes([byte]))
        assert connection.mid_frame
    connection.receive(stream[-1:])
    assert not connection.mid_frame
