"""Percent-decoding: both builds against the RFC's rule, the standard library and each other."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skitai._pure import percent as pure

try:
    from skitai._speedups import percent as compiled
except ImportError:
    compiled = None

Decode = Callable[[str], bytes]

needs_compiled = pytest.mark.skipif(compiled is None, reason="no extensions are built here")

both = pytest.mark.parametrize(
    "decode",
    [
        pytest.param(pure.percent_decode, id="pure"),
        pytest.param(compiled and compiled.percent_decode, id="compiled", marks=needs_compiled),
    ],
)

#: Texts made mostly of what escapes are made of: plain random text would rarely hold one.
escaped_text = st.text(st.sampled_from("%%%0129afAFgG/é\xff\x00 +")) | st.text(
    st.characters(max_codepoint=0xFF)
)


@both
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("", b""),
        ("/hello/world", b"/hello/world"),
        ("a%20b", b"a b"),
        ("%e4%E4%Ee", b"\xe4\xe4\xee"),
        ("%00", b"\x00"),
        ("+", b"+"),  # a plus sign is a space in forms only
        ("%2541", b"%41"),  # decoded once, not until nothing is left
        ("%%41", b"%A"),
        ("\xe4\xff", b"\xe4\xff"),
    ],
)
def test_escapes_become_bytes(decode: Decode, data: str, expected: bytes) -> None:
    assert decode(data) == expected


@both
@pytest.mark.parametrize(
    "data", ["%", "%4", "%zz", "%4g", "%g4", "100%", "% 41", "%-1", "%+1", "%1_", "%u0041"]
)
def test_a_bad_escape_stays_as_it_is(decode: Decode, data: str) -> None:
    assert decode(data) == data.encode("latin-1")


@both
@pytest.mark.parametrize("data", ["/caf\u0113", "%41\u20ac", "\U0001f600", "\ud800"])
def test_text_beyond_latin_1_is_the_callers_mistake(decode: Decode, data: str) -> None:
    with pytest.raises(ValueError, match="latin-1"):
        decode(data)


@both
@given(data=escaped_text)
@example(data="%" * 1000)
def test_agrees_with_the_standard_library(decode: Decode, data: str) -> None:
    assert decode(data) == unquote_to_bytes(data.encode("latin-1"))


@both
@given(data=st.binary())
def test_takes_back_what_was_escaped(decode: Decode, data: bytes) -> None:
    assert decode("".join(f"%{byte:02x}" for byte in data)) == data


def outcome(decode: Decode, data: str) -> bytes | str:
    try:
        return decode(data)
    except ValueError as error:
        return str(error)


@needs_compiled
@given(data=escaped_text | st.text())
@example(data="a" * 70_000 + "%41")
def test_both_builds_give_the_same_bytes_or_the_same_error(data: str) -> None:
    assert outcome(compiled.percent_decode, data) == outcome(pure.percent_decode, data)
