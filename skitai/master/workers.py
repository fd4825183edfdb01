"""The workers there are, and what each has of the master: a row of the counters, a socket, a line of rooms.

Which there should be is decided in `skitai.master.master`, and carried out here.

The main thread of the master.
"""

from __future__ import annotations

import selectors
from array import array
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from skitai.counters import LAYOUT, Count, CounterTable, MountSlots
from skitai.master.child import Child, Phase, spawn
from skitai.master.generation import Generation
from skitai.master.handover import Estate
from skitai.master.relay import Relay

__all__ = ["Workers"]


class Workers:
    def __init__(
        self,
        selector: selectors.BaseSelector,
        relay: Relay,
        mounts: MountSlots,
        on_report: Callable[[Child, str, Any], None],
    ) -> None:
        """``on_report(worker, word, value)``: a worker has said something."""
        self._selector = selector
        self._relay = relay
        self.mounts = mounts
        self._on_report = on_report
        #: Of all processes; row 0 is ours.
        self.table, self._counters = CounterTable.make()
        #: That were started.
        self.started = 0
        self._children: dict[int, Child] = {}

    def __iter__(self) -> Iterator[Child]:
        """The oldest first."""
        return iter(tuple(self._children.values()))

    def __len__(self) -> int:
        return len(self._children)

    def get(self, pid: int) -> Child | None:
        return self._children.get(pid)

    def within(self, *phases: Phase) -> list[Child]:
        """The oldest first."""
        return [child for child in self if child.phase in phases]

    def start(self, generation: Generation, pulse: float | None) -> None:
        """Raises OSError, and nothing has changed."""
        limits = generation.settings.limits
        row = self.table.claim()
        serial = self.started + 1
        try:
            pid, control, bus = spawn(
                generation.launch, generation.sockets, self._counters, row, self.mounts.known, serial, pulse
            )
        except OSError:
            self.table.keep(row)
            raise
        self.started = serial
        line = self._relay.add(bus, serial, f"worker {pid}", limits.ws_bus_queue_max)
        child = Child(pid, control, line, row, generation.number, limits.shutdown_timeout)
        child.deadline = monotonic() + limits.start_timeout
        self._children[pid] = child
        self._selector.register(control, selectors.EVENT_READ, child.listen(self._on_report))

    def inherit(self, estate: Estate) -> None:
        """Take over those of a former version of the master, and what they have counted."""
        for heir in estate.heirs:
            child = Child.inherit(heir, self.table.claim(), monotonic())
            self._children[child.pid] = child
            self._selector.register(
                child.control, selectors.EVENT_READ, child.listen(self._on_report, heir.unheard)
            )
        if estate.layout == LAYOUT:
            mounted = self.mounts.known
            self.mounts = MountSlots(estate.mounts)
            self.mounts.add(mounted)
            self.table.own[:] = memoryview(array("Q", estate.sums))
        else:  # what else was counted means something else there
            for count in Count:
                self.table.own[count] = estate.totals.get(count.name, 0)
        self.started = estate.started

    def bury(self, child: Child) -> None:
        """Its process has ended; what it has counted stays."""
        if child.control.fileno() in self._selector.get_map():
            self._selector.unregister(child.control)
        child.control.close()
        if child.bus is not None:
            self._relay.remove(child.bus)
        del self._children[child.pid]
        self.table.keep(child.row)
