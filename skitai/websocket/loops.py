"""Handlers that loop for as long as their connection, or their room, lasts.

Where the mount's handlers are parked when they wait, such a loop is a job like any other: while it waits for
messages it holds no thread.  Anywhere else it has a thread of its own, of which there are at most
``ws_loops_max``: who comes then is refused with 503, or, where that was seen too late, closed with 1013.

`begin` from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from skitai._kernels import engine
from skitai.core.gateway import Run
from skitai.errors import HTTPError

__all__ = ["Loops"]


class Loops:
    def __init__(self, executor: engine.Executor, most: int, report: Callable[[str], None]) -> None:
        """``most``: threads; ``report(what)`` is called inside an ``except`` block."""
        self._executor = executor
        self._most = most
        self._report = report
        self._lock = threading.Lock()
        self._threads = 0
        self._started = 0

    @property
    def threads(self) -> int:
        """That there are now."""
        return self._threads

    def check_room(self, parks: bool) -> None:
        """As the answer to a handshake, which may still be one of HTTP.  Raises HTTPError (503): there are as
        many as there may be."""
        if not (parks and self._executor.can_park) and self._threads >= self._most:
            raise HTTPError(503, "Too many WebSockets have a thread of their own (ws_loops_max).")

    def begin(self, run: Run) -> None:
        if run.parks and self._executor.can_park:
            self._executor.submit(run)
            return
        with self._lock:
            has_room = self._threads < self._most  # others may have begun since `check_room`
            if has_room:
                self._threads += 1
                self._started += 1
            name = f"skitai-websocket-{self._started}"
        if not has_room:
            run.shed()
            return
        try:
            threading.Thread(target=self._run, args=(run,), name=name, daemon=True).start()
        except RuntimeError:  # the system gives no more: a bound of the user or of the container
            self._leave()
            run.shed()

    def _run(self, run: Run) -> None:
        try:
            run.run()
        except BaseException:
            self._report("a WebSocket's loop")
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._threads -= 1
