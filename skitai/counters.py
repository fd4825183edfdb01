"""What the processes of an instance have counted: a table in memory that they share.

A row for each worker, a column for each number, every slot an unsigned 64-bit number.  A row has
one writer, its worker, which adds to it without a lock (the GIL orders its threads); the system
sees to it that an aligned word is never read in halves.  The master reads all rows at any time.
Row 0 is the master's own: there it keeps what workers had counted that are no more, so no sum ever
goes back.

    Count                sums of the worker
    Latency              a histogram each: how many took at most so long, and seconds in all
    statuses             by mount and class of status
    statuses, again      of what the monitor has answered in the leader's place (relief.h): it has no GIL, and
                         so has columns where nobody else writes

Mounts are columns by `MountSlots`, of which the master has the only list: a column must mean the same
for all workers, and after a reload.

Without a master a process counts in a row of its own (`private_row`), so that those who count need
not know the difference.
"""

from __future__ import annotations

import enum
import mmap
import os
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import add

__all__ = [
    "BOUNDS",
    "CLASSES",
    "LAYOUT",
    "MONITOR",
    "NO_MOUNT",
    "STATUSES",
    "Count",
    "CounterTable",
    "Latency",
    "MountSlots",
    "Row",
    "anonymous_file",
    "count_status",
    "histogram",
    "observe",
    "private_row",
]

#: Slots of one worker; ``row[Count.REQUESTS] += 1``.
Row = memoryview

#: Workers at once, of all generations.
ROWS = 4096
#: Two pages of memory, which the system gives where something is written: a row that is unused takes none.
_COLUMNS = 1024
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


#: Seconds: what took at most so long is counted together; what took longer than the last, too.
BOUNDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
_BUCKETS = len(BOUNDS) + 1
#: Behind the buckets: nanoseconds in all.
_LATENCY_COLUMNS = _BUCKETS + 1
_LATENCIES = 16


class Latency(enum.IntEnum):
    """By its first column."""

    #: From the whole request to its handler.
    QUEUE = _LATENCIES
    #: From there to the head of its answer.
    APP = _LATENCIES + _LATENCY_COLUMNS
    #: From there to the last byte that the system took.
    DELIVERY = _LATENCIES + 2 * _LATENCY_COLUMNS
    #: Requests to other servers, from the call to the whole answer.
    UPSTREAM = _LATENCIES + 3 * _LATENCY_COLUMNS
    #: How late the event loop comes to what was due, looked at some times a second while there are clients.
    LOOP_LAG = _LATENCIES + 4 * _LATENCY_COLUMNS


#: Classes of status, 100 to 500; the first is for those whose client had gone before.
CLASSES = 6
_MOUNTS = 64
#: Of what no mount has answered: refusals, redirects to other hosts, ``/ping``.
NO_MOUNT = 0
_OTHERS = _MOUNTS - 1
STATUSES = _LATENCIES + len(Latency) * _LATENCY_COLUMNS
MONITOR = STATUSES + _MOUNTS * CLASSES

#: What the columns mean: another version of ours may have others.
LAYOUT = repr((_COLUMNS, *map(repr, (*Count, *Latency)), BOUNDS, CLASSES, STATUSES, MONITOR))


def count_status(row: Row, slot: int, status: int) -> None:
    """``slot``: of `MountSlots`; ``status`` 0: its client had gone before."""
    column = STATUSES + slot * CLASSES + min(status // 100, CLASSES - 1)
    row[column] += 1


def observe(row: Row, latency: Latency, seconds: float) -> None:
    bucket = latency + bisect_left(BOUNDS, seconds)
    total, took = latency + _BUCKETS, max(0, int(seconds * 1e9))
    # Nothing is called within these two: no other thread can come between.
    row[bucket] += 1
    row[total] += took


def histogram(sums: Sequence[int], latency: Latency) -> tuple[list[int], float]:
    """How many were in each bucket, the last without bound, and seconds in all."""
    return list(sums[latency : latency + _BUCKETS]), sums[latency + _BUCKETS] / 1e9


class MountSlots:
    """Which columns are whose: hosts and paths of mounts by number.

    A number is never given again, so it means the same after a reload; beyond some sixty mounts all
    others have one together.
    """

    def __init__(self, known: Iterable[Sequence[str]] = ()) -> None:
        """``known``: in the order of their numbers, as `known` gives them."""
        self._slots: dict[tuple[str, str], int] = {}
        self.add(known)

    def add(self, mounts: Iterable[Sequence[str]]) -> None:
        """Give numbers to those ``(host, path)`` that have none."""
        for host, path in mounts:
            if len(self._slots) + 1 < _OTHERS:
                self._slots.setdefault((host, path), len(self._slots) + 1)

    def of(self, host: str, path: str) -> int:
        return self._slots.get((host, path), _OTHERS)

    @property
    def known(self) -> list[tuple[str, str]]:
        return list(self._slots)

    def statuses(self, sums: Sequence[int]) -> dict[tuple[str, str], list[int]]:
        """How often each class was answered, by host and path, the monitor's answers among them; two empty
        texts for what no mount has answered, ``*`` for those beyond the columns."""
        named = {("", ""): NO_MOUNT, **self._slots, ("*", "*"): _OTHERS}
        found = {}
        for name, slot in named.items():
            places = [start + slot * CLASSES for start in (STATUSES, MONITOR)]
            found[name] = list(map(add, *(sums[place : place + CLASSES] for place in places)))
        if not any(found["*", "*"]):
            del found["*", "*"]
        return found


class CounterTable:
    def __init__(self, descriptor: int) -> None:
        """Over ``descriptor``, which `anonymous_file` has made, in this process or in another."""
        self._memory = mmap.mmap(descriptor, ROWS * _ROW_SIZE)
        self._view = memoryview(self._memory).cast("Q")
        #: Of workers that there are; to look at all others would cost their memory.
        self._used: set[int] = set()
        self.own = self.row(_OWN)

    @classmethod
    def make(cls) -> tuple[CounterTable, int]:
        """A new table, all zero, and its descriptor for the workers."""
        descriptor = anonymous_file("skitai-counters")
        os.ftruncate(descriptor, ROWS * _ROW_SIZE)
        return cls(descriptor), descriptor

    def row(self, number: int) -> Row:
        return self._view[number * _COLUMNS : (number + 1) * _COLUMNS]

    def claim(self) -> int:
        """A row that nobody has, for a worker."""
        number = next(number for number in range(_OWN + 1, ROWS) if number not in self._used)
        self._used.add(number)
        return number

    def keep(self, number: int) -> None:
        """The worker of row ``number`` has ended: its sums stay, the row is free for another."""
        row = self.row(number)
        for column, value in enumerate(row):
            if value:
                self.own[column] += value
                row[column] = 0
        self._used.discard(number)

    def sums(self) -> list[int]:
        """Over all workers, also those that are no more; by column."""
        return [sum(column) for column in zip(self.own, *map(self.row, self._used), strict=True)]

    def totals(self) -> dict[Count, int]:
        """The same of each `Count`."""
        rows = [self.own, *map(self.row, self._used)]
        return {count: sum(row[count] for row in rows) for count in Count}


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
