"""RESP3, as Redis from 6.0 on speaks it: commands written, replies and pushed messages read; no I/O.

A client library would bring a connection pool, threads and retries of its own; what a bus needs is this page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["Failure", "Push", "RespReader", "command"]

_END = b"\r\n"
#: Of one line, which has a number or the text of an error.
_LINE_MAX = 1 << 16


class Failure(Exception):
    """A reply: the server could not."""


class Push(list[Any]):
    """What comes without having been asked for."""


class _Incomplete(Exception):
    pass


def command(*words: str | bytes | float) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogateescape")
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class RespReader:
    """Puts received bytes together.  Texts are bytes; an error is a `Failure`, given and not raised."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        #: So many bytes are needed before it makes sense to look again.
        self._wanted = 0

    def receive(self, data: bytes) -> Iterator[Any]:
        """Raises ValueError: that is no RESP."""
        self._buffer += data
        while len(self._buffer) > self._wanted:
            self._at = 0
            try:
                value = self._value()
            except _Incomplete:
                return
            del self._buffer[: self._at]
            self._wanted = 0
            yield value

    def _value(self) -> Any:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"-":
            return Failure(rest.decode("utf-8", "replace"))
        if kind == b"_":
            return None
        if kind in (b"$", b"="):
            return None if rest == b"-1" else self._bytes(int(rest))
        if kind in (b"*", b"~"):
            return None if rest == b"-1" else [self._value() for _ in range(int(rest))]
        if kind == b">":
            return Push(self._value() for _ in range(int(rest)))
        if kind == b"%":
            return {self._value(): self._value() for _ in range(int(rest))}
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return float(rest)
        raise ValueError(f"the server does not speak RESP: {line[:40]!r}")

    def _line(self) -> bytes:
        end = self._buffer.find(_END, self._at)
        if end < 0:
            if len(self._buffer) - self._at > _LINE_MAX:
                raise ValueError("the server does not speak RESP: a line without end")
            raise _Incomplete
        line = bytes(self._buffer[self._at : end])
        self._at = end + 2
        return line

    def _bytes(self, size: int) -> bytes:
        end = self._at + size
        if len(self._buffer) < end + 2:
            self._wanted = end + 1
            raise _Incomplete
        data = bytes(self._buffer[self._at : end])
        self._at = end + 2
        return data
