"""How an instance stands at this moment, as plain data: what no counter tells.

For the master, which is asked by Prometheus, `skitai top` and the dashboard, and for `was.status()`.  Asked
in a thread that runs no application.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from time import monotonic
from typing import Any

from skitai._kernels import engine
from skitai.core.coroutines import Coroutines
from skitai.core.gateway import Run
from skitai.core.lasting import holds_thread, lasting_handlers

__all__ = ["Figures", "LagProbe"]

#: Seconds that a question waits for the loop to come round.
_PATIENCE = 0.01


class LagProbe:
    """How late the loop is with what it was asked to do."""

    def __init__(self, loop: engine.EventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._came = threading.Event()
        self._asked_at: float | None = None
        self._lag = 0.0

    def look(self) -> float:
        """Seconds: of this question, or for how long by now one before it has not been answered."""
        if self._loop.in_loop_thread():
            return self._lag
        with self._lock:
            if self._asked_at is None:
                self._asked_at = monotonic()
                self._came.clear()
                self._loop.call_soon(self._comes)
        self._came.wait(_PATIENCE)
        with self._lock:
            asked_at: float | None = self._asked_at  # the loop may have answered meanwhile
            return self._lag if asked_at is None else monotonic() - asked_at

    def _comes(self) -> None:
        with self._lock:
            if self._asked_at is not None:
                self._lag, self._asked_at = monotonic() - self._asked_at, None
        self._came.set()


class Figures:
    def __init__(
        self,
        server: engine.Engine,
        executor: engine.Executor,
        coroutines: Coroutines,
        present: Iterable[Run],
        threads: int,
    ) -> None:
        """``threads``: how many may be inside applications."""
        self._engine = server
        self._executor = executor
        self._coroutines = coroutines
        self._present = present
        self._threads = threads
        self._lag = LagProbe(server.loop)

    def __call__(self) -> dict[str, Any]:
        present = tuple(self._present)
        call = self._engine.present_call()
        inside = sum(map(holds_thread, present))
        return {
            "loop lag": round(self._lag.look(), 6),
            "threads": self._threads,
            "threads inside": inside + (call is not None),
            "threads of the process": threading.active_count(),
            "queued": self._executor.waiting,
            "parked": sum(run.is_parked for run in present),
            "coroutines": self._coroutines.inside,
            "connections": len(self._engine.connections),
            "websockets": self._engine.websocket_totals().open,
            "handlers": lasting_handlers(present, call),
        }
