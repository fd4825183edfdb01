"""The master becomes another program and stays the same process (USR2): the Skitai, or the Python, that is
installed by now.

    trial      a process of its own looks whether what is installed can take over: it loads, it follows the
               settings, it can write the log
    exec       the master leaves its `Estate` in a file without a name, and becomes ``python -m
               skitai.master.handover`` (execve(2)); listening sockets and workers stay
    reload     which starts workers of the new code, and lets the former ones retire as any reload does

Whoever has started the master, and waits for its end, notices nothing.  Signals that come in between are kept
by the system.  Left behind are the rooms' histories and who is asking at the control socket; workers of the
former code share no rooms with others while they retire.

The main thread of the master; the trial is a process without descriptors of ours.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from skitai.core.logs.journal import Journal
from skitai.core.logs.options import LogOptions
from skitai.counters import anonymous_file
from skitai.errors import SkitaiError
from skitai.interpreter import INTERPRETER_OPTIONS
from skitai.launch import ExitCode, Launch, complain

__all__ = ["Estate", "Heir", "Succession"]

_TRIAL = "--trial"


@dataclass(frozen=True, slots=True)
class Heir:
    """A worker that is left.  ``unheard``: of what it has said, what was received and is no whole message."""

    pid: int
    control: int
    unheard: str
    generation: int
    phase: str
    patience: float
    #: As of time.monotonic(), which goes on; None for never.
    deadline: float | None


@dataclass(frozen=True, slots=True)
class Estate:
    """What a master leaves to its next version, which may know more: descriptors by number."""

    version: str
    launch: dict[str, Any]
    generation: int
    broken: list[str]
    #: In the order of the settings' listeners.
    listeners: list[int]
    #: Where operators ask, and whether they may change something there; the files of these sockets.
    private: list[tuple[int, bool]]
    paths: list[str]
    workers: list[dict[str, Any]]
    wanted: int
    started: int
    #: By the names of `Count`.
    totals: dict[str, int]
    #: All that was counted, for who has the same columns, and whose these are (`MountSlots.known`).
    layout: str
    sums: list[int]
    mounts: list[tuple[str, str]]
    #: To the service manager.
    notify: int | None
    pulse: float | None
    lifeline: int | None

    @property
    def heirs(self) -> list[Heir]:
        return [Heir(**worker) for worker in self.workers]

    @property
    def descriptors(self) -> list[int]:
        others = [number for number in (self.notify, self.lifeline) if number is not None]
        controls = [heir.control for heir in self.heirs]
        return [*self.listeners, *(number for number, _ in self.private), *controls, *others]


class Succession:
    """The master's side."""

    def __init__(self, log: Callable[[str, str], None], estate: Callable[[], Estate]) -> None:
        """``log(text, kind)``; ``estate()``: what there is to leave."""
        self._log = log
        self._estate = estate
        #: The process that tries, 0 without one.
        self.trial = 0
        #: It can take over, and only waits for a moment without a reload under way.
        self.is_due = False

    def begin(self) -> None:
        """USR2."""
        if self.trial or self.is_due:
            return
        try:
            with _file_of(self._estate()) as file:
                number = max(3, file.fileno() + 1)
                self.trial = os.posix_spawn(
                    sys.executable,
                    _command(number, [_TRIAL]),
                    os.environ,
                    file_actions=[(os.POSIX_SPAWN_DUP2, file.fileno(), number)],
                )
        except OSError as error:
            self._log(f"SIGUSR2: no process can be started: {error}; nothing has changed", "error")
            return
        self._log("SIGUSR2: trying whether what is installed by now can take over", "info")

    def tried(self, status: int) -> None:
        """The trial has ended."""
        self.trial = 0
        code = os.waitstatus_to_exitcode(status)
        self.is_due = code == ExitCode.CLEAN
        if not self.is_due:
            self._log(
                f"what is installed cannot take over (exit code {code}; it has said why on stderr): "
                "nothing has changed",
                "error",
            )

    def carry_out(self, numbers: list[int]) -> None:
        """Returns only if the system refuses.  ``numbers``: signals that must not be lost meanwhile."""
        self.is_due = False
        estate = self._estate()
        self._log("going over to what is installed by now", "info")
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        try:
            with _file_of(estate) as file:
                for number in [*estate.descriptors, file.fileno()]:
                    os.set_inheritable(number, True)
                os.execve(sys.executable, _command(file.fileno(), sys.argv), os.environ)
        except OSError as error:
            for number in estate.descriptors:
                os.set_inheritable(number, False)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
            self._log(f"{sys.executable} cannot be run: {error}; nothing has changed", "error")


def _command(descriptor: int, arguments: list[str]) -> list[str]:
    """``arguments``: those of the command line as it was, for who looks at a list of processes."""
    program = [sys.executable, *INTERPRETER_OPTIONS, "-m", "skitai.master.handover"]
    return [*program, str(descriptor), *arguments]


def _file_of(estate: Estate) -> io.FileIO:
    file = io.FileIO(anonymous_file("skitai-estate"), "r+")
    file.write(json.dumps(asdict(estate)).encode())
    file.seek(0)
    return file


def _try(estate: Estate) -> int:
    """Whether a master and its workers could begin here."""
    launch = Launch.from_json(estate.launch)
    try:
        settings = launch.settings()
        launch.fresh().settings()
        Journal(launch.log_folder(settings), console=False, options=LogOptions.of(settings.server)).close()
        # By its name: what a master imports itself is to be little.
        importlib.import_module("skitai.server")
    except SkitaiError as error:
        complain(error)
        return ExitCode.CONFIG
    return ExitCode.CLEAN


def main() -> int:
    """The process; the exit code."""
    with open(int(sys.argv[1]), "rb") as file:
        estate = Estate(**json.loads(file.read()))
    sys.argv[:] = sys.argv[2:]
    if sys.argv == [_TRIAL]:
        return _try(estate)
    for number in estate.descriptors:
        os.set_inheritable(number, False)
    starting = importlib.import_module("skitai.master.starting")  # which imports us
    code: int = starting.go_on(estate)
    return code


if __name__ == "__main__":
    sys.exit(main())
