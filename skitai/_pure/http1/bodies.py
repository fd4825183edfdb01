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
from skitai._pure.http1.grammar import CHUNK_LINE
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits

__all__ = ["BodyReader", "ChunkedReader", "SizedReader", "UntilCloseReader", "refuse_size"]


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


class UntilCloseReader:
    __slots__ = ()

    def read(self, buffer: ReceiveBuffer) -> Data | EndOfMessage | None:
        return Data(buffer.take(len(buffer))) if buffer else None

    def at_eof(self) -> EndOfMessage:
        return EndOfMessage()


class _Chunk(Enum):
    LINE = "chunk-size [ chunk-ext ] CRLF"
    DATA = "chunk-data"
    DATA_END = "CRLF"
    TRAILERS = "trailer-section CRLF"


class ChunkedReader:
    """RFC 9112 section 7.1.  ``body_max``: most bytes of all chunks together, ``None`` for no limit."""

    __slots__ = ("_body_max", "_line_max", "_part", "_remaining", "_total", "_trailers")

    def __init__(self, limits: Limits, body_max: int | None) -> None:
        self._line_max = limits.chunk_line_max
        self._body_max = body_max
        self._trailers = FieldBlockReader(limits, "trailer")
        self._part = _Chunk.LINE
        self._remaining = 0
        self._total = 0

    def read(self, buffer: ReceiveBuffer) -> Data | EndOfMessage | None:
        while buffer:
            part = self._part
            if part is _Chunk.DATA:
                count = min(len(buffer), self._remaining)
                self._remaining -= count
                if not self._remaining:
                    self._part = _Chunk.DATA_END
                return Data(buffer.take(count))
            if part is _Chunk.TRAILERS:
                return self._read_trailers(buffer)
            complete = self._read_line(buffer) if part is _Chunk.LINE else self._read_data_end(buffer)
            if not complete:
                return None
        return None

    def at_eof(self) -> EndOfMessage:
        raise RemoteProtocolError("the peer closed before the last chunk", rule="RFC 9112 section 8")

    def _read_line(self, buffer: ReceiveBuffer) -> bool:
        end = buffer.find(b"\n", self._line_max + 2)
        if end < 0:
            if len(buffer) >= self._line_max + 2:
                raise RemoteProtocolError(
                    f"chunk size line longer than {self._line_max} bytes",
                    rule="RFC 9112 section 7.1.1, limit chunk_line_max",
                )
            return False
        line = buffer.take(end).decode("latin-1")
        match = CHUNK_LINE.fullmatch(line)
        if match is None:
            raise RemoteProtocolError(f"bad chunk size line: {excerpt(line)}", rule="RFC 9112 section 7.1")
        self._remaining = int(match[1], 16)
        self._total += self._remaining
        if self._body_max is not None and self._total > self._body_max:
            refuse_size(self._body_max)
        self._part = _Chunk.DATA if self._remaining else _Chunk.TRAILERS
        return True

    def _read_data_end(self, buffer: ReceiveBuffer) -> bool:
        if not buffer.startswith(b"\r\n"):
            if len(buffer) == 1 and buffer.startswith(b"\r"):
                return False
            raise RemoteProtocolError("chunk data is not followed by CRLF", rule="RFC 9112 section 7.1")
        buffer.take(2)
        self._part = _Chunk.LINE
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
