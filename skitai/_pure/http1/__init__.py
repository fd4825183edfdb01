"""HTTP/1.1 without input or output: bytes in, events out; calls in, bytes out.

    ServerConnection        the side that answers        server.py
    ClientConnection        the side that asks           client.py
      both are              Connection                   connection.py
        read by             HeadReader                   heads.py, fields.py
                            read_simple_head             simple.py, for whole and plain request heads
                            body readers                 bodies.py, chosen by framing.py
        written by          head and body writers        writing.py
        kept in order by    two state machines           states.py

Nothing here knows a socket, a clock or a thread: a connection object belongs to the
thread that calls it, one at a time.  RFC 9110 (semantics) and RFC 9112 (HTTP/1.1) are
the law; where they let a recipient be lenient we are strict, because leniency that two
parsers on one path do not share is how requests are smuggled (RFC 9112 section 11.2).

What is read depends on the bytes alone, never on how they were cut into pieces: the same
stream gives the same events and the same refusal with the same text.
"""

from __future__ import annotations

from skitai._pure.http1.client import ClientConnection
from skitai._pure.http1.events import (
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
)
from skitai._pure.http1.server import ServerConnection
from skitai._pure.http1.states import State

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
