"""The process that starts workers, and what it decides.

One thread.  `Master.run` waits for signals, for what workers say, for their ends and for clocks; then
`_reconcile` compares what there is (`skitai.master.workers`) with what there should be and does what is
missing.  It is the only place that starts or retires workers, so a reload, a crash and a change of their
number may come at once and in any order.

A *generation* is one reading of the settings.  A new one starts with a single worker; while that
boots, everything is as before.  Once it is ready the generation is the one that serves: its others
are started, and each that is ready lets one of the former retire.  If it fails instead, the former
generation goes on.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

from skitai._constants import VERSION
from skitai.backoff import BackOff
from skitai.core.listeners import describe
from skitai.counters import LAYOUT, Count, MountSlots
from skitai.errors import SkitaiError
from skitai.launch import ExitCode
from skitai.limits import Limits
from skitai.master.child import Child, Phase, describe_end
from skitai.master.generation import Generation
from skitai.master.handover import Estate, Succession
from skitai.master.reception import Reception
from skitai.master.recycling import LOOK_EVERY, reason
from skitai.master.relay import Relay
from skitai.master.sockets import Sockets
from skitai.master.waiting import Waiting
from skitai.master.workers import Workers
from skitai.notify import ServiceManager
from skitai.orders import Order, Report
from skitai.pulse import SIGNS

__all__ = ["Master"]

#: Seconds beyond shutdown_timeout after which a worker that is still there is killed.
_KILL_GRACE = 2.0
#: The same when a person pressed Ctrl-C; a worker gives itself half a second.
_INTERRUPT_GRACE = 1.0
#: Generations that may retire at once: each may take as long as keep_alive, or shutdown_timeout, and
#: as much memory as the one that serves.  A further reload waits for the first of them.
_RETIRING_MAX = 2


class Master:
    def __init__(
        self,
        first: Generation,
        sockets: Sockets,
        manager: ServiceManager,
        private: Sequence[tuple[socket.socket, bool]],
        paths: Sequence[Path],
    ) -> None:
        """``private``: where operators ask, see `Admin`; ``paths``: files of these sockets."""
        self._private, self._paths = private, paths
        self._generation = first
        #: Serves on while `_generation` has not proven that it can.
        self._former: Generation | None = None
        self._sockets = sockets
        self._wanted = first.settings.server.processes
        self._backoff = BackOff(first.settings.limits.restart_delay_max)
        self._reload_wanted = False
        #: Who waits for what comes of it.
        self._reload_waiters: list[Callable[[str], None]] = []
        self._is_draining = False
        #: When it ends, after it was told to.
        self._end_at = float("inf")
        self._manager = manager
        self._code: ExitCode | None = None
        self._waiting = Waiting()
        selector = self._waiting.selector
        self._reception = Reception(selector, private, self, lambda: self._generation.settings.server)
        self._succession = Succession(self._log, self._estate)
        self._relay = Relay(selector, first.settings.limits.ws_history_max, self._warn)
        self._workers = Workers(selector, self._relay, MountSlots(first.settings.mounted), self._on_report)
        self._handlers: dict[int, Callable[[], None]] = {
            signal.SIGTERM: self._on_term,
            signal.SIGINT: self._on_interrupt,
            signal.SIGQUIT: self._on_interrupt,
            signal.SIGHUP: self._on_reload,
            signal.SIGUSR1: self._on_reopen,
            signal.SIGUSR2: self._succession.begin,
            signal.SIGTTIN: lambda: self._on_number(self._wanted + 1),
            signal.SIGTTOU: lambda: self._on_number(self._wanted - 1),
            signal.SIGCHLD: self._on_ended,
        }

    def run(self) -> int:
        self._waiting.catch_signals(self._handlers)
        if self._manager.lifeline is not None:
            self._waiting.selector.register(self._manager.lifeline, selectors.EVENT_READ, self._on_orphaned)
        server = self._generation.settings.server
        self._log(
            f"Skitai {VERSION}, Python {sys.version.split()[0]}, master of instance "
            f"{self._generation.launch.name}, pid {os.getpid()}, processes {server.processes}"
        )
        while self._code is None or self._workers:
            self._reconcile()
            self._waiting.wait(self._patience())
            self._check_deadlines()
            self._check_pulses()
            self._recycle()
            self._pass_on()
        self._sockets.close()
        self._reception.close()
        totals = self._workers.table.totals()
        self._log("stopped; " + ", ".join(f"{count.name.lower()} {totals[count]}" for count in Count))
        self._generation.journal.close()
        return self._code

    def _log(self, text: str, kind: str = "info") -> None:
        self._generation.journal.write(text, kind)

    def _warn(self, text: str) -> None:
        self._log(text, "warn")

    # -- clocks -----------------------------------------------------------------------------

    def _patience(self) -> float | None:
        clocks = [child.deadline for child in self._workers]
        clocks += [self._end_at, self._reception.next_deadline()]
        if self._code is None and self._missing() > 0:
            clocks.append(self._backoff.until)
        if self._recycles:
            clocks.append(monotonic() + LOOK_EVERY)
        if self._manager.pulse is not None:
            clocks.append(monotonic() + self._manager.pulse / SIGNS)
        soonest = min(clocks, default=float("inf"))
        return None if soonest == float("inf") else max(0.0, soonest - monotonic())

    def _check_deadlines(self) -> None:
        now = monotonic()
        self._reception.check_deadlines()
        if self._end_at <= now:
            self._end()
        for child in self._workers:
            if child.deadline <= now:
                self._log(f"worker {child.pid} is killed: {child.phase.value}, for too long", "error")
                child.deadline = float("inf")
                child.kill(signal.SIGKILL)

    def _check_pulses(self) -> None:
        """Give our sign of life; of workers that give none we rid ourselves, so ours is for all."""
        self._manager.live()
        patience = self._manager.pulse
        for child in self._workers.within(Phase.SERVING):
            if patience is not None and monotonic() - child.last_sign > patience:
                self._log(f"worker {child.pid} gives no sign of life: it is killed", "error")
                child.last_sign = monotonic()
                child.kill(signal.SIGKILL)

    @property
    def _recycles(self) -> bool:
        server = self._generation.settings.server
        return bool(server.max_requests or server.max_memory)

    def _recycle(self) -> None:
        serving = self._workers.within(Phase.SERVING)
        if not self._recycles or not all(map(self._is_current, serving)):
            return
        for child in serving:
            requests = self._workers.table.row(child.row)[Count.REQUESTS]
            why = reason(self._generation.settings.server, child.jitter, requests, child.pid)
            if why:
                child.is_worn = True
                self._log(f"worker {child.pid} gets a successor: {why}")
                return

    # -- what there should be -----------------------------------------------------------------

    def _is_current(self, child: Child) -> bool:
        return child.generation == self._generation.number and not child.is_worn

    def _missing(self) -> int:
        present = sum(map(self._is_current, self._workers.within(Phase.BOOTING, Phase.SERVING)))
        # Until the first of a generation is ready it is alone: what it fails at, all would fail at.
        return (self._wanted if self._generation.is_proven else 1) - present

    def _reconcile(self) -> None:
        if self._code is not None:
            return
        is_crowded = len(self._workers.within(Phase.RETIRING)) >= _RETIRING_MAX * self._wanted
        if self._reload_wanted and self._generation.is_proven and not is_crowded:
            self._reload_wanted = False
            self._reload()
        while self._missing() > 0 and monotonic() >= self._backoff.until:
            self._start()
        serving = self._workers.within(Phase.SERVING)
        ready = sum(map(self._is_current, serving))
        others = [child for child in serving if not self._is_current(child)]
        surplus = others[: len(others) - max(0, self._wanted - ready)] if ready else []
        if ready > self._wanted:
            current = [child for child in serving if self._is_current(child)]
            surplus += current[self._wanted :]
        for child in surplus:
            child.order(Order.RETIRE)
            child.move(Phase.RETIRING, monotonic() + child.patience + _KILL_GRACE)
        if self._generation.is_proven:
            for child in self._workers.within(Phase.BOOTING):
                if not self._is_current(child):
                    child.stop(Order.STOP, monotonic() + _KILL_GRACE)

    def _reload(self) -> None:
        self._log("reloading: reading the settings anew")
        self._manager.reloading()
        current = self._generation
        try:
            launch = current.launch.fresh()
            settings = launch.settings()
            current.refuse_new_problems(settings)
            sockets = self._sockets.bind(settings.listeners)
            journal = current.journal_for(launch, settings)
        except (SkitaiError, OSError) as error:
            self._sockets.keep_only(current.settings.listeners)
            self._log(f"{error}\nreload refused: nothing has changed", "error")
            self._conclude_reload("the last reload was refused")
            return
        if settings.server.master == "no":
            self._log("master = no: takes effect when the server is started again", "warn")
        self._former = current
        self._workers.mounts.add(settings.mounted)
        self._generation = Generation(current.number + 1, launch, settings, sockets, journal)
        self._wanted = settings.server.processes
        self._relay.hub.history_max = settings.limits.ws_history_max
        self._backoff.longest = settings.limits.restart_delay_max
        self._backoff.reset()

    def _conclude_reload(self, failure: str) -> None:
        """It is over, or the start is."""
        self._manager.ready(failure or f"processes {self._wanted}")
        for done in self._reload_waiters:
            done(f"{failure}: the log says why" if failure else "")
        self._reload_waiters.clear()

    @property
    def _limits(self) -> Limits:
        return self._generation.settings.limits

    def _start(self) -> None:
        try:
            self._workers.start(self._generation, self._manager.pulse)
        except OSError as error:
            self._log(f"a worker cannot be started: {error}", "error")
            self._failed(ExitCode.NOT_BOOTED)

    # -- another version of us ----------------------------------------------------------------

    def _pass_on(self) -> None:
        """To what is installed by now, once it has shown that it can, and nothing is under way."""
        is_busy = self._reload_wanted or not self._generation.is_proven or self._workers.within(Phase.BOOTING)
        if not self._succession.is_due or is_busy or self._code is not None or self._end_at != float("inf"):
            return
        self._manager.reloading()
        self._succession.carry_out(list(self._handlers))
        self._conclude_reload("the change of version was refused")

    def _estate(self) -> Estate:
        generation, manager, workers = self._generation, self._manager, self._workers
        return Estate(
            VERSION,
            generation.launch.to_json(),
            generation.number,
            sorted(generation.broken),
            [sock.fileno() for sock in generation.sockets],
            [(sock.fileno(), may_change) for sock, may_change in self._private],
            [str(path) for path in self._paths],
            [asdict(child.bequeath()) for child in workers],
            self._wanted,
            workers.started,
            {count.name: total for count, total in workers.table.totals().items()},
            LAYOUT,
            workers.table.sums(),
            workers.mounts.known,
            manager.descriptor,
            manager.pulse,
            manager.lifeline,
        )

    def inherit(self, estate: Estate) -> None:
        """Before `run`: take over, and have workers of this version started."""
        self._workers.inherit(estate)
        self._wanted = estate.wanted
        self._log(f"in the place of Skitai {estate.version}, with its sockets and workers")
        self._reload_wanted = True
        self._on_ended()  # who has gone meanwhile

    # -- for the reception -------------------------------------------------------------------------

    def workers(self) -> Sequence[Child]:
        return list(self._workers)

    @property
    def title(self) -> str:
        return self._generation.launch.name

    @property
    def mounts(self) -> MountSlots:
        return self._workers.mounts

    def sums(self) -> list[int]:
        return self._workers.table.sums()

    def unreadiness(self) -> str:
        if self._code is not None or self._is_draining:
            return "it is about to end, or was told to drain"
        return "" if self._workers.within(Phase.SERVING) else "no worker serves"

    def reload(self, done: Callable[[str], None]) -> None:
        self._reload_waiters.append(done)
        self._on_reload()

    def drain(self) -> None:
        self._is_draining = True
        self._log("not ready any more: told to drain")

    # -- workers ------------------------------------------------------------------------------

    def _on_report(self, child: Child, word: str, value: Any) -> None:
        report = Report(word)
        if report is Report.WORN and not child.is_worn:
            child.is_worn = True
            self._log(f"worker {child.pid} is worn out: it gets a successor", "warn")
        elif report is Report.TOLD:
            self._reception.told(child, value)
        elif report is Report.ALIVE:
            child.last_sign = monotonic()
        elif report is Report.READY and child.phase is Phase.BOOTING:
            self._on_ready(child, frozenset(value))

    def _on_ready(self, child: Child, broken: frozenset[str]) -> None:
        now = monotonic()
        worse = broken - (self._former or self._generation).broken
        if worse and self._workers.within(Phase.SERVING):
            text = f"worker {child.pid} could not serve {', '.join(sorted(worse))}: it is not let serve"
            self._log(text, "error")
            child.stop(Order.STOP, now + _KILL_GRACE)
            if child.generation == self._generation.number:
                self._failed(ExitCode.APP)
            return
        child.order(Order.SERVE)
        child.move(Phase.SERVING)
        child.ready_at = child.last_sign = now
        if child.generation == self._generation.number and not self._generation.is_proven:
            self._prove(broken)

    def _prove(self, broken: frozenset[str]) -> None:
        """The present generation serves."""
        generation, former = self._generation, self._former
        generation.is_proven, generation.broken = True, broken
        self._former = None
        self._backoff.reset()
        self._is_draining = False
        self._sockets.keep_only(generation.settings.listeners)
        if former is None:
            for sock, listener in zip(generation.sockets, generation.settings.listeners, strict=True):
                self._log(f"listening on {describe(sock, listener.scheme)}")
        else:
            self._log(f"reloaded; processes {self._wanted}")
            if former.journal is not generation.journal:
                former.journal.close()
        self._conclude_reload("")

    def _failed(self, code: ExitCode) -> None:
        """A worker of the present generation could not be started, or was never ready."""
        if self._code is not None:
            return
        if self._generation.is_proven:
            self._rest(0.0)
            return
        former = self._former
        if former is None:
            self._log("the first worker did not start: giving up", "error")
            self._stop(code, Order.STOP, _KILL_GRACE)
            return
        self._log("reload failed: the former workers go on, with the former settings", "error")
        self._conclude_reload("the last reload failed")
        if former.journal is not self._generation.journal:
            self._generation.journal.close()
        self._generation, self._former = former, None
        self._wanted = former.settings.server.processes
        self._sockets.keep_only(former.settings.listeners)
        self._backoff.reset()

    def _on_ended(self) -> None:
        """Children have ended: ours, or, for process 1 of a container, orphans of applications."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            child = self._workers.get(pid)
            if child is not None:
                self._bury(child, status)
            elif pid == self._succession.trial:
                self._succession.tried(status)

    def _bury(self, child: Child, status: int) -> None:
        self._workers.bury(child)
        self._reception.gone(child)
        if child.phase in (Phase.RETIRING, Phase.STOPPING):
            return
        now = monotonic()
        if child.phase is Phase.SERVING:
            self._log(f"worker {child.pid} {describe_end(status)}", "error")
            self._rest(now - child.ready_at)
            self._workers.table.own[Count.RESTARTS] += 1
            return
        self._log(f"worker {child.pid} {describe_end(status)} before it was ready", "error")
        code = os.waitstatus_to_exitcode(status)
        if child.generation == self._generation.number:
            known = (ExitCode.FAILURE, ExitCode.APP, ExitCode.CONFIG)
            self._failed(ExitCode(code) if code in known else ExitCode.NOT_BOOTED)

    def _rest(self, served: float) -> None:
        """A worker has ``served`` for so many seconds, 0 if it was never ready, and is to be replaced."""
        delay = self._backoff.ended(monotonic(), served)
        if delay:
            self._log(f"the next worker is started in {delay:g} s", "warn")

    # -- signals --------------------------------------------------------------------------------

    def _on_reload(self) -> None:
        if self._code is not None:
            self._log("SIGHUP ignored: the server is stopping", "warn")
            return
        self._reload_wanted = True

    def _on_reopen(self) -> None:
        self._generation.journal.reopen()
        for child in self._workers:
            child.order(Order.REOPEN)

    def _on_number(self, wanted: int) -> None:
        self._wanted = max(1, wanted)
        self._log(f"processes {self._wanted}, until the next reload")

    def _on_term(self) -> None:
        delay = self._generation.settings.server.drain_delay
        if self._code is not None or self._end_at != float("inf"):
            return
        self._is_draining = True
        self._end_at = monotonic() + delay
        if delay:
            self._log(f"not ready any more; stopping in {delay:g} s")

    def _end(self) -> None:
        self._end_at = float("inf")
        if self._code is None:
            self._log("stopping: requests under way may finish")
            self._stop(ExitCode.CLEAN, Order.STOP, self._limits.shutdown_timeout + _KILL_GRACE)

    def _on_orphaned(self) -> bool:
        if self._code is None:
            self._log("stopping: skitaid has ended; requests under way may finish", "error")
            self._stop(ExitCode.FAILURE, Order.STOP, self._limits.shutdown_timeout + _KILL_GRACE)
        return False

    def _on_interrupt(self) -> None:
        if self._code is ExitCode.INTERRUPTED:  # the second Ctrl-C: nothing may delay it
            for child in self._workers:
                child.kill(signal.SIGKILL)
            return
        self._log("interrupted: stopping now")
        self._stop(ExitCode.INTERRUPTED, Order.INTERRUPT, _INTERRUPT_GRACE)

    def _stop(self, code: ExitCode, order: Order, patience: float) -> None:
        self._code = code
        self._manager.stopping()
        # Before the workers close theirs: who connects from now on is refused, not forgotten.
        self._sockets.close()
        for child in self._workers:
            child.stop(order, monotonic() + patience)
