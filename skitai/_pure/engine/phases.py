"""Where a connection stands, and which clock runs there.

    IDLE       no byte of a request      keep_alive (header_timeout before the first)
    HEAD       part of a head            header_timeout, then 408
    BODY       part of a body            body_rate_min, then 408
    ANSWERING  the service has it        response_timeout until the head, then 503;
                                         send_stall_timeout while bytes wait
    LINGER     our side is closed        linger_idle, linger_timeout
    CLOSED

A response may begin, and be over, while the phase is still BODY: an early refusal.  The phase
belongs to the loop thread; how far the response is says `exchange.Progress`.
"""

from __future__ import annotations

import enum
from typing import Final

__all__ = ["ANSWERING", "BODY", "CLOSED", "HEAD", "IDLE", "LINGER", "MOVES", "READING", "Phase"]


class Phase(enum.Enum):
    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    ANSWERING = enum.auto()
    LINGER = enum.auto()
    CLOSED = enum.auto()

    __hash__ = object.__hash__  # members are singletons; Enum's own is a Python call until 3.12


# By their own names: see `skitai._pure.http1.states`.
IDLE: Final = Phase.IDLE
HEAD: Final = Phase.HEAD
BODY: Final = Phase.BODY
ANSWERING: Final = Phase.ANSWERING
LINGER: Final = Phase.LINGER
CLOSED: Final = Phase.CLOSED

#: Phases in which what comes is given to the kernel.
READING = frozenset({IDLE, HEAD, BODY})

#: Where a connection may go from where.
MOVES: dict[Phase, frozenset[Phase]] = {
    IDLE: frozenset({HEAD, BODY, LINGER, CLOSED}),
    HEAD: frozenset({BODY, LINGER, CLOSED}),
    BODY: frozenset({IDLE, ANSWERING, LINGER, CLOSED}),
    ANSWERING: frozenset({IDLE, LINGER, CLOSED}),
    LINGER: frozenset({CLOSED}),
    CLOSED: frozenset(),
}
