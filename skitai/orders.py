"""What a master and its workers say to each other, over one socket pair for each worker.

A message is a line: a word, and for some words JSON behind a space.  The end of the socket is a
message too: a worker whose master has ended, however it ended, stops by itself.

A worker finds `WorkerOrders` in a descriptor whose number stands on its command line.
"""

from __future__ import annotations

import enum
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Order", "Question", "Report", "Talk", "WorkerOrders"]


class Order(enum.Enum):
    """From the master."""

    #: The answer to `Report.READY`: accept connections from now on.
    SERVE = "serve"
    RETIRE = "retire"
    STOP = "stop"
    INTERRUPT = "interrupt"
    REOPEN = "reopen"
    #: With a number, a `Question` and its argument; `Report.TOLD` is the answer.
    ASK = "ask"


class Report(enum.Enum):
    """From a worker."""

    #: It could accept connections now.  With the list of what it could not serve.
    READY = "ready"
    #: It asks for a successor.
    WORN = "worn"
    #: Its loop and Python both go on (`skitai.pulse`).
    ALIVE = "alive"
    #: With the number of the question, and the answer.
    TOLD = "told"


class Question(enum.Enum):
    """What a worker can be asked (`skitai.answers`)."""

    STATUS = "status"
    THREADS = "threads"
    CLUSTERS = "clusters"
    #: How it stands at this moment, with handlers that last.
    LIVE = "live"
    LOG_LEVEL = "log-level"


@dataclass(frozen=True, slots=True)
class WorkerOrders:
    """Descriptors by their numbers in the worker; ``listeners`` in the order of the settings'; ``mounts``: as
    `MountSlots.known`.  ``serial``: how many workers were started before it, and itself; ``bus``: a socket to
    the hub of rooms; ``pulse``: seconds within which a sign of life is wanted, None if none is."""

    launch: dict[str, Any]
    listeners: list[int]
    control: int
    counters: int
    row: int
    mounts: list[list[str]]
    bus: int
    serial: int
    pulse: float | None

    def write(self, descriptor: int) -> None:
        """Into an empty file, to be read from its beginning."""
        data = json.dumps(asdict(self)).encode()
        while data:
            data = data[os.write(descriptor, data) :]
        os.lseek(descriptor, 0, os.SEEK_SET)

    @classmethod
    def read(cls, descriptor: int) -> WorkerOrders:
        """And close it."""
        with open(descriptor, "rb") as file:
            return cls(**json.loads(file.read()))


class Talk:
    """Puts received bytes together to messages: ``heard(word, value)`` for each."""

    def __init__(self, heard: Callable[[str, Any], None]) -> None:
        self._heard = heard
        self._rest = b""

    @property
    def unheard(self) -> bytes:
        """What is no whole message yet."""
        return self._rest

    def receive(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            word, _, value = line.decode().partition(" ")
            self._heard(word, json.loads(value) if value else None)

    @staticmethod
    def message(word: Order | Report, value: Any = None) -> bytes:
        return f"{word.value}{'' if value is None else ' ' + json.dumps(value, default=str)}\n".encode()
