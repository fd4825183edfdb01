"""A message as a call of the application, and what its answer means (``WEBSOCKET_REQDATA``); how a call that
has ended closes its connection, in every design.

Any thread; pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote_plus

from skitai.core.websockets.handles import Message

__all__ = ["NORMAL", "TOO_SLOW", "close_code", "environ_of", "message_of"]

#: Close codes: RFC 6455 section 7.4.1, and 1013 of the IANA registry.
NORMAL: Final = 1000
_REFUSED, _FAILED, _TRY_LATER = 1008, 1011, 1013
#: The client takes no messages: it breaks our policy.
TOO_SLOW: Final = 1008


def close_code(status: int) -> int:
    """What a connection is closed with when its call has ended with ``status``; 0: it broke off.  Between
    calls of one message each, `NORMAL` closes nothing."""
    if 200 <= status < 400:
        return NORMAL
    if status == 503:
        return _TRY_LATER
    return _REFUSED if 400 <= status < 500 else _FAILED


def environ_of(handshake: dict[str, Any], variable: str | None, message: Message) -> dict[str, Any]:
    """For the call that ``message`` makes: it is the argument ``variable``, behind those of the URL."""
    environ = dict(handshake)
    environ["skitai.websocket.message"] = message
    if variable is not None:
        query = environ.get("QUERY_STRING", "")
        environ["QUERY_STRING"] = f"{query}{'&' if query else ''}{variable}={quote_plus(message)}"
    return environ


def message_of(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> Message | None:
    """What is sent for an answer; None: nothing is."""
    if status == 204:
        return None
    for name, value in headers:
        if name.lower() == "content-type" and value.lower().startswith("application/octet-stream"):
            return body
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body  # no text, whatever its type says
