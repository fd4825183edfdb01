"""Messages that have come and that no handler has taken yet.

The loop thread puts them in; one handler takes them, all at once.  Whoever sends faster than the handler
takes is not read any more: `put` says when there is enough, and ``on_room`` is called when there is room.

After `close` the handler still gets what came before, and then None; nobody is held up any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from skitai._lazy import LazyModule
from skitai._waiting import Future
from skitai.errors import WaitTimeout

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LazyModule("asyncio")

__all__ = ["Inbox"]


class Inbox:
    """Any thread may call anything; `take` is for one at a time."""

    def __init__(self, most: int, on_room: Callable[[], None]) -> None:
        """``most``: how many messages are enough; ``on_room()`` is called in the thread that takes
        them, or closes it."""
        self._most = most
        self._on_room = on_room
        self._lock = threading.Lock()
        self._items: list[Any] = []
        self._is_closed = False
        self._is_full = False
        self._arrival: Future | None = None

    @property
    def is_closed(self) -> bool:
        """Nothing more will come; there may be something that was not taken."""
        return self._is_closed

    @property
    def is_full(self) -> bool:
        """`put` has said that there is enough, and ``on_room`` was not called yet."""
        return self._is_full

    def put(self, item: Any) -> bool:
        """False: enough for now; what comes in spite of that is kept too.  What comes after `close` goes
        nowhere, and who brings it shall go on: behind it may stand the end of a connection."""
        with self._lock:
            if self._is_closed:
                return True
            self._items.append(item)
            self._is_full = self._is_full or len(self._items) >= self._most
            has_room = not self._is_full
            arrival, self._arrival = self._arrival, None
        if arrival is not None:
            arrival.complete()
        return has_room

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            was_full, self._is_full = self._is_full, False
            arrival, self._arrival = self._arrival, None
        if was_full:
            self._on_room()
        if arrival is not None:
            arrival.complete()

    def take(self, timeout: float | None = None) -> list[Any] | None:
        """What has come since the last time, at least one message; ``[]``: none in ``timeout`` seconds;
        None: nothing will come any more."""
        items = self._take()
        if items == [] and timeout != 0:
            arrival = self._next_arrival()
            if arrival is not None:
                with suppress(WaitTimeout):  # there is none: an empty list says so
                    arrival.wait(timeout)
            items = self._take()
        return items

    async def take_async(self, timeout: float | None = None) -> list[Any] | None:
        """The same where asyncio runs."""
        items = self._take()
        if items == [] and timeout != 0:
            arrival = self._next_arrival()
            if arrival is not None:
                loop = asyncio.get_running_loop()
                came = asyncio.Event()
                try:
                    if arrival.when_done(partial(_tell, loop, came)):
                        with suppress(asyncio.TimeoutError):
                            await asyncio.wait_for(came.wait(), timeout)
                finally:
                    self._forget(arrival)
            items = self._take()
        return items

    def _next_arrival(self) -> Future | None:
        """None: something has come meanwhile."""
        with self._lock:
            if self._items or self._is_closed:
                return None
            if self._arrival is None:
                self._arrival = Future()
            return self._arrival

    def _forget(self, arrival: Future) -> None:
        """Nobody waits for it any more, and each who had would stay in its list."""
        with self._lock:
            if self._arrival is arrival:
                self._arrival = None

    def _take(self) -> list[Any] | None:
        with self._lock:
            items, self._items = self._items, []
            was_full, self._is_full = self._is_full, False
            is_over = self._is_closed and not items
        if was_full:
            self._on_room()
        return None if is_over else items


def _tell(loop: asyncio.AbstractEventLoop, came: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
        loop.call_soon_threadsafe(came.set)
