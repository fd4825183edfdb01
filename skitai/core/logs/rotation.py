"""A log file that gives way: to a new one each day or month, or when it has grown long enough.

What is written first in a new day goes into a new file; ``request.log`` of the day before becomes
``request-20261122.log``, with ``-HHMMSS`` behind it where that name is taken, as in 0.11.

Several processes append to one file.  Whoever finds that it has to go renames it, under a lock of the file
itself (flock(2)), and only if it still has the name; the others see at their next write that the name stands
for another file, and go on there.  What one of them has written in between is in the renamed file: nothing is
lost.

The thread that writes.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

from skitai.core.logs.options import Rotation
from skitai.core.logs.sinks import FileSink
from skitai.errors import ConfigError

if sys.platform != "win32":
    import fcntl

__all__ = ["RotatingFile", "log_file"]

#: Seconds after a renaming that the system has refused until the next one is tried.
_PATIENCE = 60.0
_PERIODS = {"daily": "%Y%m%d", "monthly": "%Y%m"}


class RotatingFile(FileSink):
    """Raises OSError when it cannot be opened."""

    def __init__(self, path: Path, warning: Callable[[str], bytes], rotation: Rotation) -> None:
        self._rotation = rotation
        self._period_format = _PERIODS.get(rotation.every, "")
        self._not_before = 0.0
        super().__init__(path, warning)
        self._opened()

    def write(self, lines: list[bytes]) -> None:
        if self._is_file:
            self._follow()
            if self._is_due(sum(map(len, lines))) and time.monotonic() >= self._not_before:
                self._rotate()
        super().write(lines)

    def reopen(self) -> None:
        super().reopen()
        self._opened()

    def _opened(self) -> None:
        state = os.fstat(self._descriptor)
        self._is_file = stat.S_ISREG(state.st_mode)
        #: When what stands in it was written.
        self._period = self._period_of(state.st_mtime if state.st_size else time.time())

    def _period_of(self, when: float) -> str:
        return time.strftime(self._period_format, time.localtime(when))

    def _follow(self) -> None:
        """Another process has renamed the file."""
        if not self._has_name():
            with contextlib.suppress(OSError):  # no file of the name can be made: this one goes on
                self.reopen()

    def _has_name(self) -> bool:
        """Whether the file is still the one of its name; not, where it was removed."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False
        except OSError:
            return True  # it cannot be told, and so not be renamed either

    def _is_due(self, more: int) -> bool:
        if self._period != self._period_of(time.time()):
            return True
        if not self._rotation.size:
            return False
        size = os.fstat(self._descriptor).st_size
        return size > 0 and size + more > self._rotation.size

    def _rotate(self) -> None:
        try:
            if sys.platform != "win32":
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            if self._has_name():
                os.rename(self.path, self._free_name())
            self.reopen()  # the lock goes with the old descriptor
        except OSError as error:
            self._not_before = time.monotonic() + _PATIENCE
            if sys.platform != "win32":
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            reason = error.strerror or str(error)
            super().write([self._warning(f"{self.path} cannot be renamed: {reason}; going on in it")])
            return
        self._prune()

    def _free_name(self) -> Path:
        """By the last day that stands in it."""
        last = os.fstat(self._descriptor).st_mtime
        plain = self.path.with_name(f"{self.path.stem}-{time.strftime('%Y%m%d', time.localtime(last))}.log")
        if not plain.exists():
            return plain
        second = time.strftime("%Y%m%d-%H%M%S", time.localtime())
        name, number = self.path.with_name(f"{self.path.stem}-{second}.log"), 1
        while name.exists():
            number += 1
            name = self.path.with_name(f"{self.path.stem}-{second}-{number}.log")
        return name

    def _prune(self) -> None:
        """Those beyond ``keep`` go, the oldest first."""
        ours = re.compile(rf"{re.escape(self.path.stem)}-[0-9]{{8}}(-[0-9]{{6}}(-[0-9]+)?)?\.log")
        found = []
        for name in os.listdir(self.path.parent):
            if ours.fullmatch(name):
                with contextlib.suppress(FileNotFoundError):  # another process prunes, too
                    found.append((os.stat(self.path.parent / name).st_mtime_ns, name))
        for _, name in sorted(found)[: max(0, len(found) - self._rotation.keep)]:
            with contextlib.suppress(OSError):  # somebody else's by now, and not ours to take
                os.unlink(self.path.parent / name)


def log_file(folder: Path, name: str, warning: Callable[[str], bytes], rotation: Rotation) -> FileSink:
    """``NAME.log`` under ``folder``, which is made if it is missing.  Raises ConfigError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if rotation.every == "no" and not rotation.size:
            return FileSink(folder / f"{name}.log", warning)
        return RotatingFile(folder / f"{name}.log", warning, rotation)
    except OSError as error:
        who = f"user {os.getuid()}" if hasattr(os, "getuid") else "this user"
        raise ConfigError(
            f"the logs cannot be written to {folder}: {error.strerror} ({error.filename})",
            hint=f"let {who} write there, or choose another place with --home DIR or log_path",
        ) from error
