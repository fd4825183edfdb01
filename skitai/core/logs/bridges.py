"""Two ways by which applications write without knowing Skitai: ``logging`` and ``wsgi.errors``.

Both are called in the threads of applications and hand whole texts to a callback.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

__all__ = ["AppLogHandler", "ErrorStream"]

#: ``write(text, kind)``
Write = Callable[[str, str], None]

#: A line that does not end is written in pieces of so many characters.
_PARTIAL_MAX = 65536


class AppLogHandler(logging.Handler):
    """Routes records of the standard `logging`; the logger's name stands in the type:
    ``[warn:shop.cart] text``.  A record with an exception is of type ``expt``."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """Called by `logging` in the thread that logs."""
        try:
            self._write(self.format(record), f"{_kind(record)}:{record.name}")
        except Exception:
            self.handleError(record)  # as every handler does: a bad format string is no reason to fail


def _kind(record: logging.LogRecord) -> str:
    if record.exc_info:
        return "expt"
    if record.levelno >= logging.CRITICAL:
        return "fail"
    if record.levelno >= logging.ERROR:
        return "error"
    return "warn" if record.levelno >= logging.WARNING else "info"


class ErrorStream:
    """``wsgi.errors`` (PEP 3333): a text stream for output only, shared by all requests.

    Lines become entries of type ``error``.  Threads do not cut into each other's lines: the
    beginning of a line waits for its end, or for `flush`, apart for each thread.
    """

    encoding = "utf-8"
    errors = "backslashreplace"
    closed = False

    def __init__(self, write: Write) -> None:
        self._write = write
        self._begun: dict[int, str] = {}

    def write(self, text: str) -> int:
        """Take ``text``; complete lines of one call stay together.  Returns its length."""
        if not isinstance(text, str):
            raise TypeError(f"wsgi.errors takes str, not {type(text).__name__} (PEP 3333)")
        begun, newline, rest = (self._begun.pop(threading.get_ident(), "") + text).rpartition("\n")
        if newline:
            self._write(begun, "error")
        if len(rest) > _PARTIAL_MAX:
            self._write(rest, "error")
        elif rest:
            self._begun[threading.get_ident()] = rest
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write all of ``lines`` as one entry."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Let an unfinished line of this thread go as it is.  The disk is not waited for."""
        rest = self._begun.pop(threading.get_ident(), "")
        if rest:
            self._write(rest, "error")

    def writable(self) -> bool:
        """Always."""
        return True

    def readable(self) -> bool:
        """Never."""
        return False

    def seekable(self) -> bool:
        """Never."""
        return False

    def isatty(self) -> bool:
        """Never: nobody should colour what goes to a file."""
        return False
