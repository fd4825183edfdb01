"""The bus of a process that is alone: a hub of its own, heard at once and in the thread that says something.

The lock keeps what is said in the order of its numbers until all clients have it in their queues.
"""

from __future__ import annotations

import threading
from typing import Any

from skitai.core.bus.frames import Frame, Listener, Terms
from skitai.core.bus.hub import Hub

__all__ = ["LocalBus"]


class LocalBus:
    """A `Bus`, and the one subscriber of its hub."""

    origin = 0

    def __init__(self, listener: Listener, history_max: int) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._hub = Hub(history_max)

    def join(self, room: str, terms: Terms) -> None:
        with self._lock:
            self._hub.join(self, room, terms)

    def part(self, room: str) -> None:
        with self._lock:
            self._hub.part(self, room)

    def say(self, room: str, payload: bytes) -> bool:
        with self._lock:
            self._hub.say(room, payload)
        return True

    def tell(self, room: str, payload: bytes, *, is_bound: bool = False) -> None:
        """There are no others."""

    def status(self) -> dict[str, Any]:
        return {"bus": "of this process", "bytes in histories": self._hub.kept}

    def give(self, frame: Frame) -> bool:
        self._listener.hear(frame)
        return True
