"""The bytes of frames: both builds against the RFC's rule, the standard library and each other."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.pure.ws_talk import MASK, both_frames, compiled_frames, frame, needs_compiled, pure_frames

#: Texts of all widths, bytes that break them, and what stands at the borders of RFC 3629 section 4.
utf8_parts = st.sampled_from(
    [
        *(b"a" * 70, b"a", "é".encode(), "€".encode(), "😀".encode()),
        *(b"\x80", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xdf\xbf", b"\xe0\x9f\xbf", b"\xe0\xa0\x80"),
        *(b"\xed\x9f\xbf", b"\xed\xa0\x80", b"\xef\xbf\xbf", b"\xf0\x8f\xbf\xbf", b"\xf0\x90\x80\x80"),
        *(b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5", b"\xff", b"\xe2\x82", b"\xf0\x9f\x98"),
    ]
)


@both_frames
@given(data=st.binary(max_size=300), mask=st.binary(min_size=4, max_size=4), phase=st.integers(0, 9))
@example(data=b"x" * 100_001, mask=MASK, phase=3)
def test_each_byte_is_masked_by_its_own(kernel: Any, data: bytes, mask: bytes, phase: int) -> None:
    expected = bytes(byte ^ mask[(at + phase) % 4] for at, byte in enumerate(data))
    assert kernel.unmask(data, mask, phase) == expected
    assert kernel.unmask(memoryview(bytearray(data)), mask, phase) == expected


@both_frames
@given(
    data=st.binary(max_size=100), start=st.integers(0, 100), end=st.integers(0, 100), phase=st.integers(0, 3)
)
def test_a_part_is_appended_unmasked(kernel: Any, data: bytes, start: int, end: int, phase: int) -> None:
    start, end = sorted((min(start, len(data)), min(end, len(data))))
    target = bytearray(b"before")
    kernel.append_unmasked(target, data, start, end, MASK, phase)
    kernel.append_unmasked(target, data, start, end, None, phase)
    assert target == b"before" + kernel.unmask(data[start:end], MASK, phase) + data[start:end]


@both_frames
def test_what_is_not_there_cannot_be_appended(kernel: Any) -> None:
    with pytest.raises(ValueError, match="no bytes 1 to 4 in 3"):
        kernel.append_unmasked(bytearray(), b"abc", 1, 4, None, 0)


@both_frames
@pytest.mark.parametrize("mask", [b"", b"abc", b"abcde"])
def test_a_mask_has_four_bytes(kernel: Any, mask: bytes) -> None:
    with pytest.raises(ValueError, match="a mask has 4 bytes"):
        kernel.unmask(b"data", mask)
    with pytest.raises(ValueError, match="a mask has 4 bytes"):
        kernel.make_frame(0x81, "data", mask)


@both_frames
@given(parts=st.lists(utf8_parts | st.binary(max_size=3), max_size=8), places=st.lists(st.integers(0, 400)))
def test_utf8_is_what_python_decodes(kernel: Any, parts: list[bytes], places: list[int]) -> None:
    text = b"".join(parts)
    check = kernel.Utf8()
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    good = all(check.feed(text[start:end]) for start, end in pairwise(edges))
    try:
        text.decode()
    except UnicodeDecodeError:
        assert not (good and check.complete)
    else:
        assert good
        assert check.complete


@both_frames
@given(parts=st.lists(utf8_parts, min_size=1, max_size=4))
def test_bad_utf8_is_seen_with_the_first_byte_that_shows_it(kernel: Any, parts: list[bytes]) -> None:
    text = b"".join(parts)
    check = kernel.Utf8()
    good = 0
    while good < len(text) and check.feed(text[good : good + 1]):
        good += 1
    # Good so far is what some text begins with: with its last character completed, Python decodes it.
    ends = [
        b"",
        b"\x80",
        b"\xa0",
        b"\x90",
        *(end + b"\x80" * n for end in (b"\x80", b"\x90", b"\xa0") for n in (1, 2)),
    ]

    def may_go_on(begun: bytes) -> bool:
        return any(_is_utf8(begun + end) for end in ends)

    assert may_go_on(text[:good])
    assert good == len(text) or not may_go_on(text[: good + 1])


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


@both_frames
@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("mask", [None, MASK])
def test_a_frame_has_the_shortest_head(kernel: Any, length: int, mask: bytes | None) -> None:
    payload = bytes(range(256)) * (length // 256 + 1)
    made = kernel.make_frame(0x82, payload[:length], mask)
    assert made == frame(2, payload[:length], mask=mask)
    assert made == kernel.make_frame(0x82, memoryview(payload)[:length], mask)


@both_frames
def test_text_is_sent_as_utf8(kernel: Any) -> None:
    assert kernel.make_frame(0x81, "aé😀", None) == frame(1, "aé😀".encode(), mask=None)
    with pytest.raises(UnicodeEncodeError):
        kernel.make_frame(0x81, "\ud800", None)


@both_frames
@pytest.mark.parametrize("mask", [None, MASK])
def test_plain_messages_are_taken_and_all_else_is_left(kernel: Any, mask: bytes | None) -> None:
    plain = [("text", frame(1, b"text", mask=mask)), (b"\xff", frame(2, b"\xff", mask=mask))]
    plain += [("", frame(1, mask=mask)), ("é" * 200, frame(1, ("é" * 200).encode(), mask=mask))]
    plain += [(b"x" * 70_000, frame(2, b"x" * 70_000, mask=mask))]
    stream = b"".join(made for _, made in plain)
    cut = [b"", b"\x81", frame(1, b"cut", mask=mask)[:-1], frame(1, b"x" * 200, mask=mask)[:3]]
    cut += [frame(1, b"x" * 70_000, mask=mask)[:9]]
    not_plain = [
        frame(1, b"\xff", mask=mask),
        frame(1, b"not long", mask=mask, wide=2),
        frame(1, b"not long", mask=mask, wide=8),
        frame(1, b"first", mask=mask, fin=False),
        frame(1, b"deflated", mask=mask, reserved=4),
        frame(0, b"continuation", mask=mask),
        frame(9, b"ping", mask=mask),
        frame(1, b"other end", mask=None if mask else MASK),
        frame(2, b"too long" * 10_000, mask=mask),
    ]
    for rest in cut + [left + frame(2, b"not looked at", mask=mask) for left in not_plain]:
        messages: list[Any] = []
        data = b"skipped" + stream + rest
        assert kernel.read_messages(data, 7, mask is not None, 70_000, messages) == 7 + len(stream)
        assert messages == [message for message, _ in plain]


@needs_compiled
@given(data=st.binary(max_size=60), masked=st.booleans())
@example(data=b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", masked=False)
@example(data=b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff0000", masked=True)
def test_both_builds_take_the_same_of_any_noise(data: bytes, masked: bool) -> None:
    noise = frame(2, b"first", mask=MASK if masked else None) + data
    ours: list[Any] = []
    theirs: list[Any] = []
    end = pure_frames.read_messages(noise, 0, masked, 1 << 24, ours)
    assert compiled_frames.read_messages(noise, 0, masked, 1 << 24, theirs) == end
    assert ours == theirs
