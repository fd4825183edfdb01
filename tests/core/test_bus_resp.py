"""RESP3, written and read, however it comes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai.core.bus.resp import Failure, Push, RespReader, command

SAID = (
    b"+OK\r\n:-5\r\n-ERR no\r\n_\r\n$-1\r\n*-1\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n"
    b"*3\r\n$1\r\na\r\n:1\r\n*1\r\n+x\r\n>2\r\n+message\r\n$2\r\nhi\r\n"
    b"%2\r\n+a\r\n:1\r\n+b\r\n#t\r\n~1\r\n:2\r\n,1.5\r\n=3\r\ntxt\r\n"
)
MEANT = [
    b"OK", -5, "ERR no", None, None, None, b"a\r\nbc", b"", [b"a", 1, [b"x"]], [b"message", b"hi"],
    {b"a": 1, b"b": True}, [2], 1.5, b"txt",
]  # fmt: skip


def read(data: bytes, size: int) -> list[Any]:
    reader = RespReader()
    found = [
        value for start in range(0, len(data), size) for value in reader.receive(data[start : start + size])
    ]
    return [str(value) if isinstance(value, Failure) else value for value in found]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_replies_may_come_in_pieces(size: int) -> None:
    assert read(SAID, size) == MEANT


def test_what_is_pushed_is_told_from_replies() -> None:
    (pushed,) = RespReader().receive(b">1\r\n+x\r\n")
    assert isinstance(pushed, Push)


@given(st.lists(st.binary(max_size=50), min_size=1), st.integers(1, 30))
def test_commands_are_arrays_of_bytes(words: list[bytes], size: int) -> None:
    assert read(command(*words) * 2, size) == [words, words]


def test_words_of_commands() -> None:
    assert (
        command("SET", "ü\udcff", 5, 1.5)
        == b"*4\r\n$3\r\nSET\r\n$3\r\n\xc3\xbc\xff\r\n$1\r\n5\r\n$3\r\n1.5\r\n"
    )


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n", b"+" + bytes(100_000)])
def test_what_is_no_resp(said: bytes) -> None:
    with pytest.raises(ValueError, match="does not speak RESP"):
        read(said, len(said))
