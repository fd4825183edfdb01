"""The order of things on a connection, as two small state machines.

A connection has two sides, and each side is always in one state::

    requester   IDLE ─head─> SEND_BODY ─end─> DONE ─cycle─> IDLE …
    responder   IDLE ─request─> SEND_RESPONSE ─head─> SEND_BODY ─end─> DONE ─cycle─> IDLE …
                                └─ interim ─┘

The two run side by side and not in turn: a response may be over before its request
is, and a refusal may be sent before there is a request at all (408).  They meet at three
points only: the request's head moves the responder to SEND_RESPONSE, the cycle
begins anew when both are DONE, and a switch (101, or 2xx to CONNECT) takes both out of HTTP
for good, also a requester that would have had to close.  A side that may not be used again
goes from DONE to MUST_CLOSE.

``table[state][step]`` is the state after ``step``, and the only way from one state to another; what
is not in the table raises ``LocalProtocolError``.  It is an error of our own side, because the
peer's bytes are read by the reader that fits its state and cannot come out of order.  ERROR may be
reached from everywhere and never left.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from skitai.errors import LocalProtocolError

__all__ = [
    "CLOSE",
    "CLOSED",
    "CYCLE",
    "DATA",
    "DONE",
    "END",
    "END_LAST",
    "ERROR",
    "HEAD",
    "IDLE",
    "INTERIM",
    "LAST",
    "MUST_CLOSE",
    "REQUEST",
    "REQUESTER",
    "RESPONDER",
    "SEND_BODY",
    "SEND_RESPONSE",
    "SWITCH",
    "SWITCHED",
    "State",
    "Step",
    "Table",
]


class State(Enum):
    IDLE = "idle"
    SEND_RESPONSE = "send response"
    SEND_BODY = "send body"
    DONE = "done"
    MUST_CLOSE = "must close"
    CLOSED = "closed"
    SWITCHED = "switched"
    ERROR = "error"

    # Members are compared by identity; Enum's own __hash__ is a Python call until 3.12.
    __hash__ = object.__hash__


class Step(Enum):
    REQUEST = "answer a request"
    INTERIM = "send an interim response"
    HEAD = "send a head"
    DATA = "send data"
    END = "end the message"
    END_LAST = "end the last message"
    LAST = "end the use of the connection"
    CYCLE = "start the next cycle"
    SWITCH = "switch protocols"
    CLOSE = "close"

    __hash__ = object.__hash__


# Every member by its own name: as an attribute of its class it takes 0.1 us before Python 3.12 (0.02
# so), and a request needs dozens.
IDLE: Final = State.IDLE
SEND_RESPONSE: Final = State.SEND_RESPONSE
SEND_BODY: Final = State.SEND_BODY
DONE: Final = State.DONE
MUST_CLOSE: Final = State.MUST_CLOSE
CLOSED: Final = State.CLOSED
SWITCHED: Final = State.SWITCHED
ERROR: Final = State.ERROR

REQUEST: Final = Step.REQUEST
INTERIM: Final = Step.INTERIM
HEAD: Final = Step.HEAD
DATA: Final = Step.DATA
END: Final = Step.END
END_LAST: Final = Step.END_LAST
LAST: Final = Step.LAST
CYCLE: Final = Step.CYCLE
SWITCH: Final = Step.SWITCH
CLOSE: Final = Step.CLOSE

Table = Mapping[State, Mapping[Step, State]]


class _Steps(dict[Step, State]):
    """Where the steps from one state lead.  Half a dozen are taken for each message: a dictionary
    that refuses by itself saves a function call for each."""

    __slots__ = ("_state",)

    def __init__(self, state: State, steps: Mapping[Step, State]) -> None:
        super().__init__(steps)
        self._state = state

    def __missing__(self, step: Step) -> State:
        raise LocalProtocolError(f"our side cannot {step.value} now: its state is {self._state.name}")


def _table(states: Mapping[State, Mapping[Step, State]]) -> Table:
    return {state: _Steps(state, steps) for state, steps in states.items()}


_BODY = {DATA: SEND_BODY, END: DONE, END_LAST: MUST_CLOSE}
_AFTER: dict[State, dict[Step, State]] = {
    MUST_CLOSE: {},
    CLOSED: {},
    SWITCHED: {},
    ERROR: {},
}

REQUESTER = _table(
    {
        IDLE: {HEAD: SEND_BODY, CLOSE: CLOSED},
        SEND_BODY: _BODY,
        DONE: {
            CYCLE: IDLE,
            LAST: MUST_CLOSE,
            SWITCH: SWITCHED,
        },
        **_AFTER,
        MUST_CLOSE: {SWITCH: SWITCHED},
    }
)

RESPONDER = _table(
    {
        IDLE: {
            REQUEST: SEND_RESPONSE,
            HEAD: SEND_BODY,
            CLOSE: CLOSED,
        },
        SEND_RESPONSE: {
            INTERIM: SEND_RESPONSE,
            HEAD: SEND_BODY,
            SWITCH: SWITCHED,
        },
        SEND_BODY: _BODY,
        DONE: {CYCLE: IDLE, LAST: MUST_CLOSE},
        **_AFTER,
    }
)
