"""Where a WebSocket stands, and whom it deals with: the receiver of its messages, the owner of its table.

OPEN ──our close──▶ CLOSING ──their close──▶ PARTING ──all is sent, and taken──▶ CLOSED
  └───────────their close, a fault──────────▶┘
  └────────────── broken, cut: from anywhere ──────────────────────────────────▶ CLOSED
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Final, Protocol

from skitai._pure.engine.loop import EventLoop
from skitai.limits import Limits

__all__ = [
    "CLOSED",
    "CLOSING",
    "MOVES",
    "OPEN",
    "PARTING",
    "Phase",
    "Receiver",
    "WebSocketOwner",
    "WebSocketTotals",
]


class Phase(enum.Enum):
    OPEN = enum.auto()
    CLOSING = enum.auto()
    PARTING = enum.auto()
    CLOSED = enum.auto()

    __hash__ = object.__hash__  # members are singletons; Enum's own is a Python call until 3.12


# By their own names: see `skitai._pure.http1.states`.
OPEN: Final = Phase.OPEN
CLOSING: Final = Phase.CLOSING
PARTING: Final = Phase.PARTING
CLOSED: Final = Phase.CLOSED

MOVES: dict[Phase, frozenset[Phase]] = {
    OPEN: frozenset({CLOSING, PARTING, CLOSED}),
    CLOSING: frozenset({PARTING, CLOSED}),
    PARTING: frozenset({CLOSED}),
    CLOSED: frozenset(),
}


class Receiver(Protocol):
    """Whom messages are for.  All methods are called in the loop thread and must be quick; whoever may not be
    gives the message to a thread, and lets the next ones wait."""

    def opened(self, websocket: Any) -> None:
        """The first call: ``websocket`` (a `WebSocket`) may be sent to from here on."""

    def message(self, message: str | bytes) -> bool:
        """str is text.  False: no more until `WebSocket.resume`."""

    def closed(self, code: int, reason: str) -> None:
        """The last call, once: what the peer said, or 1006 where the connection ended without a close; where
        the peer broke the protocol, what it was told."""


class Counted(Protocol):
    """A `WebSocket`, or the totals of many."""

    received: int
    refused: int
    sent: int


class WebSocketTotals:
    """Of those that are no more, and of those that are open."""

    __slots__ = ("open", "opened", "received", "refused", "sent")

    def __init__(self) -> None:
        self.opened = self.open = 0
        #: Messages; and such as were refused, for the queue was full.
        self.received = self.sent = self.refused = 0

    def add(self, counted: Counted) -> None:
        self.received += counted.received
        self.sent += counted.sent
        self.refused += counted.refused


class WebSocketOwner(Protocol):
    """In whose tables a WebSocket stands, which calls `WebSocket.expire` behind its deadline."""

    #: The process goes, for another to take its place.
    gently: bool
    limits: Limits
    loop: EventLoop
    report: Callable[[str], None]
    scratch: memoryview
    websockets: WebSocketTotals

    def forget(self, connection: Any) -> None: ...
    def limited(self, limit: str, text: str) -> None: ...
