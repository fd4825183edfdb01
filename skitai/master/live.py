"""How an instance stands, as plain data: what `skitai top` and the dashboard show.

What is counted is read from shared memory, what the system says of processes from /proc, and what only
workers know is what they said last: one that cannot speak (C code holds the GIL) is shown as it was, and as
silent.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from time import monotonic
from typing import Any, Protocol

from skitai._constants import VERSION
from skitai.counters import BOUNDS, Count, Latency, MountSlots, histogram
from skitai.master.processes import Processes
from skitai.master.shapes import sound

__all__ = ["Counted", "Live", "Worker"]

#: Seconds without an answer from which on a worker is silent.
_SILENT = 2.0
#: Of rooms, members and databases that are named: names may come from the network.
_NAMED_MAX = 100


class Worker(Protocol):
    """A `Child`."""

    @property
    def pid(self) -> int: ...

    @property
    def phase(self) -> Any: ...


class Counted(Protocol):
    """What the master lets us see."""

    @property
    def title(self) -> str: ...

    @property
    def mounts(self) -> MountSlots: ...

    def workers(self) -> Sequence[Any]: ...

    def sums(self) -> list[int]: ...

    def unreadiness(self) -> str: ...


class Live:
    def __init__(self, house: Counted) -> None:
        self._house = house
        self.began = monotonic()
        self.processes = Processes()
        #: By process id: when, and what a worker has said of itself.
        self._told: dict[int, tuple[float, Mapping[str, Any]]] = {}

    def told(self, pid: int, answer: Any) -> None:
        """``answer``: sections of `was.status`; what is not as it should be is left out."""
        self._told[pid] = (monotonic(), sound(answer))

    def forget(self, pid: int) -> None:
        self._told.pop(pid, None)
        self.processes.forget(pid)

    def figures(self, pid: int) -> Mapping[str, Any]:
        """Sections of `was.status`, as it was last told; empty: never."""
        return self._told.get(pid, (0.0, {}))[1]

    def answers(self, pid: int) -> bool:
        """Whether it has done so lately."""
        return monotonic() - self._told.get(pid, (float("-inf"), {}))[0] < _SILENT

    @property
    def uptime(self) -> float:
        return monotonic() - self.began

    def snapshot(self) -> dict[str, Any]:
        """JSON."""
        sums = self._house.sums()
        workers = self._house.workers()
        return {
            "name": self._house.title,
            "version": VERSION,
            "uptime": round(self.uptime, 1),
            "unready": self._house.unreadiness(),
            "counts": {count.name.lower(): sums[count] for count in Count},
            "bounds": BOUNDS,
            "latencies": {latency.name.lower(): histogram(sums, latency)[0] for latency in Latency},
            "mounts": [
                {"host": host, "path": printable(path), "statuses": statuses}
                for (host, path), statuses in self._house.mounts.statuses(sums).items()
            ],
            "master": {"pid": os.getpid(), **self.processes.usage(os.getpid())._asdict()},
            "workers": [self._worker(worker) for worker in workers],
            "members": list(self.members()),
            "rooms": dict(self.rooms().most_common(_NAMED_MAX)),
            "mail": self.mail(),
            "handlers": sorted(self._handlers(workers), key=lambda handler: -handler["seconds"]),
        }

    def _worker(self, worker: Worker) -> dict[str, Any]:
        live = self.figures(worker.pid).get("LIVE", {})
        return {
            "pid": worker.pid,
            "phase": worker.phase.name.lower(),
            "answers": self.answers(worker.pid),
            **self.processes.usage(worker.pid)._asdict(),
            **{name.replace(" ", "_"): value for name, value in live.items() if name != "handlers"},
            "calls": self.figures(worker.pid).get("CALLS", {}).get("calls", 0),
            "statements": self.figures(worker.pid).get("DB", {}).get("statements", 0),
        }

    def _handlers(self, workers: Iterable[Worker]) -> Iterator[dict[str, Any]]:
        for worker in workers:
            for handler in self.figures(worker.pid).get("LIVE", {}).get("handlers", ()):
                yield {"pid": worker.pid, **handler}

    # -- over all workers ------------------------------------------------------------------------

    def members(self) -> Iterator[dict[str, Any]]:
        """Of clusters, by worker: each has its own opinion of them."""
        for worker in self._house.workers():
            found = (
                {"pid": worker.pid, "cluster": name.partition(":")[2], **member}
                for name, section in self.figures(worker.pid).items()
                if name.startswith("CLUSTER:")
                for member in section.get("members", ())
            )
            yield from (member for _, member in zip(range(_NAMED_MAX), found, strict=False))

    def rooms(self) -> Counter[str]:
        """Members that are connected to this instance, by room."""
        found: Counter[str] = Counter()
        for worker in self._house.workers():
            found.update(self.figures(worker.pid).get("WEBSOCKETS", {}).get("rooms", {}))
        return found

    def mail(self) -> int | None:
        """Messages that wait in the spool, which all workers share; None: nobody has written one."""
        said = (self.figures(worker.pid).get("MAIL", {}).get("waiting") for worker in self._house.workers())
        return max((waiting for waiting in said if waiting is not None), default=None)

    def databases(self, pid: int) -> list[Mapping[str, Any]]:
        """Pools of connections to PostgreSQL."""
        return list(self.figures(pid).get("DB", {}).get("databases", ()))[:_NAMED_MAX]


def printable(text: str) -> str:
    """Paths of files may hold bytes that are no text."""
    return text.encode("utf-8", "backslashreplace").decode()
