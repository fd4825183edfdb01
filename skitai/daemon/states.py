"""Where a program stands that skitaid looks after, and what may happen to it there.

              start                ready
    STOPPED ─────────▶ STARTING ──────────▶ RUNNING
       ▲                ▲    │ crashed         │ crashed
       │                │    └──▶ RESTING ◀────┘
       │         rested └─────────┘    │ exhausted       misconfigured
       │                               ▼                 (from STARTING, RUNNING)
       │                            GIVEN UP                  REFUSED
       │ ended            stop
    STOPPING ◀───────────────── STARTING, RUNNING
       │  ▲
       ▼  │ start, restart / stop
    RESTARTING ── ended ──▶ STARTING

`TABLE` is all of it.  An event that a state has no entry for changes nothing: who is running is not started,
who is not there cannot crash.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["LIVE", "TABLE", "Event", "State"]


class State(enum.Enum):
    """The value is what `skitaid status` shows."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    #: It ended by itself and is started again when it has rested.
    RESTING = "resting"
    #: It ended so often that somebody has to look.
    GIVEN_UP = "given up"
    #: Its configuration has a mistake: until that has changed, another start would end the same way.
    REFUSED = "refused"
    STOPPING = "stopping"
    #: Told to end, to be started again.
    RESTARTING = "restarting"


class Event(enum.Enum):
    #: By operators, and by files that come and go.
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    #: By the program.
    READY = "ready"
    #: Its process has ended: on purpose, by somebody who told it so,
    LEFT = "left"
    CRASHED = "crashed"
    #: the last time that we would have started it again,
    EXHAUSTED = "exhausted"
    #: with the exit code that means a mistake in its configuration.
    MISCONFIGURED = "misconfigured"
    #: By the clock.
    RESTED = "rested"


_ENDS = (Event.LEFT, Event.CRASHED, Event.EXHAUSTED, Event.MISCONFIGURED)

_ENDED_BY_ITSELF = {
    Event.LEFT: State.STOPPED,
    Event.CRASHED: State.RESTING,
    Event.EXHAUSTED: State.GIVEN_UP,
    Event.MISCONFIGURED: State.REFUSED,
}
_STARTABLE = {Event.START: State.STARTING, Event.RESTART: State.STARTING}
_STOPPABLE = {Event.STOP: State.STOPPING, Event.RESTART: State.RESTARTING}

TABLE: Mapping[State, Mapping[Event, State]] = MappingProxyType(
    {
        State.STOPPED: _STARTABLE,
        State.STARTING: {**_STOPPABLE, Event.READY: State.RUNNING, **_ENDED_BY_ITSELF},
        State.RUNNING: {**_STOPPABLE, **_ENDED_BY_ITSELF},
        State.RESTING: {**_STARTABLE, Event.STOP: State.STOPPED, Event.RESTED: State.STARTING},
        State.GIVEN_UP: {**_STARTABLE, Event.STOP: State.STOPPED},
        State.REFUSED: {**_STARTABLE, Event.STOP: State.STOPPED},
        State.STOPPING: {
            Event.START: State.RESTARTING,
            Event.RESTART: State.RESTARTING,
            **dict.fromkeys(_ENDS, State.STOPPED),
        },
        State.RESTARTING: {Event.STOP: State.STOPPING, **dict.fromkeys(_ENDS, State.STARTING)},
    }
)

#: A process of it is there.
LIVE = frozenset({State.STARTING, State.RUNNING, State.STOPPING, State.RESTARTING})
