"""How long to rest before a process is started again: a worker by its master, an instance by skitaid.

One that had served for a while is replaced at once.  What fails again and again, or ends soon after
its start, is tried after a rest that doubles, up to ``restart_delay_max``: a broken application
must not keep a machine busy with starting it, and must come back by itself once it is mended.
"""

from __future__ import annotations

__all__ = ["STEADY", "BackOff"]

#: Seconds that a process must have served for its end to be an accident and no habit.
STEADY = 5.0
#: The first rest, in seconds.
_FIRST = 0.25


class BackOff:
    """Times are ``time.monotonic()`` seconds."""

    def __init__(self, longest: float) -> None:
        self.longest = longest
        #: Nothing is started before.
        self.until = 0.0
        self._delay = 0.0

    def ended(self, now: float, served: float) -> float:
        """A process has ended by itself after it had ``served`` for so many seconds (0: it was never
        ready).  The rest, in seconds."""
        self._delay = 0.0 if served >= STEADY else min(self.longest, self._delay * 2 or _FIRST)
        self.until = now + self._delay
        return self._delay

    def reset(self) -> None:
        """Something has changed, as by a reload: begin anew."""
        self.until = self._delay = 0.0
