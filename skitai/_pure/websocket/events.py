"""What a WebSocket connection tells its owner.

A message is itself: a str for text, bytes for binary.  All else is one of these values; they hold
no reference to the connection that made them.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Close", "Event", "Fault", "Ping", "Pong"]


@dataclass(slots=True)
class Ping:
    """To be answered with `Connection.send_pong` of the same bytes (RFC 6455 section 5.5.2)."""

    payload: bytes


@dataclass(slots=True)
class Pong:
    """The answer to a ping of ours, or one that nobody asked for (section 5.5.3)."""

    payload: bytes


@dataclass(slots=True)
class Close:
    """The peer says nothing more; to be answered with `Connection.answer_close`, if we have not said so."""

    code: int
    """1005 where it gave none (section 7.1.5)."""
    reason: str


@dataclass(slots=True)
class Fault:
    """The peer broke the protocol or a limit, and nothing more is read: send a close with ``code``, and end
    the connection (section 7.1.7)."""

    code: int
    reason: str
    """Whose fault, what, and where there is one the rule; short enough to be sent."""


Event = str | bytes | Ping | Pong | Close | Fault
