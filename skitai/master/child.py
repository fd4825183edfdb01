"""One worker process as its master sees it.

    BOOTING ──ready──▶ SERVING ──its successor is ready──▶ RETIRING
       │                  │                                   │
       └──────────────────┴────── the server stops ───────────┴──▶ STOPPING

From everywhere the process may end, for whatever reason; the master is told by SIGCHLD.
"""

from __future__ import annotations

import enum
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from skitai.counters import anonymous_file
from skitai.interpreter import INTERPRETER_OPTIONS
from skitai.launch import Launch
from skitai.master.handover import Heir
from skitai.master.recycling import share_of_jitter
from skitai.master.relay import Line
from skitai.orders import Order, Question, Talk, WorkerOrders

__all__ = ["Child", "Phase", "describe_end", "spawn"]

#: See `skitai.worker.GROUP_SIGNALS`, which lets them in once it can hear them.
_BLOCKED = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_FOREVER = float("inf")


class Phase(enum.Enum):
    BOOTING = "started, not ready yet"
    SERVING = "accepts connections"
    RETIRING = "accepts no more, answers what has come"
    STOPPING = "the same, with the whole server"


_MOVES = {
    Phase.BOOTING: {Phase.SERVING, Phase.STOPPING},
    Phase.SERVING: {Phase.RETIRING, Phase.STOPPING},
    Phase.RETIRING: {Phase.STOPPING},
    Phase.STOPPING: {Phase.STOPPING},
}


class Child:
    """Times are ``time.monotonic()`` seconds."""

    def __init__(
        self, pid: int, control: socket.socket, bus: Line | None, row: int, generation: int, patience: float
    ) -> None:
        """``bus``: None where it takes part in none; ``row``: its counters; ``patience``: the
        shutdown_timeout that it has been told."""
        self.pid = pid
        self.control = control
        self.bus = bus
        self.row = row
        self.generation = generation
        self.phase = Phase.BOOTING
        #: When it is ended if its phase has not changed.
        self.deadline = _FOREVER
        self.patience = patience
        self.ready_at = 0.0
        self.last_sign = 0.0
        self.jitter = share_of_jitter()
        #: It has asked for a successor.
        self.is_worn = False
        self._talk: Talk | None = None

    @classmethod
    def inherit(cls, heir: Heir, row: int, now: float) -> Child:
        """One that a former version of the master has started."""
        control = socket.socket(fileno=heir.control)
        child = cls(heir.pid, control, None, row, heir.generation, heir.patience)
        child.phase = Phase[heir.phase]
        child.deadline = _FOREVER if heir.deadline is None else heir.deadline
        child.ready_at = child.last_sign = now
        return child

    def bequeath(self) -> Heir:
        return Heir(
            self.pid,
            self.control.fileno(),
            "" if self._talk is None else self._talk.unheard.decode(),
            self.generation,
            self.phase.name,
            self.patience,
            None if self.deadline == _FOREVER else self.deadline,
        )

    def move(self, phase: Phase, deadline: float = _FOREVER) -> None:
        if phase not in _MOVES[self.phase]:
            raise RuntimeError(f"a worker may not go from {self.phase.name} to {phase.name}")
        self.phase = phase
        self.deadline = deadline

    def order(self, order: Order) -> None:
        """One that does not listen, or has just ended, is left to its deadline."""
        try:
            self.control.send(Talk.message(order), socket.MSG_DONTWAIT)
        except OSError:
            return

    def ask(self, number: int, question: Question, argument: str) -> None:
        """`Report.TOLD` with the same ``number`` is the answer, if there is one."""
        asked = {"number": number, "question": question.value, "argument": argument}
        try:
            self.control.send(Talk.message(Order.ASK, asked), socket.MSG_DONTWAIT)
        except OSError:
            return

    def stop(self, order: Order, deadline: float) -> None:
        """With the server.  One that boots has nothing to finish: it is ended."""
        if self.phase is Phase.BOOTING:
            self.kill(signal.SIGTERM)
        self.order(order)
        self.move(Phase.STOPPING, deadline)

    def kill(self, number: signal.Signals) -> None:
        """Its id is its own until the master has waited for it."""
        os.kill(self.pid, number)

    def listen(self, heard: Callable[[Child, str, Any], None], unheard: str = "") -> Callable[[], bool]:
        """A function that takes what has come behind ``unheard``, and says whether more may come."""
        self._talk = talk = Talk(lambda word, value: heard(self, word, value))
        talk.receive(unheard.encode())

        def receive() -> bool:
            try:
                data = self.control.recv(65536)
            except BlockingIOError:
                return True
            except OSError:
                return False
            talk.receive(data)
            return bool(data)

        return receive


def spawn(
    launch: Launch,
    listeners: Sequence[socket.socket],
    counters: int,
    row: int,
    mounts: Sequence[tuple[str, str]],
    serial: int,
    pulse: float | None,
) -> tuple[int, socket.socket, socket.socket]:
    """Start a worker, which counts in ``row`` and ``mounts`` by their places: its process id, and our ends of
    its sockets, for control and for the bus.  Raises OSError."""
    ours, theirs = socket.socketpair()
    our_bus, their_bus = socket.socketpair()
    ours.setblocking(False)
    try:
        with theirs, their_bus, open(anonymous_file("skitai-orders"), "rb") as file:
            given = [*(sock.fileno() for sock in listeners), theirs.fileno(), their_bus.fileno(), counters]
            given.append(file.fileno())
            # Our descriptors are closed in the child (PEP 446), but for these copies above them all.
            first = max(2, *given) + 1
            *listening, control, bus, table, told = range(first, first + len(given))
            orders = WorkerOrders(
                launch.to_json(),
                listening,
                control,
                table,
                row,
                [list(mount) for mount in mounts],
                bus,
                serial,
                pulse,
            )
            orders.write(file.fileno())
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, *INTERPRETER_OPTIONS, "-m", "skitai.worker", launch.name, str(told)],
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, number, first + i) for i, number in enumerate(given)],
                setsigmask=_BLOCKED,
            )
    except BaseException:
        ours.close()
        our_bus.close()
        raise
    return pid, ours, our_bus


def describe_end(status: int) -> str:
    """A wait status in words."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
