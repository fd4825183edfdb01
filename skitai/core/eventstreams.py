"""Streams of server-sent events (``text/event-stream``): they have no end of their own, and must not be cut.

When the server stops, or a successor serves, such a stream ends behind the event that is sent next, as if the
application had come to its end: a browser then asks again, by itself, and says which event it has got last.

Any thread; pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["ends_event", "is_event_stream"]

#: An empty line, however lines end.
_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")


def is_event_stream(headers: Iterable[tuple[str, str]]) -> bool:
    return any(
        name.lower() == "content-type" and value.lower().startswith("text/event-stream")
        for name, value in headers
    )


def ends_event(piece: bytes) -> bool:
    """Whether nothing of an event is left to come behind ``piece``."""
    return piece.endswith(_ENDS)
