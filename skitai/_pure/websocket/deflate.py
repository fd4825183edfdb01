"""permessage-deflate (RFC 7692): messages of a connection, compressed one by one.

What a side remembers of earlier messages is its window, of ``window_bits``; ``takeover`` says whether it
does at all.  zlib's memory for it is made with the first compressed message, so a connection without one
has none: a `Deflater` then takes about 2^(bits + 2) + 2^(bits + 2) bytes, an `Inflater` 2^bits and 7 KiB.

An inflated message is bounded while it grows: zlib is never given more room than is left, plus one byte that
tells of more.  So what a few bytes would become does not matter (a "bomb").

A deflater belongs to the sending side, an inflater to the reading one.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

from skitai._pure.websocket.closing import CloseCode
from skitai.errors import FrameError

__all__ = ["DEFLATE_BITS_MIN", "Agreement", "Deflater", "Inflater", "unreadable"]

#: What ends a message that was flushed, and is not sent (section 7.2.1).
_TAIL = b"\x00\x00\xff\xff"
#: zlib's default, about: half the time of the best one.
_LEVEL = 5
#: The smallest window that zlib can write (it reads 8).
DEFLATE_BITS_MIN = 9
_MEMORY_LEVEL_MAX = 8


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both ends have agreed upon (section 7.1)."""

    server_takeover: bool = True
    client_takeover: bool = True
    server_window_bits: int = 15
    client_window_bits: int = 15

    def deflater(self, *, is_client: bool) -> Deflater | None:
        """For our side; None where the window is smaller than zlib can write: then we do not compress."""
        bits = self.client_window_bits if is_client else self.server_window_bits
        takeover = self.client_takeover if is_client else self.server_takeover
        return Deflater(bits, takeover) if bits >= DEFLATE_BITS_MIN else None

    def inflater(self, *, is_client: bool) -> Inflater:
        """For what the peer sends."""
        if is_client:
            return Inflater(self.server_window_bits, self.server_takeover)
        return Inflater(self.client_window_bits, self.client_takeover)


class Deflater:
    __slots__ = ("_bits", "_stream", "_takeover")

    def __init__(self, window_bits: int, takeover: bool) -> None:
        self._bits = window_bits
        self._takeover = takeover
        self._stream: Any = None

    def message(self, payload: bytes) -> bytes:
        """``payload`` as it goes into a frame with RSV1."""
        stream = self._stream
        if stream is None:
            memory = min(self._bits - 7, _MEMORY_LEVEL_MAX)
            stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, -self._bits, memory)
        data: bytes = stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH)
        self._stream = stream if self._takeover else None
        return data[: -len(_TAIL)]


class Inflater:
    __slots__ = ("_bits", "_finals", "_stream", "_takeover")

    def __init__(self, window_bits: int, takeover: bool) -> None:
        self._bits = window_bits
        self._takeover = takeover
        self._stream: Any = None
        #: Final blocks in the present message.
        self._finals = 0

    def take(self, data: bytes, room: int) -> bytes:
        """What a piece of a message becomes, or its first ``room + 1`` bytes; raises FrameError."""
        inflated = self._inflate(data, room)
        while self._stream.eof and len(inflated) <= room:
            # A final block ends zlib's stream, and the message goes on (section 7.2.3.4).  Who needs more of
            # them in one message wants us to make streams.
            self._finals += 1
            if self._finals > 1:
                raise unreadable()
            rest, self._stream = self._stream.unused_data, None
            if not rest:
                break
            inflated += self._inflate(rest, room - len(inflated))
        return inflated

    def end(self, room: int) -> bytes:
        """The message is over: what was still to come of it, as `take`."""
        inflated = b"" if self._stream is None else self._inflate(_TAIL, room)
        self._finals = 0
        if not self._takeover:
            self._stream = None
        return inflated

    def _inflate(self, data: bytes, room: int) -> bytes:
        if self._stream is None:
            self._stream = zlib.decompressobj(-self._bits)
        try:
            inflated: bytes = self._stream.decompress(data, room + 1)
        except zlib.error:
            raise unreadable() from None
        return inflated


def unreadable() -> FrameError:
    """One fault for what is no DEFLATE data and for what it becomes: which of them shows first would
    depend on how the message was cut."""
    return FrameError(
        "a compressed message that is no DEFLATE data, or no UTF-8",
        code=CloseCode.INVALID_DATA,
        rule="RFC 7692 section 7.2.2",
    )
