"""What a connection tells its owner: heads, pieces of body, ends, and two signals.

Events are plain values; they hold no reference to the connection that made them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal

__all__ = [
    "NEED_DATA",
    "PAUSED",
    "ConnectionClosed",
    "Data",
    "EndOfMessage",
    "Event",
    "Headers",
    "RequestHead",
    "ResponseHead",
    "Signal",
]

Headers = list[tuple[str, str]]


class _Fields:
    """Look-ups in ``headers`` for both kinds of head."""

    __slots__ = ()
    headers: Headers

    def get_all(self, name: str) -> list[str]:
        """The values of every field called ``name`` (any case), in the order they were sent."""
        name = name.lower()
        return [value for key, value in self.headers if key.lower() == name]

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of ``name``; repeated fields are joined as RFC 9110 section 5.3 allows.

        With ``", "``; ``Cookie`` with ``"; "`` (RFC 6265 section 5.4).
        """
        values = self.get_all(name)
        if not values:
            return default
        return ("; " if name.lower() == "cookie" else ", ").join(values)


@dataclass(slots=True)
class RequestHead(_Fields):
    """The head of a request, checked against RFC 9112 sections 3 to 6."""

    method: str
    """A token, its case kept."""
    target: str
    """The request-target as sent."""
    http_version: str
    """``"1.0"`` or ``"1.1"``; 1.2 to 1.9 count as 1.1 (RFC 9110 section 2.5)."""
    headers: Headers
    """Names in the case sent, values latin-1 without the white space around them."""
    form: str
    """``"origin"``, ``"absolute"``, ``"authority"`` or ``"asterisk"`` (RFC 9112 section 3.2)."""
    scheme: str
    """Of an absolute-form target, lower case; else empty."""
    host: str
    """The effective authority, lower case, with the port as sent; empty if there is none."""
    path: str
    """The raw path, still percent-encoded; empty in authority-form, ``*`` in asterisk-form."""
    query: str
    """The raw query without its question mark."""
    content_length: int | None
    """What Content-Length said in bytes, ``None`` if it was not sent."""
    chunked: bool
    keep_alive: bool
    """The peer lets the connection persist (RFC 9112 section 9.3)."""
    expect_continue: bool
    """The client waits for 100 (Continue) before it sends the body."""

    @property
    def has_body(self) -> bool:
        """Body bytes follow the head."""
        return self.chunked or bool(self.content_length)


@dataclass(slots=True)
class ResponseHead(_Fields):
    """The head of a response, interim ones (1xx) included."""

    status: int
    reason: str
    """The phrase as sent, possibly empty."""
    http_version: str
    headers: Headers
    content_length: int | None
    """What Content-Length said, ``None`` if it was not sent; a HEAD's answer has no body for it."""
    chunked: bool
    keep_alive: bool
    """The server lets the connection persist, and the framing allows it."""

    @property
    def is_informational(self) -> bool:
        """A 1xx response: the final one is still to come."""
        return self.status < 200


@dataclass(slots=True)
class Data:
    """A piece of body, never empty, its transfer coding removed.  The pieces' borders mean nothing."""

    data: bytes


@dataclass(slots=True)
class EndOfMessage:
    """The message is complete."""

    trailers: Headers = field(default_factory=list)


@dataclass(slots=True)
class ConnectionClosed:
    """The peer ended its side between two messages."""


class Signal(Enum):
    """Answers of ``next_event`` that are not events."""

    NEED_DATA = "need data"
    """Nothing complete is buffered: call ``receive_data``."""
    PAUSED = "paused"
    """The message is over; what is buffered waits for ``start_next_cycle`` (or was switched away)."""


NEED_DATA: Final = Signal.NEED_DATA
PAUSED: Final = Signal.PAUSED

Event = (
    RequestHead
    | ResponseHead
    | Data
    | EndOfMessage
    | ConnectionClosed
    | Literal[Signal.NEED_DATA, Signal.PAUSED]
)
