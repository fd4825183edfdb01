"""Handlers that are still at work though their clients got 503 (response_timeout).

A thread that is in one cannot be ended from outside.  When half of the threads are lost like that,
the process is worn: the other half would go the same way, and then nobody is served.
One that is parked holds none, and its wait ends now; there may be ten thousand of them.

Loop thread.
"""

from __future__ import annotations

from collections.abc import Callable

from skitai.core.gateway import Run
from skitai.counters import Count, Row

__all__ = ["OverdueRuns"]


class OverdueRuns:
    def __init__(self, counts: Row, worn_at: int, on_worn: Callable[[], None]) -> None:
        """``worn_at`` of them at once wear the process out; 0 is never (without threads a handler that
        lasts stops the loop, and no clock runs)."""
        self._counts = counts
        self._worn_at = worn_at
        self._on_worn = on_worn
        self._runs: list[Run] = []

    def add(self, run: Run) -> None:
        """The client of ``run`` was just answered in its place."""
        if not run.is_inside:
            return  # it waited for a thread, or for its turn
        self._counts[Count.OVERDUE] += 1
        if not run.holds_thread:
            return
        # They become more only here, so it is soon enough to see now which have come back.
        self._runs = [*(other for other in self._runs if other.holds_thread), run]
        if self._worn_at and len(self._runs) >= self._worn_at:
            self._on_worn()
