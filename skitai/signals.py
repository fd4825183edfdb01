"""What the main thread of a process waits for: signals, and what other threads tell it.

Waiting on a lock is not enough.  The system gives a signal of a process to whichever of its threads it
likes, usually but not always the main one; Python's own handlers run in the main thread only, and a
main thread that waits on a lock is not woken by a signal that another thread took (seen once in some
twenty stops under load: the server went on as if nothing had been said).  So it waits
on a socket that Python's C handler writes to from any thread (signal.set_wakeup_fd).
"""

from __future__ import annotations

import queue
import selectors
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from types import FrameType
from typing import Generic, TypeVar

__all__ = ["Inbox"]

Event = TypeVar("Event")


class Inbox(Generic[Event]):
    """Made and read by the main thread; `put` is for any thread and for signal handlers."""

    def __init__(self) -> None:
        # SimpleQueue.put is reentrant: a signal may come while the same thread puts.
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._reader, selectors.EVENT_READ)

    def catch(self, signals: Mapping[str, Event]) -> None:
        """From here on the signals of these names are events; those that the system lacks are left out."""

        def notice(number: int, frame: FrameType | None) -> None:
            self._events.put(signals[signal.Signals(number).name])

        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for name in signals:
            if hasattr(signal, name):  # Windows knows TERM and INT only
                signal.signal(getattr(signal, name), notice)

    def put(self, event: Event) -> None:
        self._events.put(event)
        with suppress(BlockingIOError):  # full: then it is readable
            self._writer.send(b"\0")

    def get(self, timeout: float | None = None) -> Event:
        """The next event.

        Raises:
            queue.Empty: there was none within ``timeout`` seconds.
        """
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            with suppress(queue.Empty):
                return self._events.get_nowait()
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                raise queue.Empty
            self._selector.select(left)
            with suppress(BlockingIOError):
                while self._reader.recv(4096):
                    continue
