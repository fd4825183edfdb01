"""What of the machine this process may use: processors and memory.

A container has limits of its own, which Linux calls control groups (cgroups(7)).  Each group of the path from
ours up to the root may have one, and the smallest counts.  Both versions are read, as they may stand side by
side; a group that cannot be read has no limit.  Beside them stands what the system itself says: the
processors that we may be scheduled on, and physical memory.

At the start and at reloads, main thread; a few small files of /proc and /sys.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

__all__ = ["memory", "processors"]

_OURS = Path("/proc/self")
#: proc(5), mountinfo: root and place of the mount; behind a dash type, source and options.
_MOUNT = re.compile(r"\S+ \S+ \S+ (?P<root>\S+) (?P<place>\S+) .*- (?P<type>\S+) \S+ (?P<options>\S+)")
#: Octal, for blanks and the like in names.
_ESCAPE = re.compile(r"\\([0-7]{3})")
#: Version 1 says "no limit" by a number that no machine has.
_NO_LIMIT = 1 << 60


def processors(ours: Path = _OURS) -> int:
    """Whole ones, at least one: those that we may be scheduled on, and the share that the groups leave us."""
    try:
        count = float(len(os.sched_getaffinity(0)))
    except AttributeError:  # not Linux
        count = float(os.cpu_count() or 1)
    return max(1, int(min([count, *_limits("cpu", _cpu_2, _cpu_1, ours)])))


def memory(ours: Path = _OURS) -> int | None:
    """Bytes, of the machine or of the group; None where the system does not tell."""
    found = [int(limit) for limit in _limits("memory", _memory_2, _memory_1, ours)]
    try:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows; a system without the name
        return min(found, default=None)
    return min(found)


def _limits(
    controller: str,
    read_2: Callable[[Path], float | None],
    read_1: Callable[[Path], float | None],
    ours: Path,
) -> Iterator[float]:
    try:
        groups = (ours / "cgroup").read_text().splitlines()
        mounts = (ours / "mountinfo").read_text().splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        folder = _folder(path, controllers and controller, mounts)
        read = read_1 if controllers else read_2
        for group in [] if folder is None else folder:
            try:
                limit = read(group)
            except (OSError, ValueError):  # the root has no such file
                continue
            if limit is not None:
                yield limit


def _folder(path: str, controller: str, mounts: list[str]) -> list[Path] | None:
    """Of the group ``path`` and all above it, as far as we can see; ``controller``: empty for version 2."""
    for line in mounts:
        mount = _MOUNT.fullmatch(line)
        if mount is None or mount["type"] != ("cgroup" if controller else "cgroup2"):
            continue
        if controller and controller not in mount["options"].split(","):
            continue
        root, place = PurePosixPath(_plain(mount["root"])), Path(_plain(mount["place"]))
        group = PurePosixPath(path)
        # Outside of what is mounted: the container shows us only our own, as the root.
        names = group.relative_to(root).parts if group.is_relative_to(root) else ()
        return [place.joinpath(*names[:length]) for length in range(len(names), -1, -1)]
    return None


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def _memory_2(group: Path) -> float | None:
    text = (group / "memory.max").read_text().strip()
    return None if text == "max" or int(text) <= 0 else int(text)


def _memory_1(group: Path) -> float | None:
    limit = int((group / "memory.limit_in_bytes").read_text())
    return limit if 0 < limit < _NO_LIMIT else None


def _cpu_2(group: Path) -> float | None:
    quota, period = (group / "cpu.max").read_text().split()
    return None if quota == "max" else int(quota) / int(period)


def _cpu_1(group: Path) -> float | None:
    quota = int((group / "cpu.cfs_quota_us").read_text())
    return quota / int((group / "cpu.cfs_period_us").read_text()) if quota > 0 else None
