"""The folder of letters: what was put into it is there until it was delivered, given up or taken away.

    FOLDER/spool/NAME.mail         waits to be delivered
    FOLDER/undelivered/NAME.mail   was given up; an operator may have it tried again
    FOLDER/spool/.NAME.mail        is being written; left behind by who was killed there

`put` writes beside, has the bytes on the disk, renames, has the name on the disk: only then is a message
accepted, and from then on neither a killed process nor a power failure loses it.  A letter is under one name
in one folder, so each step of its life is one call of the system, and two who take one at once find that one
of them was late (FileNotFoundError).  Files can be read by their owner only: there are passwords in
envelopes.

Names sort by the time of their making.  Any thread and any process; local disks (a network's may not know
what was renamed when its server fails).
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from skitai.core.mail.bell import ring
from skitai.core.mail.letter import Envelope, Letter
from skitai.errors import MailNotAccepted
from skitai.limits import Limits

__all__ = ["MailSpool", "is_name"]

_NAME = re.compile(r"[0-9a-f]{14}-[0-9a-f]{8}")
_SUFFIX = ".mail"
_POSIX = sys.platform != "win32"
#: Counting a full spool takes a while: it may take so much of the time that passes.
_COUNTING_SHARE = 0.05


def is_name(text: str) -> bool:
    """Whether a letter may be called so."""
    return _NAME.fullmatch(text) is not None


@dataclass(slots=True)
class _Count:
    """Of the letters that wait: counted now and then, and added to what we put there meanwhile."""

    messages: int = 0
    size: int = 0
    until: float = 0.0


class MailSpool:
    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        """Touches nothing; ``limits``: of who puts letters into it."""
        self.folder = folder
        self.waiting = folder / "spool"
        self.undelivered = folder / "undelivered"
        #: Locked by the agent, whose process it names.
        self.lock_file = folder / "lock"
        self._limits = limits or Limits()
        self._count = _Count()
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Make the folders that are missing.  Raises OSError."""
        for folder in (self.folder, self.waiting, self.undelivered):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    # -- by who writes ------------------------------------------------------------------------

    def put(self, envelope: Envelope, message: bytes) -> str:
        """The name under which the message waits now, safe from everything but the loss of the disk.

        Raises MailNotAccepted: there is no room, or it cannot be written; then nothing is left of it.
        """
        self._check_room(len(message))
        name = f"{time.time_ns() // 1000:014x}-{secrets.token_hex(4)}"
        path = self._path(self.waiting, name)
        beside = path.with_name(f".{path.name}")
        try:
            try:
                self._write(beside, envelope.front(message), message)
                beside.rename(path)
            except OSError:
                beside.unlink(missing_ok=True)
                raise
            _sync(self.waiting)
        except OSError as error:
            who = f"user {os.getuid()}" if _POSIX else "this user"
            raise MailNotAccepted(
                f"the message could not be written to {self.waiting}: {error.strerror}; let {who} write "
                f"there, or name another folder by mail_spool"
            ) from error
        ring(self.folder, name)
        return name

    def _write(self, path: Path, *pieces: bytes) -> None:
        try:
            _write(path, *pieces)
        except FileNotFoundError:
            self.prepare()
            _write(path, *pieces)

    def _check_room(self, size: int) -> None:
        limits = self._limits
        with self._lock:
            count = self._count
            now = time.monotonic()
            if now >= count.until:
                count.messages, count.size = self._counted()
                took = time.monotonic() - now
                count.until = now + max(1.0, took / _COUNTING_SHARE)
            for name, what, most, there in (
                ("mail_queue_max", "messages", limits.mail_queue_max, count.messages + 1),
                ("mail_spool_total_max", "bytes", limits.mail_spool_total_max, count.size + size),
            ):
                if there > most:
                    raise MailNotAccepted(
                        f"the spool {self.waiting} is full: {name} allows {most} {what}; does the delivery "
                        f"agent run (skitaid-smtpda --status)?"
                    )
            count.messages += 1
            count.size += size

    def _counted(self) -> tuple[int, int]:
        sizes = []
        # What cannot be counted cannot be written either, which is told there.
        with suppress(OSError), os.scandir(self.waiting) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # delivered meanwhile
                    sizes.append(entry.stat().st_size)
        return len(sizes), sum(sizes)

    # -- by who delivers, and by operators ----------------------------------------------------

    def agent(self) -> int:
        """The process of the agent that began last, 0 where there was none; it may have ended."""
        try:
            return int(self.lock_file.read_bytes())
        except (OSError, ValueError):
            return 0

    def names(self, folder: Path) -> list[str]:
        """Of the letters in ``folder`` (`waiting` or `undelivered`), the oldest first."""
        with suppress(FileNotFoundError):
            found = (entry.removesuffix(_SUFFIX) for entry in os.listdir(folder) if entry.endswith(_SUFFIX))
            return sorted(filter(is_name, found))
        return []

    def letter(self, folder: Path, name: str) -> Letter:
        """Raises BadLetter, or OSError: FileNotFoundError where there is none of this name (any more)."""
        if not is_name(name):
            raise FileNotFoundError(f"{name!r} is no name of a letter")
        return Letter(self._path(folder, name))

    def remove(self, folder: Path, name: str) -> bool:
        """End a letter; False if somebody else did.  Is on the disk after `sync`."""
        try:
            self._path(folder, name).unlink()
        except FileNotFoundError:
            return False
        return True

    def give_up(self, name: str) -> bool:
        """From those that wait to the undelivered ones; False if somebody has taken it away."""
        return self._move(name, self.waiting, self.undelivered)

    def take_back(self, name: str) -> bool:
        """The other way round; the agent hears of it."""
        moved = self._move(name, self.undelivered, self.waiting)
        ring(self.folder, name)
        return moved

    def _move(self, name: str, source: Path, target: Path) -> bool:
        try:
            self._path(source, name).rename(self._path(target, name))
        except FileNotFoundError:
            return False
        _sync(target)
        _sync(source)
        return True

    def sync(self) -> None:
        """What was removed does not come back when the power fails."""
        _sync(self.waiting)

    def clean(self, undelivered_before: float, written_before: float) -> list[str]:
        """Remove letters that were given up, and files that were left half written, before these times (as
        `time.time`); the names of the letters."""
        gone = []
        for name in self.names(self.undelivered):
            path = self._path(self.undelivered, name)
            with suppress(FileNotFoundError):
                # The time of the last line of its journal, which says why it was given up.
                if path.stat().st_mtime < undelivered_before:
                    path.unlink()
                    gone.append(name)
        for entry in os.listdir(self.waiting):
            if entry.startswith(".") and is_name(entry[1:].removesuffix(_SUFFIX)):
                with suppress(FileNotFoundError):
                    path = self.waiting / entry
                    if path.stat().st_mtime < written_before:
                        path.unlink()
        return gone

    @staticmethod
    def _path(folder: Path, name: str) -> Path:
        return folder / f"{name}{_SUFFIX}"


def _write(path: Path, *pieces: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, 0o600), "wb", buffering=0) as file:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[file.write(view) :]
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    if not _POSIX:
        return  # Windows writes names through with the files
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
