"""The bus of an instance, in its master: a `Hub`, and a socket to each worker.

Nothing here waits for a worker.  What one does not take waits in its queue, up to ``ws_bus_queue_max`` bytes
and the message that was too much; beyond that the hub keeps nothing for it but how far it has got, and when
it has taken half of its queue it gets what histories still have, and is told what they have not.

The master's one thread.
"""

from __future__ import annotations

import selectors
import socket
from collections import deque
from collections.abc import Callable

from skitai.core.bus.frames import Frame, FrameReader
from skitai.core.bus.hub import Hub

__all__ = ["Relay"]

_READ_SIZE = 1 << 16


class Relay:
    def __init__(
        self, selector: selectors.BaseSelector, history_max: int, log: Callable[[str], None]
    ) -> None:
        """``selector``: its keys have a function that is called when the socket is ready, and says whether
        it wants to be called again; ``log``: for warnings."""
        self.hub = Hub(history_max)
        self.log = log
        self._selector = selector

    def add(self, sock: socket.socket, origin: int, name: str, queue_max: int) -> Line:
        """For a worker that starts; ``name``: in the log."""
        sock.setblocking(False)
        line = Line(self, sock, origin, name, queue_max)
        self.watch(line, selectors.EVENT_READ)
        return line

    def remove(self, line: Line) -> None:
        """The worker has ended, or does not take part any more.  Idempotent."""
        if line.sock.fileno() < 0:
            return
        if line.sock.fileno() in self._selector.get_map():
            self._selector.unregister(line.sock)
        line.sock.close()
        self.hub.leave(line)

    def watch(self, line: Line, events: int) -> None:
        if line.sock.fileno() in self._selector.get_map():
            self._selector.modify(line.sock, events, line.on_ready)
        else:
            self._selector.register(line.sock, events, line.on_ready)


class Line:
    """A `Subscriber`: one worker's."""

    def __init__(self, relay: Relay, sock: socket.socket, origin: int, name: str, queue_max: int) -> None:
        self.sock = sock
        self.origin = origin
        self._relay = relay
        self._name = name
        self._queue_max = queue_max
        self._reader = FrameReader()
        self._waiting: deque[memoryview] = deque()
        self._size = 0
        self._events = selectors.EVENT_READ
        #: The hub was told that there is no room.
        self._is_behind = False
        #: The log was, and it has not taken all since.
        self._is_told = False

    def give(self, frame: Frame) -> bool:
        data = frame.encoded()
        if self._is_behind or self._size >= self._queue_max:
            if not self._is_told:
                self._is_told = True
                self._relay.log(
                    f"{self._name} does not take what is said in rooms: {self._size} bytes wait for it "
                    f"(ws_bus_queue_max), and no more until it does"
                )
            self._is_behind = True
            return False
        self._waiting.append(memoryview(data))
        self._size += len(data)
        if len(self._waiting) == 1:
            self._flush()
        else:
            self._watch()
        return True

    def on_ready(self) -> bool:
        # What is to be written first: reading makes more of it.
        self._flush()
        if self._has_room and not self._read():
            self._relay.remove(self)
            return True
        if self._is_behind and self._has_room:
            self._is_behind = False
            self._relay.hub.catch_up(self)
        return True

    @property
    def _has_room(self) -> bool:
        return self._size <= self._queue_max // 2

    def _read(self) -> bool:
        """False: it has ended."""
        try:
            data = self.sock.recv(_READ_SIZE)
        except BlockingIOError:
            return True
        except OSError:
            return False
        for frame in self._reader.receive(data):
            self._relay.hub.hear(self, frame)
        return bool(data)

    def _flush(self) -> None:
        waiting = self._waiting
        try:
            while waiting:
                sent = self.sock.send(waiting[0])
                self._size -= sent
                if sent == len(waiting[0]):
                    waiting.popleft()
                else:
                    waiting[0] = waiting[0][sent:]
        except BlockingIOError:
            pass  # the rest when the socket says so
        except OSError:  # it has ended, which reading shows
            waiting.clear()
            self._size = 0
        if not waiting:
            self._is_told = False
        self._watch()

    def _watch(self) -> None:
        # Who is given more than it takes is not heard either: so nobody loses what itself has said.
        events = selectors.EVENT_READ if self._has_room else 0
        if self._waiting:
            events |= selectors.EVENT_WRITE
        if events != self._events:
            self._events = events
            self._relay.watch(self, events)
