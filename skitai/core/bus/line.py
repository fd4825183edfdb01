"""A process's end of the socket pair to the master's hub.

Any thread sends: at once, as far as the socket takes it, and the rest is left to the loop thread.  The loop
thread hears.  What waits to be sent is bounded; beyond that whoever says something waits, and is told by an
error where it cannot wait, or has waited for long.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from typing import Any

from skitai._kernels import engine
from skitai._waiting import Future
from skitai.core.bus.frames import Frame, FrameReader, Kind, Listener, Terms
from skitai.core.bus.patience import Patience

__all__ = ["MasterLine"]

_READ_SIZE = 1 << 16
#: Reads of one turn of the loop: behind them others have theirs.
_READS = 16


class MasterLine:
    """A `Bus`."""

    def __init__(
        self, sock: socket.socket, loop: engine.EventLoop, listener: Listener, queue_max: int
    ) -> None:
        """``sock``: connected; ``queue_max``: bytes that may wait for the master."""
        sock.setblocking(False)
        self._sock = sock
        self._loop = loop
        self._listener = listener
        self._queue_max = queue_max
        self._reader = FrameReader()
        #: Guards what follows.
        self._lock = threading.Lock()
        self._waiting: deque[memoryview] = deque()
        self._size = 0
        self._is_open = True
        #: Completed once half of the queue is free; None: nobody waits for that.
        self._room: Future | None = None
        #: What the loop watches for; the loop thread's.
        self._interest = 0
        loop.call_soon(self._watch)

    def join(self, room: str, terms: Terms) -> None:
        self._send(Frame.joining(room, terms))

    def part(self, room: str) -> None:
        self._send(Frame(Kind.PART, room))

    def say(self, room: str, payload: bytes) -> bool:
        return self._send(Frame(Kind.SAY, room, payload=payload), is_bound=True)

    def tell(self, room: str, payload: bytes, *, is_bound: bool = False) -> None:
        self._send(Frame(Kind.TELL, room, payload=payload), is_bound=is_bound)

    def status(self) -> dict[str, Any]:
        return {"bus": "of the master" if self._is_open else "gone", "bytes for the bus": self._size}

    # -- sending ------------------------------------------------------------------------------------

    def _send(self, frame: Frame, *, is_bound: bool = False) -> bool:
        data = frame.encoded()
        patience = Patience()
        while True:
            with self._lock:
                if not self._is_open:
                    return False
                if not is_bound or self._size < self._queue_max:
                    self._append(data)
                    return True
                self._room = room = self._room or Future()
            patience.wait(room, self._size)

    def _append(self, data: bytes) -> None:
        was_empty = not self._waiting
        self._waiting.append(memoryview(data))
        self._size += len(data)
        if was_empty and not self._flush():
            self._loop.call_soon(self._watch)

    def _tell_of_room(self) -> None:
        """Under the lock."""
        room = self._room
        if room is not None and (not self._is_open or self._size <= self._queue_max // 2):
            self._room = None
            room.complete()

    def _flush(self) -> bool:
        """Under the lock.  False: something is left."""
        waiting = self._waiting
        while waiting:
            try:
                sent = self._sock.send(waiting[0])
            except BlockingIOError:
                self._tell_of_room()
                return False
            except OSError:  # the master has ended, which reading shows too
                waiting.clear()
                self._size = 0
                break
            self._size -= sent
            if sent == len(waiting[0]):
                waiting.popleft()
            else:
                waiting[0] = waiting[0][sent:]
        self._tell_of_room()
        return True

    # -- the loop thread ----------------------------------------------------------------------------

    def _watch(self) -> None:
        with self._lock:
            if not self._is_open:
                return
            events = engine.READ | (engine.WRITE if self._waiting else 0)
        self._interest = engine.change_watch(self._loop, self._sock, self._interest, events, self._on_ready)

    def _on_ready(self, events: int) -> None:
        if events & engine.WRITE:
            with self._lock:
                is_empty = self._flush()
            if is_empty:
                self._watch()
        if events & engine.READ:
            self._read()

    def _read(self) -> None:
        for _ in range(_READS):
            try:
                data = self._sock.recv(_READ_SIZE)
            except BlockingIOError:
                return
            except OSError:
                data = b""  # reset: it ended with something unread
            if not data:
                self._close()
                return
            for frame in self._reader.receive(data):
                self._listener.hear(frame)

    def _close(self) -> None:
        """The master has ended, and this process is about to."""
        self._interest = engine.change_watch(self._loop, self._sock, self._interest, 0, self._on_ready)
        with self._lock:
            self._is_open = False
            self._waiting.clear()
            self._size = 0
            self._tell_of_room()
        self._sock.close()
        self._listener.bus_is(False)
