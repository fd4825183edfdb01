"""The receive buffer against the plainest model of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skitai._pure.http1.buffer import ReceiveBuffer

FEED = st.tuples(st.just("feed"), st.binary(min_size=1, max_size=6))
TAKE = st.tuples(st.just("take"), st.integers(1, 8))
FIND = st.tuples(st.just("find"), st.integers(0, 12))
PEEK = st.tuples(st.just("peek"), st.integers(0, 12))


@given(steps=st.lists(FEED | TAKE | FIND | PEEK, max_size=40), needle=st.sampled_from([b"\x00", b"\x00\x00"]))
def test_it_is_a_queue_of_bytes(steps: list[tuple[str, int | bytes]], needle: bytes) -> None:
    buffer = ReceiveBuffer()
    model = b""
    for word, argument in steps:
        if isinstance(argument, bytes):
            buffer.feed(argument)
            model += argument
        elif word == "take":
            count = min(argument, len(model))
            assert buffer.take(count) == model[:count]
            model = model[count:]
        elif word == "find":
            at = model[:argument].find(needle)
            assert buffer.find(needle, argument) == (-1 if at < 0 else at + len(needle))
        else:
            assert buffer.peek(argument, argument + 3) == model[argument : argument + 3]
        assert len(buffer) == len(model)
        assert buffer.startswith(needle) is model.startswith(needle)


def test_find_does_not_search_twice() -> None:
    """What was searched is skipped, except for the bytes in which a needle may have begun."""
    buffer = ReceiveBuffer()
    buffer.feed(b"abc\r")
    assert buffer.find(b"\r\n", 100) == -1
    buffer.feed(b"\nd")
    assert buffer.find(b"\r\n", 100) == 5
