"""The bytes received and not yet read.

The usual case is one ``recv`` with one whole request: its ``bytes`` object is kept as it
came and sliced, so a body piece costs one copy, or none if it fills the buffer.  Only bytes
that arrive behind an unread rest are gathered in a ``bytearray``, which grows and gives up
its front in amortised constant time.  ``find`` remembers how far it has looked: a head
that comes byte by byte is searched once, not once for each byte.
"""

from __future__ import annotations

__all__ = ["ReceiveBuffer"]


class ReceiveBuffer:
    """A queue of bytes.  Offsets are counted from the first unread byte."""

    __slots__ = ("_data", "_searched", "_start")

    def __init__(self) -> None:
        self._data: bytes | bytearray = b""
        self._start = 0
        self._searched = 0

    def __len__(self) -> int:
        return len(self._data) - self._start

    def feed(self, data: bytes) -> None:
        """Append ``data``."""
        held = self._data
        if self._start == len(held):
            self._data = data
            self._start = self._searched = 0
            return
        if isinstance(held, bytes):
            self._data = held = bytearray(memoryview(held)[self._start :])
        else:
            del held[: self._start]
        self._searched = max(self._searched - self._start, 0)
        self._start = 0
        held += data

    def startswith(self, prefix: bytes) -> bool:
        return self._data.startswith(prefix, self._start)

    def find(self, needle: bytes, limit: int) -> int:
        """The offset just behind ``needle`` if it lies in the first ``limit`` bytes, else -1.

        Until bytes are taken, ask for the same needle only.
        """
        start = self._start
        found = self._data.find(needle, max(start, self._searched), start + limit)
        if found >= 0:
            return found + len(needle) - start
        self._searched = min(len(self._data), start + limit) - len(needle) + 1
        return -1

    def peek(self, start: int, end: int) -> bytes:
        """A copy of the bytes from offset ``start`` to before ``end``, fewer if there are fewer."""
        return bytes(memoryview(self._data)[self._start + start : self._start + end])

    @property
    def unread(self) -> tuple[bytes | bytearray, int]:
        """What is held and where in it the first unread byte lies; until the next call of any method."""
        return self._data, self._start

    def skip(self, count: int) -> None:
        """Remove the first ``count`` bytes, which must be there."""
        self._start += count
        self._searched = 0
        if self._start == len(self._data):
            self._data = b""
            self._start = 0

    def take(self, count: int) -> bytes:
        """Remove and return the first ``count`` bytes, which must be there."""
        start, data = self._start, self._data
        end = start + count
        # A slice of a bytearray is a bytearray, to be copied again; a view is not.
        taken = data[start:end] if isinstance(data, bytes) else bytes(memoryview(data)[start:end])
        self.skip(count)
        return taken
