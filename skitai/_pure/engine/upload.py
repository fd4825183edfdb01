"""How much of a request's body has come, and whether it comes too slowly (body_rate_min).

Each period of ``body_rate_grace`` counts for itself: what came fast at first is no credit for a
standstill of hours.  Loop thread.
"""

from __future__ import annotations

from skitai.limits import Limits

__all__ = ["Upload"]


class Upload:
    __slots__ = ("_counted", "_limits", "_period_began", "taken")

    def __init__(self, limits: Limits, began: float) -> None:
        """``began``: monotonic seconds."""
        self._limits = limits
        self._period_began = began
        self._counted = 0
        #: Bytes so far.
        self.taken = 0

    @property
    def deadline(self) -> float:
        """When `is_too_slow` is to be asked."""
        return self._period_began + self._limits.body_rate_grace

    def begin_period(self, now: float) -> None:
        """It was not the client who was slow."""
        self._counted, self._period_began = self.taken, now

    def is_too_slow(self, now: float) -> bool:
        """Whether less than the minimum came in the period that ends now; begins the next one."""
        came, period = self.taken - self._counted, now - self._period_began
        self.begin_period(now)
        return came < self._limits.body_rate_min * period
