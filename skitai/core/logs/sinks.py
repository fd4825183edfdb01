"""Where log lines end up: a file of the log folder, or a console.

Owned by the writer thread after start.  A full disk, a closed console or a lost mount never
raises out of `write`: lines that could not be written are counted, and the first line that
can be written again is preceded by one that says how many are missing and why.  Until then the file cannot
say it: so standard error does, at most once a minute, where systemd or skitaid may have an ear.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

__all__ = ["ConsoleSink", "FileSink", "Sink", "console_sinks"]

#: For files of the log folder: readable by the group, because request lines carry addresses.
_MODE = 0o640
#: Linux takes so many bytes into a pipe without blocking once poll says that it is writable.
_PIPE_BUF = 4096
#: Seconds that a console may take no byte before its lines are given up.
_CONSOLE_PATIENCE = 1.0
#: Seconds from one complaint on stderr about a file to the next.
_SILENCE = 60.0


class Sink:
    """A descriptor that lines are written to, and the account of what was lost."""

    def __init__(self, descriptor: int, warning: Callable[[str], bytes]) -> None:
        """``warning`` makes the line that reports a loss."""
        self._descriptor = descriptor
        self._warning = warning
        self._lost = 0
        self._reason = ""
        self._mid_line = False

    def write(self, lines: list[bytes]) -> None:
        """Write whole lines; never raises OSError."""
        head = b"\n" if self._mid_line else b""
        if self._lost:
            head += self._warning(f"{self._lost} lines are missing here: {self._reason}")
        data = memoryview(head + b"".join(lines))
        written = 0
        try:
            while written < len(data):
                written += self._write_some(data[written:])
        except OSError as error:
            self._reason = error.strerror or str(error)
            if not self._lost:
                self._failed()
        if written >= len(head):
            self._lost = 0
        self._lost += bytes(data[max(written, len(head)) :]).count(b"\n")
        if written:
            self._mid_line = data[written - 1] != ord("\n")

    def _failed(self) -> None:
        """It takes no more: lines are lost from here on."""

    def _write_some(self, data: memoryview) -> int:
        return os.write(self._descriptor, data)

    def close(self) -> None:
        """Give the descriptor back."""
        with contextlib.suppress(OSError):  # a full disk may be told here; there is nobody left to tell
            os.close(self._descriptor)


class FileSink(Sink):
    """A file that is appended to.  Raises OSError when it cannot be opened."""

    def __init__(self, path: Path, warning: Callable[[str], bytes]) -> None:
        super().__init__(_open(path), warning)
        self.path = path
        self._silent_until = 0.0

    def _failed(self) -> None:
        now = time.monotonic()
        if now < self._silent_until:  # a disk that has room for a line now and then
            return
        self._silent_until = now + _SILENCE
        text = f"skitai: {self.path} cannot be written to: {self._reason}; lines are lost until it can\n"
        _say_to_stderr(text.encode("utf-8", "backslashreplace"))

    def reopen(self) -> None:
        """Go on in the file that has the name now; on OSError the old file is kept."""
        fresh = _open(self.path)
        self.close()
        self._descriptor = fresh


class ConsoleSink(Sink):
    """Standard output or error, or whatever they were redirected to.

    Nobody else's flags are changed (O_NONBLOCK would be shared with the shell), so readiness is
    asked for before each write: a pager that is not read from, or Ctrl-S in a terminal, costs
    the lines of that console and does not stop the files.
    """

    def __init__(self, descriptor: int, warning: Callable[[str], bytes]) -> None:
        # A copy: an application that closes its stdout must not make us write into
        # whatever gets the number next.
        super().__init__(os.dup(descriptor), warning)
        self._patience = _CONSOLE_PATIENCE
        self._poll: select.poll | None = None
        # A file takes all there is to write; elsewhere than with POSIX only sockets can be asked.
        if sys.platform != "win32" and not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            self._poll = select.poll()
            self._poll.register(self._descriptor, select.POLLOUT)

    def _write_some(self, data: memoryview) -> int:
        if self._poll is not None:
            if not self._poll.poll(self._patience * 1000):
                self._patience = 0.0  # until it moves again, waiting would only hold up the files
                raise BlockingIOError(errno.EAGAIN, "the console took no more")
            self._patience = _CONSOLE_PATIENCE
            # Whole lines where they fit: the workers of a master write into one pipe.
            data = data[: bytes(data[:_PIPE_BUF]).rfind(b"\n") + 1 or _PIPE_BUF]
        return super()._write_some(data)


def _say_to_stderr(text: bytes) -> None:
    """Without waiting for it, and for nothing if it is closed."""
    descriptor = _console_descriptor(sys.stderr, 2)
    if descriptor is None:
        return
    with contextlib.suppress(OSError):  # there is nobody left to tell
        if os.name == "posix":
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            if not any(events & select.POLLOUT for _, events in poll.poll(0)):
                return
        os.write(descriptor, text)


def console_sinks(warning: Callable[[str], bytes]) -> tuple[list[Sink], list[Sink]]:
    """For stdout and stderr; the same one for both if they lead to the same place, so that
    the lines keep their order.  A stream that was closed before the start has none."""
    out, error = _console_descriptor(sys.stdout, 1), _console_descriptor(sys.stderr, 2)
    error_sinks: list[Sink] = [] if error is None else [ConsoleSink(error, warning)]
    if out is None:
        return [], error_sinks
    if error is not None and os.path.sameopenfile(out, error):
        return error_sinks, error_sinks
    return [ConsoleSink(out, warning)], error_sinks


def _console_descriptor(stream: TextIO | None, descriptor: int) -> int | None:
    """Python sets the stream to None when the descriptor was closed at start; by now the number
    may belong to something else."""
    return None if stream is None else descriptor


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOCTTY", 0), _MODE)
