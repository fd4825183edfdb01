"""What is read of Linux: CPU time and memory of processes, and of the whole machine.

A server is a session of its own (``setsid``), so all its processes, masters and workers,
carry its process id as their session's.  Its CPU time is that of its living processes and
of their ended children, so it never decreases while its first process lives.

The kernel counts the machine's time by looking at each tick what runs; that of processes
exactly, but it is shown in ticks, too.  A second of load is a hundred ticks of 10 ms: read
figures of single slices as no better than a hundredth, and the foreign load as no better
than a tenth of a core.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Cpu", "Snapshot", "busy", "foreign", "memory", "processes", "snapshot", "stat"]

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU time in seconds."""

    user: float = 0.0
    system: float = 0.0

    def __add__(self, other: Cpu) -> Cpu:
        return Cpu(self.user + other.user, self.system + other.system)

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.user - other.user, self.system - other.system)

    @property
    def total(self) -> float:
        return self.user + self.system


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look at the machine: seconds of the monotonic clock, and CPU time until then."""

    at: float
    busy: float
    """of the machine"""
    harness: float
    """of this process and of its ended children, among which is wrk"""
    sessions: dict[int, Cpu]


def stat(text: str) -> tuple[int, Cpu]:
    """Session and CPU time out of a ``/proc/PID/stat``, ended children included."""
    # After the name, which may hold spaces and brackets: state ppid pgrp session ...
    # utime stime cutime cstime (proc(5)).
    fields = text.rpartition(")")[2].split()
    user, system, children_user, children_system = map(int, fields[11:15])
    return int(fields[3]), Cpu(
        (user + children_user) / TICKS_PER_SECOND, (system + children_system) / TICKS_PER_SECOND
    )


def busy(text: str) -> float:
    """Seconds that the cores did not idle, out of ``/proc/stat``.

    Time stolen by the hypervisor counts: it was as little ours as that of other processes.
    Of the fields, idle and iowait are not work, and guest times are in user and nice already.
    """
    user, nice, system, _, _, irq, softirq, steal = map(int, text.split(maxsplit=9)[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND


def processes() -> Iterator[tuple[int, int, Cpu]]:
    """Process id, session and CPU time of all that live."""
    for folder in PROC.glob("[0-9]*"):
        # A process that has ended since the listing has no file, or one that cannot be read.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield int(folder.name), *stat((folder / "stat").read_text())


def snapshot() -> Snapshot:
    sessions: dict[int, Cpu] = {}
    for _, session, cpu in processes():
        sessions[session] = sessions.get(session, Cpu()) + cpu
    return Snapshot(time.monotonic(), busy((PROC / "stat").read_text()), sum(os.times()[:4]), sessions)


def foreign(before: Snapshot, after: Snapshot, ours: Iterable[int]) -> float:
    """How many cores worked between two snapshots for others than us.

    ``ours`` are the sessions of our servers.  On a quiet machine as much as a tenth below 0:
    what was counted exactly is taken from what was sampled.  Left so, because it shows how
    well the figure is known.
    """
    spent = sum((after.sessions.get(id_, Cpu()) - before.sessions.get(id_, Cpu())).total for id_ in ours)
    others = (after.busy - before.busy) - (after.harness - before.harness) - spent
    return others / (after.at - before.at)


def pss(text: str) -> int:
    """KiB out of a ``/proc/PID/smaps_rollup``: private pages, and its share of the shared ones."""
    found = re.search(r"^Pss:\s+(\d+) kB$", text, re.MULTILINE)
    if not found:
        raise ValueError(f"no Pss in {text!r}")
    return int(found[1])


def memory(session: int) -> float:
    """MiB (PSS) of all processes of a session."""
    total = 0
    for process, its_session, _ in processes():
        if its_session == session:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                total += pss((PROC / str(process) / "smaps_rollup").read_text())
    return total / 1024
