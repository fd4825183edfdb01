"""Threads for what would block the loop: they come when there is work, and go when there has been none for a
while.

`run` and `close` are of the loop thread.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

__all__ = ["Helpers"]

#: Seconds without work.
_IDLE = 10.0


class Helpers:
    """At most ``most`` of them, called ``name``.  What they are given must not raise."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_done = threading.Condition(self._lock)
        self._threads = 0
        #: Jobs that have not ended.
        self._jobs_left = 0

    def run(self, job: Callable[[], None]) -> None:
        with self._lock:
            self._jobs_left += 1
            is_one_more = self._threads < min(self._most, self._jobs_left)
            self._threads += is_one_more
        self._jobs.put(job)
        if is_one_more:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def close(self) -> None:
        """Each thread ends when nothing is left to do."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def wait(self, seconds: float) -> None:
        """Until nothing is left to do, at most so long."""
        with self._lock:
            self._is_done.wait_for(lambda: not self._jobs_left, seconds)

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=_IDLE)
            except queue.Empty:
                with self._lock:
                    if self._jobs_left >= self._threads:
                        continue  # one was put in this moment
                    self._threads -= 1
                    return
            if job is None:
                return
            job()
            with self._lock:
                self._jobs_left -= 1
                self._is_done.notify_all()
