"""skitaid as a process: the supervisor's events and actions made of signals, processes, files and clocks.

One thread, one selector: a wake-up descriptor for signals, the control socket and those who ask there, and a
notify socket for each program.  Between two waits it looks at what has ended, at the folder and at the
clocks.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from types import FrameType

from skitai._constants import VERSION
from skitai.core.config.daemon import DaemonSettings
from skitai.core.logs.journal import Journal
from skitai.daemon.children import Child, NotifySocket
from skitai.daemon.control import Answer, BadRequest, Inquiry, Verb
from skitai.daemon.enabled import Enabled
from skitai.daemon.states import Event, State
from skitai.daemon.supervisor import MAIL, Action, Patience, Say, Send, Spawn, Supervisor
from skitai.errors import ConfigError
from skitai.launch import ExitCode
from skitai.notify import ServiceManager
from skitai.pulse import SIGNS

__all__ = ["Programs", "Service"]

#: Seconds between two looks at servers-enabled.
_LOOK_EVERY = 1.0
_EVENTS = {Verb.START: Event.START, Verb.STOP: Event.STOP, Verb.RESTART: Event.RESTART}
_UNDER_WAY = (State.STARTING, State.STOPPING, State.RESTARTING)
#: As `Supervisor.status` says it: somebody should look.
_TROUBLED = (State.RESTING.value, State.GIVEN_UP.value, State.REFUSED.value)


@dataclass(frozen=True, slots=True)
class Programs:
    """How they are started.  ``flags``: of each command.  ``keeps_output``: what they print goes to a
    file."""

    flags: Sequence[str]
    keeps_output: bool

    def command(self, name: str, file: Path) -> list[str]:
        if name == MAIL:
            return ["-m", "skitai.cli.smtpda", *self.flags]
        return ["-m", "skitai.cli.instance", "-f", str(file), *self.flags]


@dataclass(slots=True)
class _Pending:
    """Who waits for what was asked of these programs."""

    inquiry: Inquiry
    verb: Verb
    names: list[str]
    unknown: list[str]


class Service:
    """Main thread only.  ``control``: listening.  The lock of the run folder is ours."""

    def __init__(
        self,
        settings: DaemonSettings,
        enabled: Enabled,
        programs: Programs,
        journal: Journal,
        control: socket.socket,
        read_again: Callable[[], DaemonSettings],
    ) -> None:
        """``read_again``: gives the settings that the file has now, or raises ConfigError."""
        self._settings = settings
        self._enabled = enabled
        self._programs = programs
        self._journal = journal
        self._read_again = read_again
        self._supervisor = Supervisor(_patience(settings))
        self._manager = ServiceManager.find()
        #: Nothing is ever written: our end closes when we do.
        self._lifeline, self._our_end = os.pipe()
        self._children: dict[str, Child] = {}
        self._pending: list[_Pending] = []
        #: Have been told to reload, and have not said READY since.
        self._reloading: set[str] = set()
        self._code = ExitCode.CLEAN
        self._look_at = 0.0
        self._folder_complaint = ""
        self._is_announced = False
        self._status = ""
        self._selector = selectors.DefaultSelector()
        control.setblocking(False)
        self._selector.register(control, selectors.EVENT_READ, lambda: self._accept(control))
        self._on_signal: Mapping[int, Callable[[], None]] = {
            signal.SIGTERM: self._on_term,
            signal.SIGINT: self._on_interrupt,
            signal.SIGQUIT: self._on_interrupt,
            signal.SIGHUP: lambda: self._reload([]),
            signal.SIGUSR1: lambda: self._rotate([]),
            signal.SIGUSR2: self._upgrade,
            signal.SIGCHLD: lambda: None,  # it has woken us: `_bury` looks who it was
        }

    def run(self) -> int:
        """Until a signal or an operator ends it; the exit code."""
        self._catch_signals()
        self._log(f"Skitai {VERSION}, skitaid, pid {os.getpid()}, servers of {self._enabled.folder}")
        self._look(at_once=True)
        while True:
            self._look()
            self._bury()
            self._watch()
            self._do(self._supervisor.passed(monotonic()))
            self._conclude()
            self._tell_manager()
            if self._supervisor.has_ended:
                break
            self._wait()
        self._log("stopped")
        for pending in self._pending:
            pending.inquiry.answer(Answer(lines=["stopped"]))
        return self._code

    def _log(self, text: str, kind: str = "info") -> None:
        self._journal.write(text, kind)

    # -- waiting -------------------------------------------------------------------------------------

    def _catch_signals(self) -> None:
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)

        def noticed(number: int, frame: FrameType | None) -> None:
            """Python writes the number to the wake-up descriptor before it calls this."""

        for number in self._on_signal:
            signal.signal(number, noticed)
        signal.set_wakeup_fd(writer.fileno())
        self._wake_writer = writer

        def receive() -> None:
            # The same signal again and again means no more than once.
            for number in dict.fromkeys(reader.recv(65536)):
                self._on_signal[number]()

        self._selector.register(reader, selectors.EVENT_READ, receive)

    def _wait(self) -> None:
        clocks = [self._look_at]
        clock = self._supervisor.next_clock()
        if clock is not None:
            clocks.append(clock)
        if self._manager.pulse:
            clocks.append(monotonic() + self._manager.pulse / SIGNS)
        for key, _ in self._selector.select(max(0.0, min(clocks) - monotonic())):
            if key.fd in self._selector.get_map():  # a handler that ran before may have closed it
                key.data()

    # -- what happens --------------------------------------------------------------------------------

    def _look(self, *, at_once: bool = False) -> None:
        now = monotonic()
        if now < self._look_at and not at_once:
            return
        self._look_at = now + _LOOK_EVERY
        try:
            found = dict(self._enabled.look(now, at_once=at_once))
            complaint = ""
        except OSError as error:
            found = {}
            complaint = (
                f"{self._enabled.folder} cannot be read ({error.strerror}): the servers stay as they are"
            )
        if MAIL in found:
            complaint = (
                f"{self._enabled.file(MAIL)}: the name {MAIL} is the mail agent's; give the file another"
            )
        if complaint and complaint != self._folder_complaint:
            self._log(complaint, "error")
        self._folder_complaint = complaint
        if found or not complaint:
            self._do(self._supervisor.listed({**found, MAIL: ()}, now))

    def _bury(self) -> None:
        if os.getpid() == 1:
            self._bury_orphans()
        for name, child in list(self._children.items()):
            code = child.code()
            if code is not None:
                self._hear(name, child)
                del self._children[name]
                self._reloading.discard(name)
                self._selector.unregister(child.notify.socket)
                child.notify.close()
                self._do(self._supervisor.ended(name, code, monotonic()))

    def _bury_orphans(self) -> None:
        """Process 1 of a container is the parent of all whose own has ended."""
        ours = {child.pid for child in self._children.values()}
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None or found.si_pid in ours:
                return  # ours first: `_bury` waits for it, and the next turn for those behind it
            os.waitpid(found.si_pid, 0)

    def _hear(self, name: str, child: Child) -> None:
        child.last_sign = monotonic()
        for message in child.notify.receive():
            if "STATUS" in message:
                self._supervisor.told(name, message["STATUS"])
            if message.get("READY") == "1":
                self._reloading.discard(name)
                self._do(self._supervisor.ready(name, monotonic()))

    def _watch(self) -> None:
        now = monotonic()
        for name, child in self._children.items():
            if child.watchdog and now - child.last_sign > child.watchdog:
                child.last_sign = now  # is said once for each time
                self._do(self._supervisor.hung(name))

    def _on_term(self) -> None:
        self._log("stopping all servers: requests under way may finish")
        self._manager.stopping()
        self._do(self._supervisor.end(monotonic()))

    def _on_interrupt(self) -> None:
        self._log("interrupted: stopping all servers now")
        self._code = ExitCode.INTERRUPTED
        self._manager.stopping()
        self._do(self._supervisor.interrupt(monotonic()))

    # -- what is done --------------------------------------------------------------------------------

    def _do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Say):
                self._log(action.text, action.kind)
            elif isinstance(action, Spawn):
                self._spawn(action.name)
            elif action.name in self._children:
                self._children[action.name].send(getattr(signal, action.send.value))
                if action.send is Send.RELOAD:
                    self._reloading.add(action.name)

    def _spawn(self, name: str) -> None:
        notify: NotifySocket | None = None
        try:
            notify = NotifySocket(self._settings.run / f"{name}.notify")
            child = Child(
                self._programs.command(name, self._enabled.file(name)),
                notify,
                lifeline=self._lifeline,
                watchdog=0.0 if name == MAIL else self._settings.common.watchdog,
                # Beside its logs and not among them: the folder of these is for the program to make.
                output=self._settings.logs / f"{name}-stderr.log" if self._programs.keeps_output else None,
            )
        except OSError as error:
            if notify is not None:
                notify.close()
            self._log(f"{name} cannot be started: {error}", "error")
            self._do(self._supervisor.ended(name, ExitCode.FAILURE, monotonic()))
            return
        self._log(f"{name}: started, pid {child.pid}")
        self._children[name] = child
        self._selector.register(notify.socket, selectors.EVENT_READ, lambda: self._hear(name, child))

    def _reload(self, names: Sequence[str]) -> None:
        """Of all, where there are no ``names``: with our own settings."""
        if not names:
            self._manager.reloading()
            self._is_announced = False  # ready again when it is done
            try:
                # Where the sockets are cannot change while we listen there.
                self._settings = replace(self._read_again(), run=self._settings.run)
                self._supervisor.patience = _patience(self._settings)
            except ConfigError as error:
                self._log(f"the former settings of skitaid stay: {error}", "error")
        known, _ = self._supervisor.named(names)
        self._log(f"reloading {', '.join(known)}")
        self._do(self._supervisor.tell(Send.RELOAD, known, monotonic()))

    def _rotate(self, names: Sequence[str]) -> None:
        if not names:
            self._journal.reopen()
        known, _ = self._supervisor.named(names)
        self._do(self._supervisor.tell(Send.REOPEN, known, monotonic()))

    def _upgrade(self) -> None:
        """Of the servers.  We ourselves have next to nothing that would be worth it, and the mail agent
        loses nothing when it is started again."""
        known = [name for name in self._supervisor.named(())[0] if name != MAIL]
        self._log(f"SIGUSR2: passed on to {', '.join(known)}; skitaid itself stays as it is")
        self._do(self._supervisor.tell(Send.UPGRADE, known, monotonic()))

    # -- operators ---------------------------------------------------------------------------------

    def _accept(self, control: socket.socket) -> None:
        with suppress(OSError):  # who asked is gone already
            sock, _ = control.accept()
            inquiry = Inquiry(sock)
            self._selector.register(sock, selectors.EVENT_READ, lambda: self._receive(inquiry))

    def _receive(self, inquiry: Inquiry) -> None:
        try:
            request = inquiry.receive()
        except BadRequest as error:
            self._selector.unregister(inquiry.socket)
            inquiry.answer(Answer(ok=False, lines=[str(error)]))
            return
        if request is not None:
            self._selector.unregister(inquiry.socket)
            self._obey(inquiry, *request)

    def _obey(self, inquiry: Inquiry, verb: Verb, names: list[str]) -> None:
        # What an operator has just put there is meant too; who only asks says nothing about it.
        self._look(at_once=verb is not Verb.STATUS)
        known, unknown = self._supervisor.named(names)
        if verb is Verb.STOP and not names:
            self._on_term()
        elif known and verb in _EVENTS:
            self._do(self._supervisor.order(_EVENTS[verb], known, monotonic()))
        elif known and verb is Verb.RELOAD:
            self._reload(known if names else [])
        elif known and verb is Verb.ROTATE:
            self._rotate(known if names else [])
        ends_us = verb is Verb.STOP and not names
        self._pending.append(_Pending(inquiry, verb, [] if ends_us else known, unknown))

    def _conclude(self) -> None:
        """Answer those whose programs have got where they were to get."""
        waiting = []
        for pending in self._pending:
            there = set(self._supervisor.named(())[0])
            names = [name for name in pending.names if name in there]
            ends_us = pending.verb is Verb.STOP and not (pending.names or pending.unknown)
            is_changing = pending.verb in _EVENTS or pending.verb is Verb.RELOAD
            if ends_us or (is_changing and any(map(self._is_under_way, names))):
                waiting.append(pending)
            else:
                pending.inquiry.answer(self._answer(pending, names))
        self._pending = waiting

    def _is_under_way(self, name: str) -> bool:
        return name in self._reloading or self._supervisor.state(name) in _UNDER_WAY

    def _answer(self, pending: _Pending, names: list[str]) -> Answer:
        rows = [row for row in self._supervisor.status(monotonic()) if row["name"] in names]
        there = ", ".join(self._supervisor.named(())[0])
        lines = [
            f"there is no server {name}, for {self._enabled.file(name)} is not there; there are: {there}"
            for name in pending.unknown
        ]
        ok = not lines and not any(row["state"] in _TROUBLED for row in rows)
        return Answer(ok, lines, rows)

    # -- who has started us ------------------------------------------------------------------------

    def _tell_manager(self) -> None:
        self._manager.live()
        rows = self._supervisor.status(monotonic())
        running = sum(row["state"] == State.RUNNING.value for row in rows)
        troubled = [f"{row['name']} {row['state']}" for row in rows if row["state"] in _TROUBLED]
        status = ", ".join([f"{running} running", *troubled])
        if not self._is_announced and self._supervisor.has_settled:
            self._is_announced = True
            self._manager.ready(status)
        elif status != self._status:
            self._manager.status(status)
        self._status = status


def _patience(settings: DaemonSettings) -> Patience:
    common = settings.common
    return Patience(common.restart_delay_max, common.restart_tries, common.stop_timeout)
