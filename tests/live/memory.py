"""How much a running server holds and spends: memory, descriptors, processor time, read from /proc (Linux).

Memory is the resident anonymous part: heaps and stacks, where leaks are.  What is mapped from
files comes and goes with the system's mood.  It is read from ``smaps_rollup``, which looks at
every page: ``statm`` sums up counters of each processor and is off by some hundred KiB.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from tests.live.program import LiveServer

__all__ = [
    "KIB",
    "MIB",
    "blocks",
    "descriptors",
    "processor_time",
    "resident",
    "resident_of",
    "settled",
    "sockets",
    "wait_for_log",
]

KIB = 1024
MIB = 1024 * KIB

#: Longer than the log's thread gathers lines before it writes them.
_PAUSE = 0.07

_ANONYMOUS = re.compile(r"^Anonymous:\s+(\d+) kB$", re.MULTILINE)


def resident(server: LiveServer) -> int:
    """Bytes."""
    return resident_of(server.process.pid)


def resident_of(pid: int) -> int:
    """The same of any process."""
    found = _ANONYMOUS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    assert found, "this kernel's smaps_rollup has no line 'Anonymous:'"
    return int(found[1]) * KIB


def blocks(server: LiveServer) -> int:
    """How many blocks of memory its Python objects take, asked of apps/load.py.  Exact, but without
    what is longer than 512 bytes and what C code has by its own means.  Afterwards `resident` is
    without the reserves of malloc."""
    with server.connect() as wire:
        return int(wire.get("/blocks").body)


def wait_for_log(server: LiveServer) -> None:
    """Until whatever was asked before stands in the log.  Each line that waits for a slow disk is up to ten
    blocks, and no leak: while a disk stood still for some seconds there were 8,000 and 22,000 more."""
    mark = secrets.token_hex(8)
    with server.connect() as wire:
        assert wire.get(f"/?mark={mark}").status == 200
    server.wait_for_text(mark, 60)


def settled(read: Callable[[], int], slack: int = 0, patience: float = 3.0) -> int:
    """What ``read()`` gives once it gives the same again but for ``slack``: the log's thread and the
    ends of connections go on for a moment behind the last answer.  After ``patience`` seconds
    whatever it is."""
    deadline = time.monotonic() + patience
    last = read()
    while time.monotonic() < deadline:
        before = last
        time.sleep(_PAUSE)
        last = read()
        if abs(last - before) <= slack:
            break
    return last


def descriptors(server: LiveServer) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def processor_time(server: LiveServer) -> float:
    """Seconds, of all its threads."""
    stat = Path(f"/proc/{server.process.pid}/stat").read_text()
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def sockets(server: LiveServer) -> int:
    """Of the descriptors; the files that the server keeps ready to send are none."""
    folder = f"/proc/{server.process.pid}/fd"
    count = 0
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(f"{folder}/{name}").startswith("socket:")
    return count
