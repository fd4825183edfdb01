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

__all__ = ["READING", "Phase", "check_move"]


class Phase(enum.Enum):
    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    ANSWERING = enum.auto()
    LINGER = enum.auto()
    CLOSED = enum.auto()

    __hash__ = object.__hash__  # members are singletons; Enum's own is a Python call until 3.12


#: Phases in which what comes is given to the kernel.
READING = frozenset({Phase.IDLE, Phase.HEAD, Phase.BODY})

_MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.IDLE: frozenset({Phase.HEAD, Phase.BODY, Phase.LINGER, Phase.CLOSED}),
    Phase.HEAD: frozenset({Phase.BODY, Phase.LINGER, Phase.CLOSED}),
    Phase.BODY: frozenset({Phase.IDLE, Phase.ANSWERING, Phase.LINGER, Phase.CLOSED}),
    Phase.ANSWERING: frozenset({Phase.IDLE, Phase.LINGER, Phase.CLOSED}),
    Phase.LINGER: frozenset({Phase.CLOSED}),
    Phase.CLOSED: frozenset(),
}


def check_move(phase: Phase, following: Phase) -> None:
    """Raises RuntimeError for a move that is not in the table: a defect of the connection."""
    if following not in _MOVES[phase]:
        raise RuntimeError(f"a connection may not go from {phase.name} to {following.name}")
