"""What the system says of a process: memory, processor time, threads (proc(5)).  Linux only."""

from __future__ import annotations

import os
from time import monotonic
from typing import NamedTuple

from skitai.master.recycling import resident

__all__ = ["Processes", "Usage"]

#: Seconds: to add up the pages that are shared takes the system its time.
_PSS_EVERY = 10.0


class Usage(NamedTuple):
    """Bytes, and seconds since its start; None: nobody tells.  ``proportional`` (PSS): pages that several
    processes share are shared out among them; up to ten seconds old."""

    resident: int | None = None
    proportional: int | None = None
    cpu: float | None = None
    threads: int | None = None


class Processes:
    def __init__(self) -> None:
        self._proportional: dict[int, tuple[float, int | None]] = {}

    def usage(self, pid: int) -> Usage:
        cpu, threads = _stat(pid)
        return Usage(resident(pid), self._pss(pid), cpu, threads)

    def forget(self, pid: int) -> None:
        self._proportional.pop(pid, None)

    def _pss(self, pid: int) -> int | None:
        looked_at, size = self._proportional.get(pid, (float("-inf"), None))
        if monotonic() - looked_at >= _PSS_EVERY:
            size = _rollup(pid)
            self._proportional[pid] = (monotonic(), size)
        return size


def _stat(pid: int) -> tuple[float | None, int | None]:
    try:
        with open(f"/proc/{pid}/stat") as file:
            # Behind the name, in which anything may stand: fields from the third on.
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None, None
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks, int(fields[17])


def _rollup(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None
