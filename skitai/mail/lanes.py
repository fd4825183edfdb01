"""How many couriers there are, and for whom: for each server a lane of letters, with at most
``connections_per_server`` couriers, and ``connections`` of them in all.

A server that cannot be reached has failed for all letters of its lane: each of them counts an attempt, and no
further thread waits for its timeouts.  One that takes no further connection while others are open takes what
it takes.  A server that nobody serves, because there are enough couriers, gets the first one that has
finished a letter.

`submit` and `stop` are for the agent's thread, the rest for couriers.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

from skitai.core.config.daemon import SmtpdaSettings
from skitai.core.config.smtpservers import SmtpServer

__all__ = ["Lane", "Lanes"]


class Lane:
    """Of one server; its fields belong to the lock of `Lanes`."""

    def __init__(self, server: SmtpServer, lock: threading.Lock) -> None:
        self.server = server
        self.names: deque[str] = deque()
        self.arrived = threading.Condition(lock)
        self.couriers = 0
        self.idle = 0
        #: Connections that are being opened, that are open, and how many the server was seen to take (None:
        #: nobody knows).
        self.opening = 0
        self.open = 0
        self.takes: int | None = None


class Lanes:
    def __init__(self, settings: SmtpdaSettings, work: Callable[[Lane], None]) -> None:
        """``work``: what a courier of a lane does in its thread, until `next` has nothing for it."""
        self.settings = settings
        self._work = work
        self._lock = threading.Lock()
        self._gone = threading.Condition(self._lock)
        self._lanes: dict[SmtpServer, Lane] = {}
        self._couriers = 0
        self._is_stopping = False

    def submit(self, name: str, server: SmtpServer) -> None:
        """Have the letter delivered by ``server`` now."""
        with self._lock:
            lane = self._lanes.get(server)
            if lane is None:
                lane = self._lanes[server] = Lane(server, self._lock)
            lane.names.append(name)
            if len(lane.names) > lane.idle:
                self._start_one(lane)
            lane.arrived.notify()

    def stop(self, timeout: float) -> bool:
        """Let letters that are being sent finish; those that wait are in the spool.  Whether all couriers
        have ended within ``timeout`` seconds."""
        deadline = monotonic() + timeout
        with self._lock:
            self._is_stopping = True
            for lane in self._lanes.values():
                lane.arrived.notify_all()
            while self._couriers and (left := deadline - monotonic()) > 0:
                self._gone.wait(left)
            return not self._couriers

    def next(self, lane: Lane, *, is_first: bool) -> str | None:
        """A letter of the lane; waits for one for ``keep_alive``.  None: the courier is not needed here,
        which it is for its first one."""
        with self._lock:
            if not lane.names and not self._is_wanted_elsewhere():
                lane.idle += 1
                lane.arrived.wait(self.settings.keep_alive)
                lane.idle -= 1
            if not lane.names or self._is_stopping or (not is_first and self._is_wanted_elsewhere()):
                return None
            return lane.names.popleft()

    def opening(self, lane: Lane) -> None:
        with self._lock:
            lane.opening += 1

    def opened(self, lane: Lane) -> None:
        with self._lock:
            lane.opening -= 1
            lane.open += 1

    def closed(self, lane: Lane) -> None:
        with self._lock:
            lane.open -= 1

    def refused(self, lane: Lane, name: str) -> list[str] | None:
        """No connection could be opened for a letter: who has failed together with it, which are all of the
        lane.  None: there are others, which will take this one, too, and the courier has to end."""
        with self._lock:
            lane.opening -= 1
            lane.takes = lane.opening + lane.open or None
            if lane.takes:
                lane.names.appendleft(name)
                return None
            names = list(lane.names)
            lane.names.clear()
            return names

    # -- with the lock ----------------------------------------------------------------------------

    def _is_wanted_elsewhere(self) -> bool:
        is_full = self._couriers >= self.settings.connections
        return self._is_stopping or (
            is_full and any(lane.names and not lane.couriers for lane in self._lanes.values())
        )

    def _start_one(self, lane: Lane) -> None:
        settings = self.settings
        most = settings.connections_per_server if lane.takes is None else lane.takes
        if self._is_stopping or lane.couriers >= most:
            return
        if self._couriers >= settings.connections:
            if not lane.couriers:
                for other in self._lanes.values():  # who is idle there makes room
                    other.arrived.notify_all()
            return
        lane.couriers += 1
        self._couriers += 1
        threading.Thread(target=self._run, args=(lane,), name=f"smtpda-{lane.server}", daemon=True).start()

    def _run(self, lane: Lane) -> None:
        try:
            self._work(lane)
        finally:
            with self._lock:
                lane.couriers -= 1
                self._couriers -= 1
                if lane.names:
                    # Behind those that wait for longer.
                    self._lanes[lane.server] = self._lanes.pop(lane.server)
                elif not lane.couriers:
                    del self._lanes[lane.server]
                for other in sorted(self._lanes.values(), key=lambda lane: lane.couriers):
                    if len(other.names) > other.idle:
                        self._start_one(other)
                self._gone.notify_all()
