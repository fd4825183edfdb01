"""Body readers: one small machine for each way a message can end (RFC 9112 section 6.3).

    SizedReader       after Content-Length bytes (0 for a message without body)
    ChunkedReader     after the last chunk and the trailer section
    UntilCloseReader  when the server closes (responses only)

``read`` gives the next event, or ``None`` if the buffer has no more for now; ``at_eof`` is
asked when the peer has closed and ``read`` gave ``None``.  Body bytes are passed on as they
come: no reader waits for a whole chunk or keeps what it has read.
"""

from __future__ import annotations

from enum import Enum
from typing import NoReturn, Protocol

from skitai._pure.http1.buffer import ReceiveBuffer
from skitai._pure.http1.events import Data, EndOfMessage
from skitai._pure.http1.fields import FieldBlockReader, excerpt
from skitai._pure.http1.framing import forbidden_in_trailers
from skitai._pure.http1.grammar import CHUNK_LINE, PLAIN_CHUNK_LINE
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits

__all__ = [
    "CHUNKS_AT_ONCE",
    "NO_BODY_COMES",
    "BodyReader",
    "ChunkPart",
    "ChunkedReader",
    "SizedReader",
    "UntilCloseReader",
    "refuse_size",
]


class BodyReader(Protocol):
    def read(self, buffer: ReceiveBuffer) -> Data | EndOfMessage | None: ...
    def at_eof(self) -> EndOfMessage: ...


def refuse_size(body_max: int) -> NoReturn:
    raise RemoteProtocolError(
        f"request body longer than {body_max} bytes",
        status=413,
        rule="RFC 9110 section 15.5.14, limit body_max",
    )


class SizedReader:
    __slots__ = ("_remaining",)

    def __init__(self, length: int) -> None:
        self._remaining = length

    def read(self, buffer: ReceiveBuffer) -> Data | EndOfMessage | None:
        if not self._remaining:
            return EndOfMessage()
        count = min(len(buffer), self._remaining)
        if not count:
            return None
        self._remaining -= count
        return Data(buffer.take(count))

    def at_eof(self) -> EndOfMessage:
        raise RemoteProtocolError(
            f"the peer closed with {self._remaining} bytes of the body to come", rule="RFC 9112 section 8"
        )


#: For all messages without one.
NO_BODY_COMES = SizedReader(0)


class UntilCloseReader:
    __slots__ = ()

    def read(self, buffer: ReceiveBuffer) -> Data | EndOfMessage | None:
        return Data(buffer.take(len(buffer))) if buffer else None

    def at_eof(self) -> EndOfMessage:
        return EndOfMessage()


#: Chunks whose data one event may join: tiny ones must not cost an event each, and one event must not
#: keep the loop thread from others for long (32 are some 30 microseconds here).
CHUNKS_AT_ONCE = 32


class ChunkPart(Enum):
    LINE = "chunk-size [ chunk-ext ] CRLF"
    DATA = "chunk-data"
    DATA_END = "CRLF"
    TRAILERS = "trailer-section CRLF"


# Before Python 3.12 a member found by its name costs as much as the match of a size line.
_LINE, _DATA, _DATA_END, _TRAILERS = ChunkPart


class ChunkedReader:
    """RFC 9112 section 7.1.  ``body_max``: most bytes of all chunks together, ``None`` for no limit.

    Nearly all there is to read is plain: size lines without extension, and data.  ``_join`` walks
    over it and stops before whatever else comes (the last chunk, an extension, what is
    incomplete, what is bad), which is read in single steps.  Since the data before a fault is given
    before the fault is looked at, it does not matter how the bytes were cut.

    A body is bounded on the wire too: without extension a chunk has at most 20 bytes around its
    data, and all extensions together have a limit of their own.
    """

    __slots__ = ("_body_max", "_extensions", "_limits", "_part", "_remaining", "_total", "_trailers")

    def __init__(self, limits: Limits, body_max: int | None) -> None:
        self._limits = limits
        self._body_max = body_max
        self._part = _LINE
        #: Of the present chunk's data, what is still to come.
        self._remaining = 0
        #: Of all chunks so far, announced by their size lines.
        self._total = 0
        #: Bytes of extensions so far.
        self._extensions = 0
        self._trailers = FieldBlockReader(limits, "trailer")

    def read(self, buffer: ReceiveBuffer) -> Data | EndOfMessage | None:
        while buffer:
            if self._part is _TRAILERS:
                return self._read_trailers(buffer)
            data = self._join(buffer)
            if data:
                return Data(data)
            if buffer and not self._step(buffer):
                break
        return None

    def at_eof(self) -> EndOfMessage:
        raise RemoteProtocolError("the peer closed before the last chunk", rule="RFC 9112 section 8")

    def _join(self, buffer: ReceiveBuffer) -> bytes:
        """Take all that is plain, of up to ``CHUNKS_AT_ONCE`` chunks; the data in it, joined."""
        part, remaining, total = self._part, self._remaining, self._total
        body_max, line_max = self._body_max, self._limits.chunk_line_max
        held, start = buffer.unread
        # A slice of a bytearray is a bytearray, to be copied again; a view is not.
        source = held if isinstance(held, bytes) else memoryview(held)
        pieces: list[bytes | memoryview] = []
        at, end = start, len(held)
        while at < end:
            if part is _DATA:
                if len(pieces) == CHUNKS_AT_ONCE:
                    break
                piece = source[at : at + remaining]
                pieces.append(piece)
                at += len(piece)
                remaining -= len(piece)
                if remaining:
                    break
                part = _DATA_END
            if part is _DATA_END:
                if not held.startswith(b"\r\n", at):
                    break
                at += 2
                part = _LINE
            line = PLAIN_CHUNK_LINE.match(held, at)
            if line is None:
                break
            digits = line[1]
            size = int(digits, 16)
            if not size or len(digits) > line_max or (body_max is not None and total + size > body_max):
                break
            at += len(digits) + 2
            total += size
            remaining = size
            part = _DATA
        self._part, self._remaining, self._total = part, remaining, total
        if at > start:  # or the buffer would forget how far it has been searched
            buffer.skip(at - start)
        return b"".join(pieces)

    def _step(self, buffer: ReceiveBuffer) -> bool:
        """Read the next part, which is not plain; false if it is not complete."""
        if self._part is _LINE:
            return self._read_line(buffer)
        return self._read_data_end(buffer)

    def _read_line(self, buffer: ReceiveBuffer) -> bool:
        line_max = self._limits.chunk_line_max
        end = buffer.find(b"\n", line_max + 2)
        if end < 0:
            if len(buffer) >= line_max + 2:
                raise RemoteProtocolError(
                    f"chunk size line longer than {line_max} bytes",
                    rule="RFC 9112 section 7.1.1, limit chunk_line_max",
                )
            return False
        line = buffer.take(end).decode("latin-1")
        match = CHUNK_LINE.fullmatch(line)
        if match is None:
            raise RemoteProtocolError(f"bad chunk size line: {excerpt(line)}", rule="RFC 9112 section 7.1")
        self._count_extension(len(line) - len(match[1]) - 2)
        self._remaining = int(match[1], 16)
        self._total += self._remaining
        if self._body_max is not None and self._total > self._body_max:
            refuse_size(self._body_max)
        self._part = _DATA if self._remaining else _TRAILERS
        return True

    def _count_extension(self, length: int) -> None:
        self._extensions += length
        extensions_max = self._limits.chunk_extensions_max
        if self._extensions > extensions_max:
            raise RemoteProtocolError(
                f"chunk extensions longer than {extensions_max} bytes together",
                status=413,
                rule="RFC 9112 section 7.1.1, limit chunk_extensions_max",
            )

    def _read_data_end(self, buffer: ReceiveBuffer) -> bool:
        if not buffer.startswith(b"\r\n"):
            if len(buffer) == 1 and buffer.startswith(b"\r"):
                return False
            raise RemoteProtocolError("chunk data is not followed by CRLF", rule="RFC 9112 section 7.1")
        buffer.take(2)
        self._part = _LINE
        return True

    def _read_trailers(self, buffer: ReceiveBuffer) -> EndOfMessage | None:
        trailers = self._trailers.read(buffer)
        if trailers is None:
            return None
        forbidden = forbidden_in_trailers(trailers)
        if forbidden is not None:
            raise RemoteProtocolError(
                f"field {excerpt(forbidden)} in the trailer section", rule="RFC 9110 section 6.5.1"
            )
        return EndOfMessage(trailers)
