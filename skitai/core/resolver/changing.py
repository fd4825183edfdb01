"""A text file of the system that others write: read again when it has changed, looked at once a second."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic

__all__ = ["ChangingFile"]

_LOOK = 1.0
_Mark = tuple[int, ...]

_ABSENT: _Mark = ()
#: Of a file that was not read, so that the next look reads it.
_UNREAD: _Mark = (-1,)


class ChangingFile:
    """The loop thread's.  Reading it blocks, but it is on the machine's own disk and short."""

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        self.path = path
        self._report = report
        self._looked = float("-inf")
        self._mark = _UNREAD
        self._text: str | None = None
        self._is_reported = False

    def news(self) -> str | None:
        """All of the file, the first time and after each change; None: nothing is new.

        One that is not there is empty.  One that cannot be read is as it was before.
        """
        now = monotonic()
        if now < self._looked + _LOOK:
            return None
        self._looked = now
        mark = self._look()
        if mark == self._mark:
            return None
        before, text = self._text, self._read()
        self._mark = _UNREAD if text is None else mark
        self._text = (before or "") if text is None else text
        return None if self._text == before else self._text

    def _look(self) -> _Mark:
        """Taken before the file is read: a change meanwhile is seen the next time."""
        try:
            found = os.stat(self.path)
        except OSError:
            return _ABSENT
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _read(self) -> str | None:
        try:
            text = self.path.read_text("utf-8", "replace")
        except FileNotFoundError:
            text = ""
        except OSError as error:
            if not self._is_reported:
                self._is_reported = True
                self._report(f"names of hosts: {self.path} cannot be read: {error.strerror}")
            return None
        self._is_reported = False
        return text
