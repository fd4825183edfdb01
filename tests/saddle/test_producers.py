"""`skitai.lib.producers`: each gives its pieces by more(), then empty ones, and closes what it was given."""

from __future__ import annotations

import io
from typing import Any

import pytest

from skitai.lib import producers


def drain(producer: Any) -> list[bytes]:
    pieces = []
    while piece := producer.more():
        pieces.append(piece.encode() if isinstance(piece, str) else piece)
    assert not producer.more()
    return pieces


class Lines(list):
    closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    ("producer", "pieces"),
    [
        (producers.simple_producer("abcde", 2), [b"ab", b"cd", b"e"]),
        (producers.scanning_producer(b"abcde", buffer_size=5), [b"abcde"]),
        (producers.simple_producer(b""), []),
        (producers.list_producer(["a", "", b"b"]), [b"a", b"b"]),
        (producers.iter_producer(iter(["a", b"b"])), [b"a", b"b"]),
        (producers.closing_iter_producer(c for c in "ab"), [b"a", b"b"]),
        (producers.buffer_list_producer([b"a", b"b"]), [b"a", b"b"]),
        (producers.lines_producer(["a", b"b"]), [b"a\r\nb\r\n"]),
        (producers.lines_producer(["x"] * 51), [b"x\r\n" * 50, b"x\r\n"]),
        (producers.file_producer(io.BytesIO(b"abc"), 2), [b"ab", b"c"]),
        (producers.closing_stream_producer(io.StringIO("abc"), 2), [b"ab", b"c"]),
        (
            producers.composite_producer([producers.simple_producer("a"), producers.simple_producer("b")]),
            [b"a", b"b"],
        ),
        (producers.globbing_producer(producers.list_producer(["a", "b", "c"]), 2), [b"ab", b"c"]),
    ],
)
def test_pieces(producer, pieces):
    assert drain(producer) == pieces


def test_the_hook_hears_once_how_much_it_was():
    heard: list[int] = []
    producer = producers.hooked_producer(producers.list_producer(["가", b"b"]), heard.append)
    assert drain(producer) == ["가".encode(), b"b"]
    assert heard == [4]


@pytest.mark.parametrize(
    "make",
    [
        producers.iter_producer,
        producers.lines_producer,
        lambda source: producers.composite_producer([producers.list_producer(source)]),
        lambda source: producers.globbing_producer(producers.list_producer(source)),
        lambda source: producers.hooked_producer(producers.list_producer(source), print),
    ],
)
def test_closing_reaches_what_was_given(make):
    source = Lines(["a"])
    make(source).close()
    assert source.closed == 1


def test_closing_a_file_producer_closes_the_file():
    file = io.BytesIO()
    producers.file_producer(file).close()
    assert file.closed
    producers.iter_producer(["what cannot be closed is left"]).close()
