"""The clocks of an open WebSocket: who is silent, idle, or sends a frame too slowly.

Told of what happens, and asked by the sweep what is to be done.  Telling is cheap, for it comes with every
message: a time is noted, and `deadline` may be earlier than anything is due.

    the peer is silent for ping_interval      PING
    and for ping_timeout behind that          SILENT
    no message, either way, for idle_timeout  IDLE
    half a frame, and less of it than
    body_rate_min for body_rate_grace         SLOW

While we do not read (`unread`), what the peer has said may lie in the socket: then nothing is its fault.

Loop thread; `moved` any thread.
"""

from __future__ import annotations

import enum
from time import monotonic

from skitai._pure.engine.upload import Upload
from skitai.limits import Limits

__all__ = ["Due", "Liveness"]

_NEVER = float("inf")


class Due(enum.Enum):
    NOTHING = "nothing"
    PING = "a ping is to be sent"
    SILENT = "the peer has not answered a ping"
    IDLE = "nobody says anything"
    SLOW = "a frame comes too slowly"


class Liveness:
    __slots__ = ("_heard", "_idle", "_interval", "_limits", "_moved", "_patience", "_pinged", "_upload")

    def __init__(self, limits: Limits, idle_timeout: float) -> None:
        """``idle_timeout``: seconds; 0 is no limit, as for the others."""
        now = monotonic()
        self._limits = limits
        self._interval = limits.ws_ping_interval or _NEVER
        self._patience = limits.ws_ping_timeout or _NEVER
        self._idle = idle_timeout or _NEVER
        #: When the peer last sent anything, when a message last went either way, when we sent a ping that was
        #: not answered by anything yet.
        self._heard = now
        self._moved = now
        self._pinged: float | None = None
        self._upload: Upload | None = None

    def heard(self, count: int, mid_frame: bool) -> None:
        """``count`` bytes came, the last of them within a frame or not."""
        self._heard = now = monotonic()
        self._pinged = None
        if not mid_frame:
            self._upload = None
            return
        if self._upload is None:
            self._upload = Upload(self._limits, now)
        self._upload.taken += count

    def moved(self) -> None:
        """A message went one way or the other."""
        self._moved = monotonic()

    def exchanged(self, now: float) -> None:
        """Whole messages came, and were answered."""
        self._heard = self._moved = now
        self._pinged = self._upload = None

    def unread(self, now: float) -> None:
        """We have not read since the last look."""
        self._heard = now
        self._pinged = None
        if self._upload is not None:
            self._upload = Upload(self._limits, now)

    @property
    def deadline(self) -> float:
        """When to ask `due` again."""
        answer = self._heard + self._interval if self._pinged is None else self._pinged + self._patience
        slow = _NEVER if self._upload is None else self._upload.deadline
        return min(answer, self._moved + self._idle, slow)

    def due(self, now: float) -> Due:
        """What is to be done; of a ping it is taken that it is sent."""
        if self._moved + self._idle <= now:
            return Due.IDLE
        upload = self._upload
        if upload is not None and upload.deadline <= now and upload.is_too_slow(now):
            return Due.SLOW
        if self._pinged is not None:
            return Due.SILENT if self._pinged + self._patience <= now else Due.NOTHING
        if self._heard + self._interval <= now:
            self._pinged = now
            return Due.PING
        return Due.NOTHING
