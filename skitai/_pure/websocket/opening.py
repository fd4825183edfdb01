"""The opening handshake, both ends (RFC 6455 section 4).

Heads of HTTP come from the kernel next door, checked as all heads are; here is what makes them a handshake.
A server calls `accept` with the request and sends 101 with the fields that it gets; a client sends the fields
of `Asking` and gives the response to `Asking.read`.  What the other end got wrong is a RemoteProtocolError:
with the status to answer, or 502 where we asked.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skitai._lazy import LazyModule
from skitai._pure.http1 import Headers, RequestHead, ResponseHead
from skitai._pure.http1.framing import connection_options
from skitai._pure.http1.grammar import TOKEN
from skitai._pure.websocket.deflate import DEFLATE_BITS_MIN, Agreement
from skitai._pure.websocket.extensions import accept_offers, offer, parse_extensions, read_response
from skitai.errors import RemoteProtocolError

if TYPE_CHECKING:
    import hashlib
else:
    hashlib = LazyModule("hashlib")  # it loads OpenSSL's library, 3 MiB

__all__ = ["Asking", "Opened", "accept", "is_asked_for", "is_same_origin"]

_VERSION = "13"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: 16 bytes in base64: section 4.1, 7.
_KEY = re.compile("[A-Za-z0-9+/]{22}==")
_ORIGIN = re.compile(r"(https?)://([^/?#@]+)", re.IGNORECASE)
_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Opened:
    """What was agreed: the same at both ends.  ``fields`` are for the server's 101."""

    subprotocol: str | None
    deflate: Agreement | None
    fields: Headers


def is_asked_for(head: RequestHead) -> bool:
    """Whether ``head`` asks for a WebSocket; whether it does so properly is for `accept` to say."""
    return "websocket" in _options(head.get_all("upgrade"))


def is_same_origin(origin: str, scheme: str, host: str) -> bool:
    """Whether ``origin``, as a browser sends it (RFC 6454 section 7), is ``host``, as in Host, at ``scheme``
    (http or https).  "null" is nobody's."""
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        return False
    theirs, authority = match[1].lower(), match[2].lower()
    return theirs == scheme and authority.removesuffix(_PORTS[theirs]) == host.removesuffix(_PORTS[scheme])


def accept(head: RequestHead, subprotocols: Sequence[str] = (), deflate_window: int = 0) -> Opened:
    """The server's half.  ``subprotocols``: those that we speak; the client's order decides which.
    ``deflate_window``: bits of permessage-deflate, at least 9, or 0 for none.

    Raises RemoteProtocolError: 405, 400, or 426, which has to be answered with ``Sec-WebSocket-Version: 13``.
    """
    if head.method != "GET":
        raise _refused("A WebSocket is asked for by GET.", "4.2.1", status=405)
    if head.http_version == "1.0":
        raise _refused("A WebSocket needs HTTP/1.1.", "4.2.1")
    if head.has_body:
        raise _refused("The request for a WebSocket has a body.", "4.2.1")
    if not is_asked_for(head):
        raise _refused("Upgrade does not ask for websocket.", "4.2.1", status=426)
    if "upgrade" not in connection_options(head.get_all("connection")):
        raise _refused("Connection does not say Upgrade.", "4.2.1")
    if head.get_all("sec-websocket-version") != [_VERSION]:
        raise _refused("Sec-WebSocket-Version is not 13, once.", "4.2.2", status=426)
    keys = head.get_all("sec-websocket-key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise _refused("Sec-WebSocket-Key is not 16 bytes in base64, once.", "4.2.1")
    offered = _subprotocols(head.get_all("sec-websocket-protocol"))
    subprotocol = next((name for name in offered if name in subprotocols), None)
    extensions = parse_extensions(head.get_all("sec-websocket-extensions"))
    window = _window(deflate_window)
    accepted = accept_offers(extensions, window) if window else None
    fields = [("Upgrade", "websocket"), ("Sec-WebSocket-Accept", _answer_to(keys[0]))]
    if subprotocol is not None:
        fields.append(("Sec-WebSocket-Protocol", subprotocol))
    if accepted is not None:
        fields.append(("Sec-WebSocket-Extensions", accepted[1]))
    return Opened(subprotocol, accepted and accepted[0], fields)


class Asking:
    """The client's half, for one connection."""

    def __init__(self, subprotocols: Sequence[str] = (), deflate_window: int = 0) -> None:
        """``subprotocols``: those that we speak, the best one first; ``deflate_window`` as for `accept`."""
        for name in subprotocols:
            if not TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a subprotocol: RFC 6455 section 4.1 wants a token")
        self._subprotocols = subprotocols
        self._deflate_window = _window(deflate_window)
        self._key = base64.b64encode(os.urandom(16)).decode("ascii")

    @property
    def fields(self) -> Headers:
        """For the request, which is a GET with Host."""
        fields = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", self._key),
            ("Sec-WebSocket-Version", _VERSION),
        ]
        if self._subprotocols:
            fields.append(("Sec-WebSocket-Protocol", ", ".join(self._subprotocols)))
        if self._deflate_window:
            fields.append(("Sec-WebSocket-Extensions", offer(self._deflate_window)))
        return fields

    def read(self, head: ResponseHead) -> Opened:
        """What the server has agreed to; raises RemoteProtocolError."""
        if head.status != 101:
            raise _failed(f"the server answered {head.status} and opened no WebSocket", "4.1")
        if _options(head.get_all("upgrade")) != ["websocket"]:
            raise _failed("Upgrade of the response is not websocket", "4.1")
        if "upgrade" not in connection_options(head.get_all("connection")):
            raise _failed("Connection of the response does not say Upgrade", "4.1")
        if head.get_all("sec-websocket-accept") != [_answer_to(self._key)]:
            raise _failed("Sec-WebSocket-Accept does not answer our key", "4.1")
        chosen = head.get_all("sec-websocket-protocol")
        if chosen and (len(chosen) > 1 or chosen[0] not in self._subprotocols):
            raise _failed("the server chose a subprotocol that was not offered", "4.1")
        extensions = parse_extensions(head.get_all("sec-websocket-extensions"))
        agreement = read_response(extensions, self._deflate_window)
        return Opened(chosen[0] if chosen else None, agreement, [])


def _window(bits: int) -> int:
    """What zlib can write, or 0."""
    return max(bits, DEFLATE_BITS_MIN) if bits else 0


def _answer_to(key: str) -> str:
    # SHA-1 proves that a WebSocket server answers, and nothing else (section 10.8).
    digest = hashlib.sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def _options(values: list[str]) -> list[str]:
    return [item.strip(" \t").lower() for value in values for item in value.split(",")]


def _subprotocols(values: list[str]) -> list[str]:
    names = [item.strip(" \t") for value in values for item in value.split(",")]
    if len(set(names)) != len(names) or not all(TOKEN.fullmatch(name) for name in names):
        raise _refused("Sec-WebSocket-Protocol is not a list of different names.", "4.1")
    return names


def _refused(text: str, section: str, *, status: int = 400) -> RemoteProtocolError:
    return RemoteProtocolError(text, status=status, rule=f"RFC 6455 section {section}")


def _failed(text: str, section: str) -> RemoteProtocolError:
    return RemoteProtocolError(text, status=502, rule=f"RFC 6455 section {section}")
