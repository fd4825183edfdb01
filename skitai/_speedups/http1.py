"""The HTTP kernel of the compiled build: the pure one, with compiled heads where they are simple.

``ServerConnection`` is the pure class with two short cuts: a head that the recogniser in
``heads.pyx`` accepts, and a response head whose every byte is certainly good.  Both give up
without a trace, and then the pure kernel does the work as if nobody had tried.  States,
events, errors and all the rest are the pure kernel's own code.
"""

from __future__ import annotations

from skitai._pure.http1 import (
    NEED_DATA,
    PAUSED,
    ClientConnection,
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
from skitai._pure.http1 import ServerConnection as PureServerConnection
from skitai._speedups.heads import encode_head, read_request_head

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

    _read_simple_head = staticmethod(read_request_head)

    def _encode_head(self, line: bytes, fields: Headers) -> bytes:
        return encode_head(line, fields) or super()._encode_head(line, fields)
