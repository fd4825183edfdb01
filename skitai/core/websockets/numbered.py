"""What clients of a room get that want to know the number of each message (subprotocol ``skitai.room``).

    text      17:what was said        :what was said to this one alone
    binary    8 bytes, the number (0: to this one alone), then the message
    !{...}    the room itself speaks, JSON

A client that comes back says how far it got: ``?skitai-last=epoch-17``.  The helper for browsers is
`skitai/websocket/room.js`.  Pure functions.
"""

from __future__ import annotations

import json
import re
import struct
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

from skitai.core.websockets.handles import Message

__all__ = ["PROTOCOL", "Mark", "mark_in", "numbered", "pack", "speech", "unpack"]

PROTOCOL: Final = "skitai.room"
_ARGUMENT: Final = "skitai-last"
_MARK = re.compile(r"([0-9a-f]{1,32})-([0-9]{1,18})")
_NUMBER = struct.Struct("!Q")
_TEXT, _BINARY = b"t", b"b"


class Mark(NamedTuple):
    """How far a client has got."""

    epoch: str
    number: int


def mark_in(environ: dict[str, Any]) -> Mark | None:
    """None: it says nothing of that kind."""
    said = parse_qs(environ.get("QUERY_STRING", "")).get(_ARGUMENT, [""])[0]
    match = _MARK.fullmatch(said)
    return None if match is None else Mark(match[1], int(match[2]))


def numbered(message: Message, number: int) -> Message:
    if isinstance(message, str):
        return f"{number or ''}:{message}"
    return _NUMBER.pack(number) + message


def speech(state: str, **more: Any) -> str:
    """What the room itself says."""
    return "!" + json.dumps({"state": state, **more})


def pack(message: Message) -> bytes:
    """For the bus."""
    return _TEXT + message.encode() if isinstance(message, str) else _BINARY + message


def unpack(payload: bytes) -> Message:
    return payload[1:].decode() if payload[:1] == _TEXT else payload[1:]
