"""A line in the log when a limit takes effect, and not a thousand of them.

Whoever runs into a limit often comes again at once: of each limit one line a second is
written, with the number of those that were not.  Any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

__all__ = ["LimitLog"]

_INTERVAL = 1.0


class LimitLog:
    def __init__(self, write: Callable[[str, str], None]) -> None:
        """``write(text, kind)`` takes the line."""
        self._write = write
        self._lock = threading.Lock()
        #: By limit: when its last line was written, and how many were not since.
        self._state: dict[str, tuple[float, int]] = {}

    def note(self, limit: str, text: str) -> None:
        """``limit`` (its name in `skitai.limits`) has taken effect; ``text`` says on whom and how."""
        now = monotonic()
        with self._lock:
            written_at, silent = self._state.get(limit, (-_INTERVAL, 0))
            if now - written_at < _INTERVAL:
                self._state[limit] = (written_at, silent + 1)
                return
            self._state[limit] = (now, 0)
        before = f" (and {silent} more times since the last such line)" if silent else ""
        self._write(f"{limit}: {text}{before}", "warn")
