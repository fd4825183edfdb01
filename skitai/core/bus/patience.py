"""Waiting for room in the queue of a bus, as far as who speaks can wait.

Any thread, without a lock of the bus.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from skitai._lazy import LazyModule
from skitai._waiting import Future
from skitai.errors import SendQueueFull, WaitTimeout

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LazyModule("asyncio")

__all__ = ["Patience"]

#: Seconds that somebody waits for room.
_LONGEST = 5.0


class Patience:
    """Of one who has something to say."""

    def __init__(self) -> None:
        self._until = 0.0

    def wait(self, room: Future, waiting: int) -> None:
        """Until ``room`` is completed.  Raises SendQueueFull: here nobody can wait, or it took too long;
        ``waiting``: bytes, for the words."""
        full = SendQueueFull(f"{waiting} bytes said in rooms wait for the bus already (ws_bus_queue_max)")
        if _is_in_asyncio():
            raise full
        self._until = self._until or monotonic() + _LONGEST
        try:
            room.wait(max(0.0, self._until - monotonic()))
        except (RuntimeError, WaitTimeout):  # of which the first: this thread has the loop, which sends
            raise full from None


def _is_in_asyncio() -> bool:
    """Here, where nobody may block."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
