"""The order of things on a WebSocket connection: three small state machines, each for itself.

What we send, and what the peer sends of its own accord (RFC 6455 sections 5.5.1 and 7.1.7)::

    OPEN ──close──▶ CLOSED          nothing follows a close frame
      └────fault──▶ FAILED          its bytes are not read any more

Where the reader is in the peer's bytes::

    HEAD ──of a data frame──▶ DATA ────its last byte──▶ HEAD
      └────of a control frame──▶ CONTROL ──its last byte──▶ HEAD

Which data frames may begin, by the message that is under way (section 5.4); control frames always may::

    BETWEEN ──text, binary──▶ WITHIN ──continuation──▶ WITHIN ──the last one──▶ BETWEEN
"""

from __future__ import annotations

import enum
from typing import Final

from skitai.errors import LocalProtocolError

__all__ = ["BETWEEN", "CONTROL", "DATA", "HEAD", "MAY_BEGIN", "WITHIN", "Opcode", "Place", "Side", "move"]


class Opcode(enum.IntEnum):
    """RFC 6455 section 5.2; all others are reserved."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class Side(enum.Enum):
    OPEN = "open"
    CLOSED = "closed"
    FAILED = "failed"

    __hash__ = object.__hash__  # members are singletons; Enum's own is a Python call until 3.12


class Place(enum.Enum):
    HEAD = "in a head"
    DATA = "in the payload of a data frame"
    CONTROL = "in the payload of a control frame"

    __hash__ = object.__hash__


class Message(enum.Enum):
    BETWEEN = "between two messages"
    WITHIN = "within a message"

    __hash__ = object.__hash__


# By their own names: see `skitai._pure.http1.states`.
HEAD: Final = Place.HEAD
DATA: Final = Place.DATA
CONTROL: Final = Place.CONTROL
BETWEEN: Final = Message.BETWEEN
WITHIN: Final = Message.WITHIN

MAY_BEGIN: dict[Message, frozenset[int]] = {
    BETWEEN: frozenset({Opcode.TEXT, Opcode.BINARY}),
    WITHIN: frozenset({Opcode.CONTINUATION}),
}

_MOVES: dict[Side, frozenset[Side]] = {
    Side.OPEN: frozenset({Side.CLOSED, Side.FAILED}),
    Side.CLOSED: frozenset(),
    Side.FAILED: frozenset(),
}


def move(side: Side, after: Side) -> Side:
    """``after``; raises LocalProtocolError where it cannot follow ``side``."""
    if after not in _MOVES[side]:
        raise LocalProtocolError(f"a side that is {side.value} cannot become {after.value}")
    return after
