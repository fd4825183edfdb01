"""A bus that other hosts are on too: a server, Redis or PostgreSQL, numbers and keeps what is said.

    CONNECTING ──▶ THERE ──the connection breaks, or is silent──▶ GONE ──a while──▶ THERE
         │                                                          ▲
         └──────────────────────── no server ───────────────────────┘

Each process has a connection of its own, and a thread that alone uses it (`skitai-bus`): nothing that a
server does, or fails to do, holds up a request.  What is said waits in a bounded queue for that thread.
While the bus is GONE `say` says so; the listener is told of both changes.  When it is back all rooms are
opened anew, so what was missed comes from histories, or is told to be lost.

Every few seconds each process gives a sign of life.  Who gives none is taken for ended by the others; a
process that does not hear its own takes the connection for broken.
"""

from __future__ import annotations

import enum
import random
import secrets
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any, Protocol

from skitai._waiting import Future
from skitai.core.bus.frames import Frame, Kind, Listener, Terms
from skitai.core.bus.patience import Patience

__all__ = ["Carrier", "CarrierLost", "RemoteBus"]

#: Seconds between signs of life; without one for so long a process, or the connection, is taken for dead.
_BEAT, _SILENCE = 3.0, 10.0
#: Seconds between attempts to connect: at first, at most.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0
#: Queued frames that are handed to the carrier at once.
_BATCH = 256


class CarrierLost(Exception):
    """There is no connection; the text says why."""


class Carrier(Protocol):
    """The connection to a server, of one thread.  Whatever it cannot do raises CarrierLost."""

    def connect(self) -> None:
        """Anew, whatever there was."""

    def close(self) -> None: ...

    def fileno(self) -> int: ...

    def send(self, frames: list[Frame]) -> None:
        """JOIN, PART, SAY and TELL, which has the process in ``number``."""

    def beat(self, origin: int) -> None:
        """A sign of life, which all get as TOLD without a room."""

    @property
    def has_heard(self) -> bool:
        """There is something to receive that the descriptor does not show."""

    def receive(self) -> Iterator[Frame]:
        """What has come: as `Kind` says of a hub."""


class _Phase(enum.Enum):
    CONNECTING = "connecting"
    THERE = "there"
    GONE = "gone"


class RemoteBus:
    """A `Bus`."""

    def __init__(
        self,
        carrier: Carrier,
        listener: Listener,
        queue_max: int,
        *,
        name: str,
        log: Callable[[str, str], None],
        report: Callable[[str], None],
    ) -> None:
        """``name``: of the server, in the log, as ``log(text, kind)``; ``report(what)`` is called inside an
        ``except`` block."""
        self._carrier = carrier
        self._listener = listener
        self._queue_max = queue_max
        #: Of this process; by chance no other has it.
        self._origin = secrets.randbits(63)
        self._name = name
        self._log = log
        self._report = report
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._lock = threading.Lock()
        # Guarded by it.
        self._phase = _Phase.CONNECTING
        self._queue: deque[Frame] = deque()
        self._size = 0
        self._room: Future | None = None
        self._joined: dict[str, Terms] = {}
        #: Of messages that were taken and went away with a connection; perhaps they were heard.
        self._unsure = 0
        #: The bus thread's: when each other process was last heard, and this one.
        self._heard_at: dict[int, float] = {}
        self._heard_self_at = 0.0
        threading.Thread(target=self._run, name="skitai-bus", daemon=True).start()

    # -- any thread ---------------------------------------------------------------------------------

    def join(self, room: str, terms: Terms) -> None:
        with self._lock:
            self._joined[room] = terms
            self._append(Frame.joining(room, terms))

    def part(self, room: str) -> None:
        with self._lock:
            self._joined.pop(room, None)
            self._append(Frame(Kind.PART, room, self._origin))

    def say(self, room: str, payload: bytes) -> bool:
        return self._put(Frame(Kind.SAY, room, payload=payload), is_bound=True)

    def tell(self, room: str, payload: bytes, *, is_bound: bool = False) -> None:
        self._put(Frame(Kind.TELL, room, self._origin, payload), is_bound=is_bound)

    def status(self) -> dict[str, Any]:
        with self._lock:
            return {
                "bus": f"{self._name}: {self._phase.value}",
                "bytes for the bus": self._size,
                "messages that a lost connection had taken": self._unsure,
                "other processes on the bus": len(self._heard_at),
            }

    def _put(self, frame: Frame, *, is_bound: bool) -> bool:
        patience = Patience()
        while True:
            with self._lock:
                if self._phase is _Phase.GONE:
                    return False
                if not is_bound or self._size < self._queue_max:
                    self._append(frame)
                    return True
                self._room = room = self._room or Future()
            patience.wait(room, self._size)

    def _append(self, frame: Frame) -> None:
        if self._phase is _Phase.GONE:
            return  # rooms are joined when it is back
        self._queue.append(frame)
        self._size += len(frame.payload)
        if len(self._queue) == 1:
            self._wake()

    def _wake(self) -> None:
        try:
            self._wake_writer.send(b"\0")
        except OSError:
            return  # it is awake, or has ended

    def _end_waits(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.complete()

    # -- the thread of the bus ----------------------------------------------------------------------

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        try:
            while True:
                try:
                    self._carrier.connect()
                    self._begin()
                    pause = _FIRST_PAUSE
                    with selectors.DefaultSelector() as selector:
                        self._serve(selector)
                except CarrierLost as lost:
                    self._lose(lost)
                self._carrier.close()
                # Each at a time of its own: all processes have lost it at once.
                sleep(pause * random.uniform(0.5, 1.0))
                pause = min(_LONGEST_PAUSE, 2 * pause)
        except BaseException:
            self._report("the bus of rooms")
            self._lose(CarrierLost("its thread has failed"))
        finally:
            self._carrier.close()

    def _begin(self) -> None:
        with self._lock:
            was_gone = self._phase is _Phase.GONE
            self._phase = _Phase.THERE
            joins = [Frame.joining(room, terms) for room, terms in self._joined.items()]
            said = [frame for frame in self._queue if frame.kind not in (Kind.JOIN, Kind.PART)]
            self._queue = deque(said)
        self._heard_at.clear()
        self._heard_self_at = monotonic()
        if was_gone:
            self._log(f"the bus {self._name} is back", "info")
            self._listener.bus_is(True)
        self._carrier.send(joins)

    def _lose(self, lost: CarrierLost) -> None:
        with self._lock:
            if self._phase is _Phase.GONE:
                return
            self._phase = _Phase.GONE
            self._unsure += sum(frame.kind is Kind.SAY for frame in self._queue)
            self._queue.clear()
            self._size = 0
            self._end_waits()
        self._log(
            f"the bus {self._name} is gone: {lost}; what is said in rooms stays in this process", "error"
        )
        self._listener.bus_is(False)

    def _serve(self, selector: selectors.BaseSelector) -> None:
        selector.register(self._carrier, selectors.EVENT_READ)
        selector.register(self._wake_reader, selectors.EVENT_READ)
        beat_at = 0.0
        while True:
            now = monotonic()
            if now >= beat_at:
                self._carrier.beat(self._origin)
                beat_at = now + _BEAT
                self._bury_silent(now)
            patience = 0.0 if self._carrier.has_heard else beat_at - now
            ready = [key.fileobj for key, _ in selector.select(patience)]
            if self._wake_reader in ready:
                self._drain_wakes()
            if self._carrier in ready or self._carrier.has_heard:
                for frame in self._carrier.receive():
                    self._hear(frame)
            self._send()

    def _send(self) -> None:
        while True:
            with self._lock:
                batch = [self._queue[index] for index in range(min(_BATCH, len(self._queue)))]
            if not batch:
                return
            self._carrier.send(batch)
            with self._lock:
                for frame in batch:
                    self._queue.popleft()
                    self._size -= len(frame.payload)
                if self._size <= self._queue_max // 2:
                    self._end_waits()

    def _hear(self, frame: Frame) -> None:
        if frame.kind is Kind.TOLD:
            if frame.number == self._origin:
                self._heard_self_at = monotonic()
                return
            self._heard_at[frame.number] = monotonic()
            if not frame.room:
                return
        if frame.kind is not Kind.GONE or frame.number != self._origin:
            self._listener.hear(frame)

    def _bury_silent(self, now: float) -> None:
        if now - self._heard_self_at > _SILENCE:
            raise CarrierLost("it does not answer")
        for origin in [one for one, heard_at in self._heard_at.items() if now - heard_at > _SILENCE]:
            del self._heard_at[origin]
            with self._lock:
                rooms = tuple(self._joined)
            for room in rooms:
                self._listener.hear(Frame(Kind.GONE, room, origin))

    def _drain_wakes(self) -> None:
        try:
            while self._wake_reader.recv(4096):
                continue
        except BlockingIOError:
            return
