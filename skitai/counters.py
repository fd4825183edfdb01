"""What the processes of an instance have counted: a table in memory that they share.

A row for each worker, a column for each `Count`, every slot an unsigned 64-bit number.  A row has
one writer, its worker, which adds to it without a lock (the GIL orders its threads); the system
sees to it that an aligned word is never read in halves.  The master reads all rows at any time.
Row 0 is the master's own: there it keeps what workers had counted that are no more.

Without a master a process counts in a row of its own (`private_row`), so that those who count need
not know the difference.
"""

from __future__ import annotations

import enum
import mmap
import os
from array import array

__all__ = ["Count", "CounterTable", "Row", "anonymous_file", "private_row"]

#: Slots of one worker; ``row[Count.REQUESTS] += 1``.
Row = memoryview

#: Workers at once, of all generations.
ROWS = 4096
#: A cache line for each row: two workers never write into the same one.
_COLUMNS = 8
_ROW_SIZE = _COLUMNS * 8
_OWN = 0


class Count(enum.IntEnum):
    """Since the start of the instance."""

    REQUESTS = 0
    CONNECTIONS = 1
    #: Answers with a status from 500 on.
    SERVER_ERRORS = 2
    #: Handlers that were still at work when their client got 503 (response_timeout).
    OVERDUE = 3
    #: Workers that the master started again after they had ended by themselves.
    RESTARTS = 4


class CounterTable:
    def __init__(self, descriptor: int) -> None:
        """Over ``descriptor``, which `anonymous_file` has made, in this process or in another."""
        self._memory = mmap.mmap(descriptor, ROWS * _ROW_SIZE)
        self._view = memoryview(self._memory).cast("Q")
        self.own = self.row(_OWN)

    @classmethod
    def make(cls) -> tuple[CounterTable, int]:
        """A new table, all zero, and its descriptor for the workers."""
        descriptor = anonymous_file("skitai-counters")
        os.ftruncate(descriptor, ROWS * _ROW_SIZE)
        return cls(descriptor), descriptor

    def row(self, number: int) -> Row:
        return self._view[number * _COLUMNS : (number + 1) * _COLUMNS]

    def keep(self, number: int) -> None:
        """The worker of row ``number`` has ended: its sums stay, the row is free for another."""
        row = self.row(number)
        for count in Count:
            self.own[count] += row[count]
            row[count] = 0

    def totals(self) -> dict[Count, int]:
        """Over all workers, also those that are no more."""
        return {count: sum(self._view[count::_COLUMNS]) for count in Count}


def private_row() -> Row:
    """For a process without a master."""
    return memoryview(array("Q", bytes(_ROW_SIZE)))


def anonymous_file(name: str) -> int:
    """The descriptor of an empty file without a name in any folder: who inherits it shares it."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name)
    path = f"/tmp/{name}-{os.getpid()}-{os.urandom(8).hex()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(path)
    return descriptor
