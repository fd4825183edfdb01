"""One timer of a loop for many clocks: it rings at the soonest, and whoever it rings for looks at them all.

Clocks that stop are not taken back: then it rings for nothing, and is set for what is the soonest by then.

The loop thread.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from skitai._kernels import engine

__all__ = ["Alarm"]

_NEVER = float("inf")


class Alarm:
    __slots__ = ("_loop", "_on_ring", "_timer", "rings_at")

    def __init__(self, loop: engine.EventLoop, on_ring: Callable[[], None]) -> None:
        """``on_ring()`` may set it again."""
        self._loop = loop
        self._on_ring = on_ring
        self._timer: engine.Timer | None = None
        #: As of `time.monotonic`; infinite while it is not set.  For who asks so often that a call is dear.
        self.rings_at = _NEVER

    def set(self, due: float) -> None:
        """Ring at ``due``, a time of `time.monotonic`, if not before."""
        if due < self.rings_at:
            self.cancel()
            self.rings_at = due
            self._timer = self._loop.call_later(max(0.0, due - monotonic()), self._ring)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.rings_at = _NEVER

    def _ring(self) -> None:
        self._timer = None
        self.rings_at = _NEVER
        self._on_ring()
