"""The last messages of a room, by number; which are gone is known by one number, the floor.

    gone … floor │ floor + 1 … newest

Who has all up to a number can be given the rest if that number is not below the floor.  The thread, or the
lock, of whoever has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from time import monotonic
from typing import Generic, TypeVar

from skitai.core.bus.frames import Terms

__all__ = ["History"]

T = TypeVar("T")

#: Bytes that an item costs beside its own.
_OVERHEAD = 256


class History(Generic[T]):
    def __init__(self, newest: int, terms: Terms, clock: Callable[[], float] = monotonic) -> None:
        """``newest``: the number of the last message before all that follow."""
        self.newest = newest
        self.floor = newest
        self.terms = terms
        #: Bytes, with what a deque and its items take.
        self.size = 0
        self._clock = clock
        self._items: deque[tuple[float, int, T]] = deque()

    def add(self, item: T, size: int) -> None:
        """The message of the next number; ``size``: its bytes."""
        self.newest += 1
        if self.terms.most:
            self._items.append((self._clock(), size + _OVERHEAD, item))
            self.size += size + _OVERHEAD
            self.trim()
        else:
            self.floor = self.newest

    def skip(self, newest: int) -> None:
        """There were messages up to ``newest`` that nobody here has."""
        self._items.clear()
        self.size = 0
        self.newest = self.floor = newest

    def trim(self) -> None:
        """Let go of what is too much, or too old."""
        oldest = self._clock() - self.terms.seconds
        while self._items and (len(self._items) > self.terms.most or self._items[0][0] < oldest):
            self.drop()

    def drop(self) -> None:
        """The oldest."""
        self.size -= self._items.popleft()[1]
        self.floor += 1

    def since(self, number: int) -> Iterator[tuple[int, T]]:
        """What follows ``number``, which is not below the floor."""
        for _, _, item in islice(self._items, number - self.floor, None):
            number += 1
            yield number, item

    def __len__(self) -> int:
        return len(self._items)
