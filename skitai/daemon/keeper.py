"""skitaid where there are no signals: the supervisor around processes that are told by closing their input.

The service of Windows runs this; nothing in it is Windows' own, so it is tested everywhere.  It sleeps in
steps of a quarter of a second, in which a stop is heard.  A program reads its standard input in a thread
(`skitai.notify`, the lifeline): when that ends, because we close it or because we are no more, it stops as by
TERM. Readiness it cannot tell; one that is there after a second counts as ready.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

from skitai.core.logs.journal import Journal
from skitai.daemon.enabled import Enabled
from skitai.daemon.states import State
from skitai.daemon.supervisor import Action, Say, Send, Signal, Spawn, Supervisor
from skitai.launch import ExitCode

__all__ = ["Keeper", "Process", "start_process"]

#: Seconds between two looks at processes and at the wish to stop; at the folder.
_GLANCE = 0.25
_LOOK_EVERY = 1.0
_READY_AFTER = 1.0


class Process(Protocol):
    def code(self) -> int | None:
        """Of its end; None while it runs."""

    def stop(self) -> None:
        """Tell it to end."""

    def kill(self) -> None: ...


class Keeper:
    """One thread."""

    def __init__(
        self,
        supervisor: Supervisor,
        enabled: Enabled,
        journal: Journal,
        spawn: Callable[[str], Process],
        wait: Callable[[float], bool],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """``spawn`` raises OSError; ``wait`` sleeps for seconds, and says whether we are to end."""
        self._supervisor = supervisor
        self._enabled = enabled
        self._journal = journal
        self._spawn = spawn
        self._wait = wait
        self._clock = clock
        self._processes: dict[str, Process] = {}
        self._began: dict[str, float] = {}

    def run(self) -> None:
        self._look(at_once=True)
        look_at = self._clock() + _LOOK_EVERY
        while not self._supervisor.has_ended:
            if self._clock() >= look_at:
                look_at = self._clock() + _LOOK_EVERY
                self._look(at_once=False)
            self._bury()
            self._do(self._supervisor.passed(self._clock()))
            if self._wait(_GLANCE):
                self._do(self._supervisor.end(self._clock()))

    def _look(self, *, at_once: bool) -> None:
        now = self._clock()
        try:
            self._do(self._supervisor.listed(self._enabled.look(now, at_once=at_once), now))
        except OSError as error:
            self._journal.write(f"{self._enabled.folder} cannot be read: {error.strerror}", "error")

    def _bury(self) -> None:
        now = self._clock()
        for name, process in list(self._processes.items()):
            code = process.code()
            if code is not None:
                del self._processes[name]
                self._do(self._supervisor.ended(name, code, now))
            elif self._supervisor.state(name) is State.STARTING and now >= self._began[name] + _READY_AFTER:
                self._do(self._supervisor.ready(name, now))

    def _do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Say):
                self._journal.write(action.text, action.kind)
            elif isinstance(action, Spawn):
                self._start(action.name)
            else:
                self._send(action)

    def _start(self, name: str) -> None:
        self._began[name] = self._clock()
        try:
            self._processes[name] = self._spawn(name)
        except OSError as error:
            self._journal.write(f"{name} cannot be started: {error}", "error")
            self._do(self._supervisor.ended(name, ExitCode.FAILURE, self._clock()))

    def _send(self, action: Signal) -> None:
        process = self._processes.get(action.name)
        if process is not None and action.send is Send.STOP:
            process.stop()
        elif process is not None and action.send is Send.KILL:
            process.kill()


class _Piped:
    """A process whose standard input is our word to it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def code(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    def kill(self) -> None:
        self._process.kill()


def start_process(command: Sequence[str]) -> Process:
    """Raises OSError."""
    return _Piped(
        subprocess.Popen(
            command,
            env={**os.environ, "SKITAID_LIFELINE": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    )
