"""What ``was.ws`` does: a message to a server's WebSocket, and the next message from there as the answer.

    was.ws("ws://host/path", message)           one server; of a cluster, ``@name/path``, one member
    was.ws.lb("@name/path", message)            the member that is likely to answer first
    was.ws.map("@name/path", message)           all of them
    was.ws.connect("ws://host/path")            a WebSocket of one's own

The handshake is an HTTP request, so it is described as one (`build`).  What the calls of one connection have
in common is all there: hence a deadline or a trace of our own request is not told, other than by was.get.

The caller's thread.  Loaded with the first call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

from skitai.core.outbound.request import Request
from skitai.was._asker import asker
from skitai.was._asking import of_cluster
from skitai.was._call import Call, MapCall, Timing
from skitai.was._callers import seconds_of
from skitai.was._credentials import basic
from skitai.was._encoding import build
from skitai.was._followups import FollowUp
from skitai.was._provider import reach
from skitai.was._wsconversation import Connection, Line
from skitai.was._wsresult import MessageResult

__all__ = ["ask", "ask_all", "connect", "handshake", "of_cluster"]

_FOREVER: Final = float("inf")
_ADDRESS: Final = re.compile(r"\s*(?:(ws|wss)://|@)", re.IGNORECASE)
_PLAIN: Final = {"ws": "http", "wss": "https"}
#: Of a handshake, besides the address and how long it may take.
_ARGUMENTS: Final = frozenset(
    {"params", "headers", "auth", "cookies", "verify", "cafile", "certfile", "keyfile", "server_name"}
)
_OF_CALLS: Final = frozenset({"timeout", "connect_timeout", "detach"})
#: What the handshake itself says (RFC 6455 section 4.1).
_DECIDED: Final = frozenset({"connection", "upgrade"})
_OWN: Final = "sec-websocket-"


def ask(uri: str, message: str | bytes, options: dict[str, Any]) -> Call:
    """``options``: `_ARGUMENTS` as `build` takes them, and `_OF_CALLS`.

    Raises what `build` does, and ValueError for a cluster that there is not."""
    by = reach()
    prepared = _Prepared(uri, options)
    prepared.request.message = _sendable(message)
    return Call(by.way_to(prepared.request), prepared.request, MessageResult, prepared.timing, prepared.group)


def ask_all(uri: str, message: str | bytes, options: dict[str, Any]) -> MapCall:
    """All members of the cluster that ``uri`` names."""
    by = reach()
    prepared = _Prepared(uri, options)
    prepared.request.message = _sendable(message)
    cluster = by.cluster_of(prepared.request)
    return MapCall(cluster.begin_all, prepared.request, MessageResult, prepared.timing, prepared.group)


def connect(uri: str, options: dict[str, Any]) -> Connection:
    """``options`` as for `ask`; times are those of the opening.

    Raises what `build` does, and ValueError for a cluster."""
    prepared = _Prepared(uri, options)
    if prepared.request.origin.host.startswith("@"):
        raise ValueError(
            f"was.ws.connect takes the address of one server, as ws://host/path, not {_shown(uri)}"
        )
    line = Line(prepared.group)
    line.begin(prepared.request, reach().converse)
    return Connection(line)


class _Prepared:
    """A handshake, and what it has of the request that is being answered here."""

    __slots__ = ("group", "request", "timing")

    def __init__(self, uri: str, options: dict[str, Any]) -> None:
        limits = reach().limits
        is_timed = options.get("timeout") is not None
        seconds = seconds_of(options, "timeout", limits.call_timeout)
        connect_timeout = seconds_of(options, "connect_timeout", limits.call_connect_timeout)
        detach = options.pop("detach", False)
        self.request = request = handshake(uri, **options)
        now = monotonic()
        request.connect_timeout = connect_timeout
        request.deadline = now + seconds
        latest = request.deadline if is_timed else _FOREVER
        who = None if detach else asker(limits.call_timeout, now)
        self.group = None if who is None else who.group
        if who is not None:
            latest = min(latest, who.deadline)
            request.deadline = min(request.deadline, who.deadline)
        self.timing = Timing(seconds, latest)


def handshake(uri: str, **options: Any) -> Request:
    """Raises TypeError, ValueError: an argument that cannot be sent."""
    if not _ARGUMENTS.issuperset(options):
        unknown = ", ".join(repr(name) for name in options if name not in _ARGUMENTS)
        known = ", ".join(sorted(_ARGUMENTS | _OF_CALLS))
        raise TypeError(f"was.ws has no argument {unknown}; it has {known}")
    fields = _fields(options.pop("headers", None))
    request = build("get", _plain(uri), headers=fields, **options)
    request.repeatable = False
    if isinstance(request.after, FollowUp):
        request.headers.append(("Authorization", _authorization(request.after)))
        request.after = None
    return request


def _plain(uri: str) -> str:
    """The address of the handshake."""
    match = _ADDRESS.match(uri)
    if match is None:
        raise ValueError(f"was.ws asks ws://host/path, wss://host/path or @cluster/path, not {_shown(uri)}")
    return uri if match[1] is None else f"{_PLAIN[match[1].lower()]}{uri[match.end(1) :]}"


def _shown(uri: str) -> str:
    # Nobody's password shall be in a log.
    return re.sub(r"//[^/@]*@", "//…@", repr(uri[:80]))


def _fields(headers: Any) -> list[tuple[str, Any]]:
    fields = list(headers.items() if isinstance(headers, Mapping) else headers or ())
    for field in fields:
        name = str(field[0]).lower()
        if name in _DECIDED or name.startswith(_OWN):
            raise ValueError(f"the header {field[0]} belongs to the handshake, which says it by itself")
    # What a 101 has no use for.
    return [("Accept", None), ("Accept-Encoding", None), *fields]


def _authorization(wanted: FollowUp) -> str:
    credentials = wanted.credentials
    if credentials is None:
        raise TypeError("cookies of a WebSocket are a dict: its handshake keeps no CookieJar up to date")
    if credentials.scheme == "digest":
        raise ValueError("auth of a WebSocket is basic: digest answers a challenge, and there is none")
    return basic(credentials.user, credentials.password)


def _sendable(message: Any) -> str | bytes:
    if isinstance(message, str):
        if not message.isascii():
            message.encode()  # half a surrogate pair is an error of this line
        return message
    if isinstance(message, (bytes, bytearray, memoryview)):
        return bytes(message)
    raise TypeError(
        f"a message is str, which is sent as text, or bytes, not {type(message).__name__}: json.dumps(…)?"
    )
