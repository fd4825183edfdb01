"""The process that starts workers, and what it decides.

One thread.  `_Master.run` waits for signals (as bytes of a wake-up descriptor), for what workers
say, for their ends and for clocks; then `_reconcile` compares what there is with what there should
be and does what is missing.  It is the only place that starts or retires workers, so a reload, a
crash and a change of their number may come at once and in any order.

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
from dataclasses import dataclass, field
from time import monotonic
from types import FrameType
from typing import Any

from skitai._constants import VERSION
from skitai.core.config import Settings
from skitai.core.listeners import BindError, describe
from skitai.core.logs.journal import Journal
from skitai.counters import ROWS, Count, CounterTable
from skitai.errors import ConfigError, SkitaiError
from skitai.launch import ExitCode, Launch, complain
from skitai.limits import Limits
from skitai.master.backoff import BackOff
from skitai.master.child import Child, Phase, describe_end, spawn
from skitai.master.sockets import Sockets
from skitai.orders import Order, Report

__all__ = ["serve"]

#: Seconds beyond shutdown_timeout after which a worker that is still there is killed.
_KILL_GRACE = 2.0
#: The same when a person pressed Ctrl-C; a worker gives itself half a second.
_INTERRUPT_GRACE = 1.0
#: Generations that may retire at once: each may take as long as keep_alive, or shutdown_timeout, and
#: as much memory as the one that serves.  A further reload waits for the first of them.
_RETIRING_MAX = 2

_SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGTTIN", "SIGTTOU", "SIGCHLD")


@dataclass(slots=True)
class _Generation:
    number: int
    launch: Launch
    settings: Settings
    sockets: Sequence[socket.socket]
    journal: Journal
    #: One of its workers has been ready.
    is_proven: bool = False
    #: What its first worker could not serve.
    broken: frozenset[str] = field(default_factory=frozenset)


def serve(launch: Launch, settings: Settings) -> int:
    """Be the master until the end; the exit code."""
    folder = launch.log_folder(settings)
    try:
        journal = Journal(folder, console=launch.verbose)
    except ConfigError as error:
        complain(error)
        return ExitCode.CONFIG
    sockets = Sockets()
    try:
        bound = sockets.bind(settings.listeners)
    except BindError as error:
        journal.write(str(error), "error")
        if not launch.verbose and folder is not None:
            complain(error)
        return ExitCode.FAILURE
    return _Master(_Generation(1, launch, settings, bound, journal), sockets).run()


class _Master:
    def __init__(self, first: _Generation, sockets: Sockets) -> None:
        self._generation = first
        #: Serves on while `_generation` has not proven that it can.
        self._former: _Generation | None = None
        self._sockets = sockets
        self._wanted = first.settings.server.processes
        self._children: dict[int, Child] = {}
        self._table, self._counters = CounterTable.make()
        self._backoff = BackOff(first.settings.limits.restart_delay_max)
        self._reload_wanted = False
        self._code: ExitCode | None = None
        self._selector = selectors.DefaultSelector()
        self._handlers: dict[int, Callable[[], None]] = {
            signal.SIGTERM: self._on_term,
            signal.SIGINT: self._on_interrupt,
            signal.SIGQUIT: self._on_interrupt,
            signal.SIGHUP: self._on_reload,
            signal.SIGUSR1: self._on_reopen,
            signal.SIGTTIN: lambda: self._on_number(self._wanted + 1),
            signal.SIGTTOU: lambda: self._on_number(self._wanted - 1),
            signal.SIGCHLD: self._on_ended,
        }

    def run(self) -> int:
        self._catch_signals()
        server = self._generation.settings.server
        self._log(
            f"Skitai {VERSION}, Python {sys.version.split()[0]}, master of instance "
            f"{self._generation.launch.name}, pid {os.getpid()}, processes {server.processes}"
        )
        while self._code is None or self._children:
            self._reconcile()
            self._wait()
            self._check_deadlines()
        self._sockets.close()
        totals = self._table.totals()
        self._log("stopped; " + ", ".join(f"{count.name.lower()} {totals[count]}" for count in Count))
        self._generation.journal.close()
        return self._code

    def _log(self, text: str, kind: str = "info") -> None:
        self._generation.journal.write(text, kind)

    # -- waiting ----------------------------------------------------------------------------

    def _catch_signals(self) -> None:
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)

        def noticed(number: int, frame: FrameType | None) -> None:
            """Python writes the number to the wake-up descriptor before it calls this."""

        for name in _SIGNALS:
            signal.signal(getattr(signal, name), noticed)
        signal.set_wakeup_fd(writer.fileno())
        self._wake_writer = writer

        def receive() -> bool:
            # The same signal again and again means no more than once.
            for number in dict.fromkeys(reader.recv(65536)):
                self._handlers[number]()
            return True

        self._selector.register(reader, selectors.EVENT_READ, receive)

    def _wait(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            receive: Callable[[], bool] = key.data
            # A handler that ran before may have closed it.
            if key.fd in self._selector.get_map() and not receive():
                self._selector.unregister(key.fileobj)

    def _patience(self) -> float | None:
        clocks = [child.deadline for child in self._children.values()]
        if self._code is None and self._missing() > 0:
            clocks.append(self._backoff.until)
        soonest = min(clocks, default=float("inf"))
        return None if soonest == float("inf") else max(0.0, soonest - monotonic())

    def _check_deadlines(self) -> None:
        now = monotonic()
        for child in self._children.values():
            if child.deadline <= now:
                self._log(f"worker {child.pid} is killed: {child.phase.value}, for too long", "error")
                child.deadline = float("inf")
                child.kill(signal.SIGKILL)

    # -- what there should be -----------------------------------------------------------------

    def _in(self, *phases: Phase) -> list[Child]:
        """The oldest first."""
        return [child for child in self._children.values() if child.phase in phases]

    def _is_current(self, child: Child) -> bool:
        return child.generation == self._generation.number and not child.is_worn

    def _missing(self) -> int:
        present = sum(map(self._is_current, self._in(Phase.BOOTING, Phase.SERVING)))
        # Until the first of a generation is ready it is alone: what it fails at, all would fail at.
        return (self._wanted if self._generation.is_proven else 1) - present

    def _reconcile(self) -> None:
        if self._code is not None:
            return
        is_crowded = len(self._in(Phase.RETIRING)) >= _RETIRING_MAX * self._wanted
        if self._reload_wanted and self._generation.is_proven and not is_crowded:
            self._reload_wanted = False
            self._reload()
        while self._missing() > 0 and monotonic() >= self._backoff.until:
            self._start()
        serving = self._in(Phase.SERVING)
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
            for child in self._in(Phase.BOOTING):
                if not self._is_current(child):
                    child.stop(Order.STOP, monotonic() + _KILL_GRACE)

    def _reload(self) -> None:
        self._log("reloading: reading the settings anew")
        current = self._generation
        try:
            launch = current.launch.fresh()
            settings = launch.settings()
            _refuse_new_problems(settings, current.settings)
            sockets = self._sockets.bind(settings.listeners)
            journal = self._journal_for(launch, settings)
        except (SkitaiError, OSError) as error:
            self._sockets.keep_only(current.settings.listeners)
            self._log(f"{error}\nreload refused: nothing has changed", "error")
            return
        if settings.server.master == "no":
            self._log("master = no: takes effect when the server is started again", "warn")
        self._former = current
        self._generation = _Generation(current.number + 1, launch, settings, sockets, journal)
        self._wanted = settings.server.processes
        self._backoff.longest = settings.limits.restart_delay_max
        self._backoff.reset()

    def _journal_for(self, launch: Launch, settings: Settings) -> Journal:
        current = self._generation
        if launch.log_folder(settings) == current.launch.log_folder(current.settings):
            return current.journal
        return Journal(launch.log_folder(settings), console=launch.verbose)

    @property
    def _limits(self) -> Limits:
        return self._generation.settings.limits

    def _start(self) -> None:
        generation = self._generation
        used = {child.row for child in self._children.values()}
        row = next(number for number in range(1, ROWS) if number not in used)
        try:
            pid, control = spawn(generation.launch, generation.sockets, self._counters, row)
        except OSError as error:
            self._log(f"a worker cannot be started: {error}", "error")
            self._failed(ExitCode.NOT_BOOTED)
            return
        child = Child(pid, control, row, generation.number, self._limits.shutdown_timeout)
        child.deadline = monotonic() + self._limits.start_timeout
        self._children[pid] = child
        self._selector.register(control, selectors.EVENT_READ, child.listen(self._on_report))

    # -- workers ------------------------------------------------------------------------------

    def _on_report(self, child: Child, word: str, value: Any) -> None:
        report = Report(word)
        if report is Report.WORN and not child.is_worn:
            child.is_worn = True
            self._log(f"worker {child.pid} is worn out: it gets a successor", "warn")
        elif report is Report.READY and child.phase is Phase.BOOTING:
            self._on_ready(child, frozenset(value))

    def _on_ready(self, child: Child, broken: frozenset[str]) -> None:
        now = monotonic()
        worse = broken - (self._former or self._generation).broken
        if worse and self._in(Phase.SERVING):
            text = f"worker {child.pid} could not serve {', '.join(sorted(worse))}: it is not let serve"
            self._log(text, "error")
            child.stop(Order.STOP, now + _KILL_GRACE)
            if child.generation == self._generation.number:
                self._failed(ExitCode.APP)
            return
        child.order(Order.SERVE)
        child.move(Phase.SERVING)
        child.ready_at = now
        if child.generation == self._generation.number and not self._generation.is_proven:
            self._prove(broken)

    def _prove(self, broken: frozenset[str]) -> None:
        """The present generation serves."""
        generation, former = self._generation, self._former
        generation.is_proven, generation.broken = True, broken
        self._former = None
        self._backoff.reset()
        self._sockets.keep_only(generation.settings.listeners)
        if former is None:
            for sock, listener in zip(generation.sockets, generation.settings.listeners, strict=True):
                self._log(f"listening on {describe(sock, listener.scheme)}")
        else:
            self._log(f"reloaded; processes {self._wanted}")
            if former.journal is not generation.journal:
                former.journal.close()

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
            child = self._children.get(pid)
            if child is not None:
                self._bury(child, status)

    def _bury(self, child: Child, status: int) -> None:
        if child.control.fileno() in self._selector.get_map():
            self._selector.unregister(child.control)
        child.control.close()
        del self._children[child.pid]
        self._table.keep(child.row)
        if child.phase in (Phase.RETIRING, Phase.STOPPING):
            return
        now = monotonic()
        if child.phase is Phase.SERVING:
            self._log(f"worker {child.pid} {describe_end(status)}", "error")
            self._rest(now - child.ready_at)
            self._table.own[Count.RESTARTS] += 1
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
        for child in self._children.values():
            child.order(Order.REOPEN)

    def _on_number(self, wanted: int) -> None:
        self._wanted = max(1, wanted)
        self._log(f"processes {self._wanted}, until the next reload")

    def _on_term(self) -> None:
        if self._code is None:
            self._log("stopping: requests under way may finish")
            self._stop(ExitCode.CLEAN, Order.STOP, self._limits.shutdown_timeout + _KILL_GRACE)

    def _on_interrupt(self) -> None:
        if self._code is ExitCode.INTERRUPTED:  # the second Ctrl-C: nothing may delay it
            for child in self._children.values():
                child.kill(signal.SIGKILL)
            return
        self._log("interrupted: stopping now")
        self._stop(ExitCode.INTERRUPTED, Order.INTERRUPT, _INTERRUPT_GRACE)

    def _stop(self, code: ExitCode, order: Order, patience: float) -> None:
        self._code = code
        # Before the workers close theirs: who connects from now on is refused, not forgotten.
        self._sockets.close()
        for child in self._children.values():
            child.stop(order, monotonic() + patience)


def _refuse_new_problems(settings: Settings, former: Settings) -> None:
    """Routes that cannot be served are no reason not to start, but not to replace what can be."""
    known = {problem.message for problem in former.problems}
    for problem in settings.problems:
        if problem.message not in known:
            raise problem
