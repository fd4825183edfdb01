"""What skitaid does about its programs: events in, actions out; no process, no file, no clock of its own.

Each method is something that has happened, at ``now`` (``time.monotonic()`` seconds), and returns what is to
be done about it, in this order.  `service` carries it out and tells what comes of it.

A program is a server of servers-enabled, by the name of its file, or the mail agent (`MAIL`).  What an
operator has stopped stays stopped, whatever its file does, until somebody starts it or its file was gone.
"""

from __future__ import annotations

import enum
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from skitai.backoff import STEADY, BackOff
from skitai.daemon.states import LIVE, TABLE, Event, State
from skitai.launch import ExitCode

__all__ = ["MAIL", "Action", "Patience", "Say", "Send", "Signal", "Spawn", "Supervisor"]

#: The name of the mail agent; no server can have it.
MAIL = "smtpda"

_FOREVER = float("inf")
#: Exit codes that say: another start would end the same way.
_MISTAKES = (ExitCode.CONFIG, 2)
#: What ended by one of these was told to.
_ON_PURPOSE = (ExitCode.CLEAN, ExitCode.INTERRUPTED)


class Send(enum.Enum):
    """What a program can be told."""

    STOP = "SIGTERM"
    INTERRUPT = "SIGINT"
    KILL = "SIGKILL"
    RELOAD = "SIGHUP"
    REOPEN = "SIGUSR1"
    UPGRADE = "SIGUSR2"


@dataclass(frozen=True, slots=True)
class Spawn:
    name: str


@dataclass(frozen=True, slots=True)
class Signal:
    name: str
    send: Send


@dataclass(frozen=True, slots=True)
class Say:
    text: str
    kind: str = "info"


Action = Spawn | Signal | Say


@dataclass(frozen=True, slots=True)
class Patience:
    """``restart_delay_max``: seconds, the longest rest; ``restart_tries``: ends one after the other, each
    before the program had served for a while, until it is given up, 0 is never; ``stop_timeout``: seconds
    from the word to end until it is killed."""

    restart_delay_max: float
    restart_tries: int
    stop_timeout: float


class _Program:
    def __init__(self, name: str, patience: Patience) -> None:
        self.name = name
        self.state = State.STOPPED
        self.backoff = BackOff(patience.restart_delay_max)
        #: What its file looked like when it was last seen; None: its file is gone.
        self.stamp: object = None
        #: Crashes one after the other.
        self.crashes = 0
        self.restarts = 0
        self.since = 0.0
        #: When a live one that was told to end is killed.
        self.deadline = _FOREVER
        self.told = ""

    def clock(self) -> float:
        return self.backoff.until if self.state is State.RESTING else self.deadline


class Supervisor:
    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._programs: dict[str, _Program] = {}
        self._is_ending = False

    # -- what is asked -----------------------------------------------------------------------------

    def listed(self, stamps: Mapping[str, object], now: float) -> list[Action]:
        """These servers there should be.  A ``stamp`` that differs is a file that has changed: that is looked
        at where the former could not be followed, and is left to a reload where it runs."""
        if self._is_ending:
            return []
        actions: list[Action] = []
        for name, stamp in stamps.items():
            program = self._programs.get(name)
            if program is None:
                program = self._programs[name] = _Program(name, self.patience)
            is_new = program.stamp is None
            has_changed = program.stamp != stamp
            program.stamp = stamp
            if is_new or (has_changed and program.state in (State.REFUSED, State.GIVEN_UP)):
                program.crashes = 0
                actions += self._handle(program, Event.START, now)
        for name in [name for name in self._programs if name not in stamps]:
            program = self._programs[name]
            if program.stamp is not None:
                program.stamp = None
                actions.append(Say(f"{name}: its file is gone"))
                actions += self._handle(program, Event.STOP, now)
            self._forget_if_gone(program)
        return actions

    def order(self, event: Event, names: Iterable[str], now: float) -> list[Action]:
        """START, STOP or RESTART; ``names``: see `named`."""
        actions: list[Action] = []
        for program in [self._programs[name] for name in names]:
            if self._is_ending or program.stamp is None:
                continue  # it is on its way out
            if event is not Event.STOP:
                program.crashes = 0
                program.backoff.reset()
            actions += self._handle(program, event, now)
        return actions

    def tell(self, send: Send, names: Iterable[str], now: float) -> list[Action]:
        """RELOAD, REOPEN or UPGRADE.  With a reload those that were refused or given up are tried again."""
        actions: list[Action] = []
        for program in [self._programs[name] for name in names]:
            # One that starts may not hear USR2 yet, which would end it; and it has the new version.
            hears = (State.RUNNING,) if send is Send.UPGRADE else (State.STARTING, State.RUNNING)
            if program.state in hears:
                actions.append(Signal(program.name, send))
            elif send is Send.RELOAD and program.state in (State.REFUSED, State.GIVEN_UP, State.RESTING):
                actions += self.order(Event.START, [program.name], now)
        return actions

    def end(self, now: float) -> list[Action]:
        """The service itself is told to end; `has_ended` says when all have."""
        if self._is_ending:
            return []
        self._is_ending = True
        return [
            action for program in self._programs.values() for action in self._handle(program, Event.STOP, now)
        ]

    def interrupt(self, now: float) -> list[Action]:
        """The same at once; the second time nothing may delay it."""
        send = Send.KILL if self._is_ending else Send.INTERRUPT
        actions = [action for action in self.end(now) if not isinstance(action, Signal)]
        return actions + [Signal(program.name, send) for program in self._live()]

    # -- what happens ------------------------------------------------------------------------------

    def ready(self, name: str, now: float) -> list[Action]:
        return self._handle(self._programs[name], Event.READY, now)

    def told(self, name: str, text: str) -> None:
        """What a program says of itself."""
        self._programs[name].told = text

    def ended(self, name: str, code: int, now: float) -> list[Action]:
        """``code``: of its process; that of a signal is negative."""
        program = self._programs[name]
        has_served = program.state is State.RUNNING and now - program.since >= STEADY
        program.crashes = 1 if has_served else program.crashes + 1
        if code in _ON_PURPOSE:
            event = Event.LEFT
        elif code in _MISTAKES:
            event = Event.MISCONFIGURED
        elif 0 < self.patience.restart_tries <= program.crashes:
            event = Event.EXHAUSTED
        else:
            event = Event.CRASHED
        is_expected = program.state in (State.STOPPING, State.RESTARTING)
        program.backoff.longest = self.patience.restart_delay_max
        rest = 0.0
        if event is Event.CRASHED and not is_expected:
            rest = program.backoff.ended(now, now - program.since if program.state is State.RUNNING else 0.0)
        actions: list[Action] = [_of_end(program, event, code, rest, is_expected)]
        if event is Event.CRASHED and not is_expected:
            program.restarts += 1
        actions += self._handle(program, event, now)
        self._forget_if_gone(program)
        return actions

    def passed(self, now: float) -> list[Action]:
        """A clock of `next_clock` may have run out."""
        actions: list[Action] = []
        for program in list(self._programs.values()):
            if program.clock() > now:
                continue
            if program.state is State.RESTING:
                actions += self._handle(program, Event.RESTED, now)
            else:
                program.deadline = _FOREVER
                patience = self.patience.stop_timeout
                actions.append(Say(f"{program.name} has not ended for {patience:g} s: it is killed", "error"))
                actions.append(Signal(program.name, Send.KILL))
        return actions

    def hung(self, name: str) -> list[Action]:
        """It has given no sign of life for too long."""
        program = self._programs[name]
        if program.state is not State.RUNNING:
            return []
        return [Say(f"{name} gives no sign of life: it is killed", "error"), Signal(name, Send.KILL)]

    # -- how it stands -----------------------------------------------------------------------------

    @property
    def has_ended(self) -> bool:
        return self._is_ending and not self._live()

    @property
    def has_settled(self) -> bool:
        """Nobody is on the way up any more: they run, or it is known that they do not."""
        return all(program.state is not State.STARTING for program in self._programs.values())

    def next_clock(self) -> float | None:
        soonest = min((program.clock() for program in self._programs.values()), default=_FOREVER)
        return None if soonest == _FOREVER else soonest

    def named(self, names: Iterable[str]) -> tuple[list[str], list[str]]:
        """Those of ``names`` that there are, all if there are none given; and those that there are not."""
        wanted = list(names)
        known = [name for name in wanted or sorted(self._programs) if name in self._programs]
        return known, [name for name in wanted if name not in self._programs]

    def state(self, name: str) -> State:
        return self._programs[name].state

    def status(self, now: float) -> list[dict[str, Any]]:
        """A row for each, for people and programs; ``seconds``: in this state."""
        return [
            {
                "name": program.name,
                "state": program.state.value,
                "seconds": round(now - program.since, 1),
                "restarts": program.restarts,
                "says": program.told,
            }
            for _, program in sorted(self._programs.items())
        ]

    # -- the table -----------------------------------------------------------------------------------

    def _handle(self, program: _Program, event: Event, now: float) -> list[Action]:
        """The only place where a state changes; what a state asks for is asked where it is entered."""
        state = TABLE[program.state].get(event)
        if state is None:
            return []
        was_told = program.state in (State.STOPPING, State.RESTARTING)
        program.state, program.since = state, now
        if state is State.STARTING:
            program.deadline = _FOREVER
            program.told = ""
            return [Spawn(program.name)]
        if state in (State.STOPPING, State.RESTARTING):
            if was_told:
                return []  # its clock runs since it was told the first time
            program.deadline = now + self.patience.stop_timeout
            return [Signal(program.name, Send.STOP)]
        program.deadline = _FOREVER
        return [Say(f"{program.name}: ready")] if state is State.RUNNING else []

    def _live(self) -> list[_Program]:
        return [program for program in self._programs.values() if program.state in LIVE]

    def _forget_if_gone(self, program: _Program) -> None:
        if program.stamp is None and program.state not in LIVE:
            del self._programs[program.name]


def _of_end(program: _Program, event: Event, code: int, rest: float, is_expected: bool) -> Say:
    """What is said of an end: loud where somebody has to do something."""
    if is_expected:
        return Say(f"{program.name}: stopped")
    how = f"{program.name} {_described(code)}"
    if event is Event.LEFT:
        return Say(f"{how}, as somebody told it; `skitaid start {program.name}` starts it again", "warn")
    if event is Event.MISCONFIGURED:
        return Say(
            f"{how}: its configuration cannot be followed, see `skitaid check`; "
            "it is tried again when the file has changed",
            "error",
        )
    if event is Event.EXHAUSTED:
        return Say(
            f"{how}, {program.crashes} times in a row: giving up; it is tried again when its file has "
            f"changed, or by `skitaid start {program.name}`",
            "error",
        )
    return Say(f"{how}; it is started again " + (f"in {rest:g} s" if rest else "at once"), "error")


def _described(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
