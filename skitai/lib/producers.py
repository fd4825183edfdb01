"""Producers: bodies that are made piece by piece, under the names that Skitai has always had for them.

    from skitai.lib.producers import file_producer

    @app.route("/log")
    def log(was):
        return file_producer(open("app.log", "rb"))

A producer has ``more()``, which gives the next piece (bytes, or str to be sent as UTF-8) and an
empty one when there are no more, and may have ``close()``, which the server calls once when all
was sent or the client has left.  A class of your own with these is one as well.  Producers nest:
what takes a producer takes yours too.  They belong to one response, and one thread at a time asks them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeAlias

__all__ = [
    "Piece",
    "Producer",
    "buffer_list_producer",
    "closing_iter_producer",
    "closing_stream_producer",
    "composite_producer",
    "file_producer",
    "globbing_producer",
    "hooked_producer",
    "iter_producer",
    "lines_producer",
    "list_producer",
    "scanning_producer",
    "simple_producer",
]

Piece: TypeAlias = str | bytes
_BLOCK = 65536
#: Lines that `lines_producer` gives as one piece.
_LINES = 50


class Producer(Protocol):
    """What all of them have in common."""

    def more(self) -> Piece: ...


class _Source(Protocol):
    def read(self, size: int, /) -> Piece: ...


class simple_producer:
    """``data`` in pieces of ``buffer_size``."""

    def __init__(self, data: Piece, buffer_size: int = _BLOCK) -> None:
        self._data = data
        self._at = 0
        self._size = buffer_size

    def more(self) -> Piece:
        piece = self._data[self._at : self._at + self._size]
        self._at += len(piece)
        return piece


#: 0.11 had a slow and a quick way to cut a long text; here there is one.
scanning_producer = simple_producer


class iter_producer:
    """What an iterable gives; `close` is its own, if it has one."""

    def __init__(self, data: Iterable[Piece]) -> None:
        self._source = data
        self._iterator: Iterator[Piece] = iter(data)

    def more(self) -> Piece:
        # An empty piece would mean the end: the next that is not empty.
        return next((piece for piece in self._iterator if piece), b"")

    def close(self) -> None:
        _close(self._source)


closing_iter_producer = list_producer = buffer_list_producer = iter_producer


class lines_producer(iter_producer):
    """``lines``, each with CR LF behind it, many in one piece."""

    def __init__(self, lines: Iterable[Piece]) -> None:
        super().__init__(_joined(iter(lines)))
        self._lines = lines

    def close(self) -> None:
        _close(self._lines)


class file_producer:
    """``file.read(buffer_size)`` until it gives nothing; closes the file."""

    def __init__(self, file: _Source, buffer_size: int = _BLOCK) -> None:
        self._file = file
        self._size = buffer_size

    def more(self) -> Piece:
        return self._file.read(self._size)

    def close(self) -> None:
        _close(self._file)


closing_stream_producer = file_producer


class composite_producer:
    """The pieces of several producers, one after the other."""

    def __init__(self, producers: Iterable[Producer]) -> None:
        self._producers = list(producers)
        self._at = 0

    def more(self) -> Piece:
        while self._at < len(self._producers):
            piece = self._producers[self._at].more()
            if piece:
                return piece
            self._at += 1
        return b""

    def close(self) -> None:
        while self._producers:
            _close(self._producers.pop())


class globbing_producer:
    """The pieces of ``producer``, joined into ones of at least ``buffer_size`` bytes."""

    def __init__(self, producer: Producer, buffer_size: int = _BLOCK) -> None:
        self._producer = producer
        self._size = buffer_size

    def more(self) -> bytes:
        joined = bytearray()
        while len(joined) < self._size:
            piece = self._producer.more()
            if not piece:
                break
            joined += _encoded(piece)
        return bytes(joined)

    def close(self) -> None:
        _close(self._producer)


class hooked_producer:
    """``producer``; ``function(count)`` is told of the bytes once it has given all."""

    def __init__(self, producer: Producer, function: Callable[[int], Any]) -> None:
        self._producer = producer
        self._function: Callable[[int], Any] | None = function
        self._count = 0

    def more(self) -> bytes:
        piece = _encoded(self._producer.more())
        self._count += len(piece)
        if not piece and self._function is not None:
            function, self._function = self._function, None
            function(self._count)
        return piece

    def close(self) -> None:
        _close(self._producer)


def _joined(lines: Iterator[Piece]) -> Iterator[bytes]:
    block: list[bytes] = []
    for line in lines:
        block.append(_encoded(line) + b"\r\n")
        if len(block) == _LINES:
            yield b"".join(block)
            block.clear()
    yield b"".join(block)


def _encoded(piece: Piece) -> bytes:
    return piece.encode() if isinstance(piece, str) else piece


def _close(source: object) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()
