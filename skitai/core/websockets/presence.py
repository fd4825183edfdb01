"""Who is in a room elsewhere: what processes tell each other of their clients.

    "?"            say who is there
    "=" JSON       these are, and no others of ours: addresses by client id
    "+" JSON       and these
    "-" id         this one no more
    ">" id ...     a message for that client

Whatever a process has told is forgotten when it parts, or ends (`Kind.GONE`).  The lock of the room.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

__all__ = ["ASK", "Elsewhere", "addressed", "arrival", "departure", "snapshot", "unaddressed"]

ASK = b"?"
_ID = struct.Struct("!Q")


def snapshot(clients: Mapping[int, str]) -> bytes:
    return b"=" + json.dumps(clients).encode()


def arrival(number: int, address: str) -> bytes:
    return b"+" + json.dumps({number: address}).encode()


def departure(number: int) -> bytes:
    return b"-%d" % number


def addressed(number: int, packed: bytes) -> bytes:
    return b">" + _ID.pack(number) + packed


def unaddressed(payload: bytes) -> tuple[int, bytes]:
    (number,) = _ID.unpack_from(payload, 1)
    return number, payload[1 + _ID.size :]


class Elsewhere:
    """Clients of other processes."""

    def __init__(self) -> None:
        self._clients: dict[int, dict[int, str]] = {}

    def hear(self, origin: int, payload: bytes) -> None:
        """What the process ``origin`` has told of its own."""
        kind, said = payload[:1], payload[1:]
        theirs = self._clients.setdefault(origin, {})
        if kind == b"-":
            theirs.pop(int(said), None)
            return
        if kind == b"=":
            theirs.clear()
        theirs.update((int(number), address) for number, address in json.loads(said).items())

    def forget(self, origin: int) -> None:
        self._clients.pop(origin, None)

    def clear(self) -> None:
        self._clients.clear()

    def clients(self) -> dict[int, str]:
        return {number: address for theirs in self._clients.values() for number, address in theirs.items()}
