"""``python -m skitai.worker NAME DESCRIPTOR``: an instance that a master has started.

The master (`skitai.master`) hands down the listening sockets, a row of the counters and one end of
a socket pair.  What it orders is read by a thread of its own, so that it is heard whatever the
main thread does.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from skitai import answers
from skitai.counters import CounterTable, MountSlots
from skitai.errors import ConfigError
from skitai.launch import ExitCode, Launch, complain
from skitai.orders import Order, Question, Report, Talk, WorkerOrders
from skitai.server import serve

__all__ = ["MasterLink", "main"]

#: What a terminal sends to all processes of an instance is for the master to pass on.  The master
#: starts us with these blocked: none of them can end us before they are caught here.
GROUP_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class MasterLink:
    """See `skitai.server.Link`."""

    def __init__(self, orders: WorkerOrders) -> None:
        self._control = socket.socket(fileno=orders.control)
        self._table = CounterTable(orders.counters)
        os.close(orders.counters)
        self.pulse = orders.pulse
        self.counts = self._table.row(orders.row)
        self.mounts = MountSlots(orders.mounts)
        self.sockets: Sequence[socket.socket] = [socket.socket(fileno=number) for number in orders.listeners]
        self.bus = socket.socket(fileno=orders.bus)
        self.serial = orders.serial
        for sock in (self._control, self.bus, *self.sockets):
            sock.set_inheritable(False)

    def offer(self, broken: Sequence[str]) -> None:
        self._tell(Report.READY, list(broken))

    def ask_for_successor(self) -> None:
        self._tell(Report.WORN)

    def live(self) -> None:
        self._tell(Report.ALIVE)

    def follow(self, orders: Callable[[Order | None], None]) -> None:
        threading.Thread(target=self._listen, args=(orders,), name="skitai-control", daemon=True).start()

    def _tell(self, report: Report, value: Any = None) -> None:
        try:
            self._control.sendall(Talk.message(report, value))
        except OSError:
            return  # the master has ended: `_listen` sees it

    def _listen(self, orders: Callable[[Order | None], None]) -> None:
        def heard(word: str, value: Any) -> None:
            if Order(word) is Order.ASK:
                told = answers.answer(Question(value["question"]), value["argument"])
                self._tell(Report.TOLD, {"number": value["number"], "answer": told})
            else:
                orders(Order(word))

        talk = Talk(heard)
        try:
            while data := self._control.recv(4096):
                talk.receive(data)
        except OSError:
            pass  # reset: the master ended with something unread
        orders(None)


def main() -> int:
    """The process; the exit code."""

    def leave_to_the_master(number: int, frame: FrameType | None) -> None:
        """A handler, not SIG_IGN: programs that the application starts would inherit that."""

    for number in GROUP_SIGNALS:
        signal.signal(number, leave_to_the_master)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, GROUP_SIGNALS)
    orders = WorkerOrders.read(int(sys.argv[2]))
    link = MasterLink(orders)
    launch = Launch.from_json(orders.launch)
    try:
        settings = launch.settings()
    except ConfigError as error:
        complain(error)
        return ExitCode.CONFIG
    return serve(launch, settings, link)


if __name__ == "__main__":
    sys.exit(main())
