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

``advance`` is the only way from one state to another; what is not in the table is an
error of our own side, because the peer's bytes are read by the reader that fits its state and
cannot come out of order.  ERROR may be reached from everywhere and never left.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from skitai.errors import LocalProtocolError

__all__ = ["REQUESTER", "RESPONDER", "State", "Step", "Table", "advance"]


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


Table = Mapping[State, Mapping[Step, State]]

_BODY = {Step.DATA: State.SEND_BODY, Step.END: State.DONE, Step.END_LAST: State.MUST_CLOSE}
_AFTER: dict[State, dict[Step, State]] = {
    State.MUST_CLOSE: {},
    State.CLOSED: {},
    State.SWITCHED: {},
    State.ERROR: {},
}

REQUESTER: Table = {
    State.IDLE: {Step.HEAD: State.SEND_BODY, Step.CLOSE: State.CLOSED},
    State.SEND_BODY: _BODY,
    State.DONE: {
        Step.CYCLE: State.IDLE,
        Step.LAST: State.MUST_CLOSE,
        Step.SWITCH: State.SWITCHED,
    },
    **_AFTER,
    State.MUST_CLOSE: {Step.SWITCH: State.SWITCHED},
}

RESPONDER: Table = {
    State.IDLE: {
        Step.REQUEST: State.SEND_RESPONSE,
        Step.HEAD: State.SEND_BODY,
        Step.CLOSE: State.CLOSED,
    },
    State.SEND_RESPONSE: {
        Step.INTERIM: State.SEND_RESPONSE,
        Step.HEAD: State.SEND_BODY,
        Step.SWITCH: State.SWITCHED,
    },
    State.SEND_BODY: _BODY,
    State.DONE: {Step.CYCLE: State.IDLE, Step.LAST: State.MUST_CLOSE},
    **_AFTER,
}


def advance(table: Table, state: State, step: Step) -> State:
    """The state after ``step``; raises ``LocalProtocolError`` if ``step`` is not allowed now."""
    after = table[state].get(step)
    if after is None:
        raise LocalProtocolError(f"our side cannot {step.value} now: its state is {state.name}")
    return after
