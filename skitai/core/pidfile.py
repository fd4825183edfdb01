"""One process for a file: a lock that the system takes back when the process ends, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["AlreadyHeld", "PidFile", "holder"]

#: Seconds that the lock is waited for: a former holder may be about to end.
_PATIENCE = 1.0


class AlreadyHeld(Exception):
    """Another process has it: ``pid``, 0 where that is not known."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"process {pid or 'unknown'}")
        self.pid = pid


class PidFile:
    """Held until the process ends, or until `release`.  The file stays: who removed it could let two in."""

    def __init__(self, path: Path) -> None:
        """Raises AlreadyHeld, or OSError where the lock cannot be made."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _PATIENCE
        while not _is_locked(self._descriptor):
            if time.monotonic() >= deadline:
                os.close(self._descriptor)
                raise AlreadyHeld(_read(path))
            time.sleep(0.05)
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        os.close(self._descriptor)


def holder(path: Path) -> int | None:
    """The process that has the lock of ``path``, None if nobody has."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return None if _is_locked(descriptor) else _read(path)
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _read(path: Path) -> int:
    try:
        return int(path.read_bytes())
    except (OSError, ValueError):
        return 0
