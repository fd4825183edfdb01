"""Tables that every layer and both builds share."""

from __future__ import annotations

from http import HTTPStatus

__all__ = [
    "NO_BODY_STATUSES",
    "REASON_PHRASES",
    "SERVER_SOFTWARE",
    "VERSION",
    "WEBSOCKET_DEDICATE",
    "WEBSOCKET_MULTICAST",
    "WEBSOCKET_REQDATA",
    "reason_phrase",
]

VERSION = "1.0.0.dev0"

#: How an application wants its WebSockets (`skitai.core.websockets.designs`), numbered as in Skitai 0.11.
WEBSOCKET_REQDATA = 1
WEBSOCKET_DEDICATE = 2
WEBSOCKET_MULTICAST = 3

#: ``Server`` field and ``SERVER_SOFTWARE``: without a version, which helps only attackers.
SERVER_SOFTWARE = "Skitai"

#: RFC 9110 section 15, as the standard library keeps it.  The phrase of 413 is RFC 9110's
#: "Content Too Large" on every Python version.
REASON_PHRASES: dict[int, str] = {status.value: status.phrase for status in HTTPStatus}
REASON_PHRASES[413] = "Content Too Large"
REASON_PHRASES[414] = "URI Too Long"
REASON_PHRASES[416] = "Range Not Satisfiable"
REASON_PHRASES[422] = "Unprocessable Content"

#: Responses that never have a body (RFC 9110 section 6.4.1); 1xx besides.
NO_BODY_STATUSES = frozenset({204, 304})


def reason_phrase(status: int) -> str:
    """The standard phrase of ``status``, or "Unknown" (RFC 9112 section 4 lets it be empty)."""
    return REASON_PHRASES.get(status, "Unknown")
