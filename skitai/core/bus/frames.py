"""What processes and the hub say to each other, and its bytes.

    4 bytes      1 byte  2 bytes      8 bytes  the room's name  the rest
    length of    kind    length of    number                    payload
    what follows         the name

Both ends are of one version and of one user: a frame that is none is a mistake of ours, and raises.  Any
thread; a reader is of one thread at a time.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

__all__ = ["Bus", "Frame", "FrameReader", "Kind", "Listener", "Terms"]

_HEAD = struct.Struct("!IBHQ")
_LENGTH = 4


class Kind(enum.IntEnum):
    """Of a process: it has clients in a room, and no more; a message; a word aside.  Of the hub: the rest."""

    JOIN = 1
    PART = 2
    SAY = 3
    TELL = 4
    #: The answer to JOIN.  ``number``: of the newest message; ``payload``: see `Frame.opening`.
    OPENED = 5
    MESSAGE = 6
    #: Messages up to ``number`` are gone for this process.
    LOST = 7
    #: What process ``number`` has told the others of the room.
    TOLD = 8
    #: Something was told, and has not been heard.
    UNTOLD = 9
    #: Process ``number`` has no clients in the room any more, or has ended.
    GONE = 10


class Terms(NamedTuple):
    """How much of a room is kept: the newest ``most`` messages, for ``seconds``."""

    most: int = 0
    seconds: float = 0.0


class Frame:
    """Made once, and sent to many."""

    __slots__ = ("_encoded", "kind", "number", "payload", "room")

    def __init__(self, kind: Kind, room: str, number: int = 0, payload: bytes = b"") -> None:
        self.kind = kind
        self.room = room
        self.number = number
        self.payload = payload
        self._encoded = b""

    def __repr__(self) -> str:
        return f"<{self.kind.name} {self.room!r} {self.number} {len(self.payload)} bytes>"

    def encoded(self) -> bytes:
        if not self._encoded:
            # Names are paths, and these are any bytes (PEP 3333).
            name = self.room.encode("utf-8", "surrogateescape")
            length = _HEAD.size - _LENGTH + len(name) + len(self.payload)
            head = _HEAD.pack(length, self.kind, len(name), self.number)
            self._encoded = b"".join((head, name, self.payload))
        return self._encoded

    @classmethod
    def joining(cls, room: str, terms: Terms) -> Frame:
        return cls(Kind.JOIN, room, payload=b"%d %.3f" % terms)

    @property
    def terms(self) -> Terms:
        """Of JOIN."""
        most, seconds = self.payload.split()
        return Terms(int(most), float(seconds))

    @classmethod
    def opened(cls, room: str, number: int, epoch: str, floor: int) -> Frame:
        return cls(Kind.OPENED, room, number, f"{epoch} {floor}".encode())

    @property
    def opening(self) -> tuple[str, int]:
        """Of OPENED: which numbering it is, and the number behind which all messages follow this frame."""
        epoch, floor = self.payload.decode().split()
        return epoch, int(floor)


class FrameReader:
    """Puts received bytes together."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, data: bytes) -> Iterator[Frame]:
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _HEAD.size:
            length, kind, name_size, number = _HEAD.unpack_from(buffer, start)
            end = start + _LENGTH + length
            if len(buffer) < end:
                break
            name_end = start + _HEAD.size + name_size
            name = buffer[start + _HEAD.size : name_end].decode("utf-8", "surrogateescape")
            yield Frame(Kind(kind), name, number, bytes(memoryview(buffer)[name_end:end]))
            start = end
        del buffer[:start]


class Listener(Protocol):
    """Who hears what the bus says to this process.  One thread at a time; must neither wait nor raise."""

    def hear(self, frame: Frame) -> None: ...

    def bus_is(self, there: bool) -> None:
        """It is gone, or back; what is said while it is gone reaches nobody.  When it is back each room is
        opened anew."""


class Bus(Protocol):
    """As a process has it; any thread."""

    def join(self, room: str, terms: Terms) -> None:
        """From here on the listener hears of the room; the first is OPENED."""

    def part(self, room: str) -> None: ...

    def say(self, room: str, payload: bytes) -> bool:
        """To everybody in the room, us included.  False: the bus is gone.  Raises SendQueueFull: it is not
        as fast as we are."""

    def tell(self, room: str, payload: bytes, *, is_bound: bool = False) -> None:
        """To the other processes that have the room: without a number, and kept for nobody.  ``is_bound``:
        as `say`; what is small, and once for each client, need not be."""

    def status(self) -> dict[str, Any]: ...
