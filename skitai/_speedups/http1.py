"""The HTTP kernel of the compiled build: the pure one, with compiled short cuts where it is simple.

Both ends of a connection are the pure classes with a head that a recogniser accepts
(``heads.pyx``, ``responses.pyx``), a head of ours whose every byte is certainly good (``writing.pyx``),
and chunks that are plain (``chunks.pyx``).  All of them give up without a trace, and then the pure
kernel does the work as if nobody had tried.  States, events, errors and all the rest are the pure
kernel's own code.
"""

from __future__ import annotations

from skitai._pure.http1 import (
    NEED_DATA,
    PAUSED,
    ConnectionClosed,
    Data,
    EndOfMessage,
    Event,
    Headers,
    RequestHead,
    ResponseHead,
    Signal,
    State,
)
from skitai._pure.http1 import ClientConnection as PureClientConnection
from skitai._pure.http1 import ServerConnection as PureServerConnection
from skitai._speedups.chunks import ChunkedReader, ChunkedWriter
from skitai._speedups.heads import read_request_head
from skitai._speedups.responses import read_response_head
from skitai._speedups.writing import encode_head

__all__ = [
    "NEED_DATA",
    "PAUSED",
    "ClientConnection",
    "ConnectionClosed",
    "Data",
    "EndOfMessage",
    "Event",
    "Headers",
    "RequestHead",
    "ResponseHead",
    "ServerConnection",
    "Signal",
    "State",
]


class ServerConnection(PureServerConnection):
    """One connection as its server sees it."""

    __slots__ = ()

    _chunked_reader = ChunkedReader
    _chunked_writer = ChunkedWriter
    _read_simple_head = staticmethod(read_request_head)

    def _encode_head(self, line: bytes, fields: Headers) -> bytes:
        return encode_head(line, fields) or super()._encode_head(line, fields)


class ClientConnection(PureClientConnection):
    """One connection as its client sees it."""

    __slots__ = ()

    _chunked_reader = ChunkedReader
    _chunked_writer = ChunkedWriter

    def _next_head(self) -> Event:
        # The same two conditions as above.
        if self._heads.untouched:
            data, start = self._buffer.unread
            if type(data) is bytes:
                simple = read_response_head(data, start, self._limits, self._method)
                if simple is not None:
                    head, count = simple
                    self._buffer.skip(count)
                    return self._begin(head)
        return super()._next_head()

    def _encode_head(self, line: bytes, fields: Headers) -> bytes:
        return encode_head(line, fields) or super()._encode_head(line, fields)
