"""One line for each route that is found to last, or to be quick again (`skitai._kernels.engine.Habit`).

An operator sees by it which handlers hold threads, and why their requests wait for each other.  Any
client can make routes up by asking for other paths; so there are but so many lines a minute.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

from skitai._kernels import engine

__all__ = ["HabitLog"]

_LINES = 20
_PERIOD = 60.0


class HabitLog:
    """Any thread."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """``write(text)`` takes the line."""
        self._write = write
        self._lock = threading.Lock()
        #: When the present period began, and how many lines there were in it.
        self._began = -_PERIOD
        self._lines = 0
        self._silent = 0

    def note(self, habit: engine.Habit, before: str) -> None:
        """``before``: its kind until now."""
        text = _words(habit, before)
        if not text:
            return
        now = monotonic()
        with self._lock:
            if now - self._began >= _PERIOD:
                self._began, self._lines = now, 0
            self._lines += 1
            if self._lines > _LINES:
                self._silent += 1
                return
            silent, self._silent = self._silent, 0
        self._write(f"{text} (and {silent} lines like this were left out)" if silent else text)


def _words(habit: engine.Habit, before: str) -> str:
    """Empty while it is not known what a route that lasts is at, or if nothing was said of it."""
    if habit.kind == "fast" and before != "lasts":
        return f"{habit.route} is quick by now: it is called in the thread that leads"
    took = f"a call took {habit.elapsed * 1000:.0f} ms, {habit.burnt * 1000:.0f} of them on the processor"
    if habit.kind == "waits":
        return f"{habit.route} waits ({took}): its calls go to worker threads"
    if habit.kind == "burns":
        return f"{habit.route} computes ({took}): its calls go to worker threads, one at a time"
    return ""
