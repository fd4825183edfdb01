"""WebSockets without input or output: bytes in, events out; calls in, bytes out.

    accept, Asking          the opening handshake, both ends        opening.py, extensions.py
    Connection              all that follows, both ends             connection.py
        read by             Reader                                  reading.py, over wsframes
        written by          frames of one call each                 wsframes
        compressed by       Deflater, Inflater                      deflate.py
        kept in order by    three small state machines              states.py
        ended by            codes and reasons                       closing.py

Nothing here knows a socket, a clock or a thread.  RFC 6455 (the protocol) and RFC 7692 (permessage-deflate)
are the law.  What is read depends on the bytes alone, never on how they were cut into pieces.
"""

from __future__ import annotations

from skitai._pure.websocket.closing import CloseCode
from skitai._pure.websocket.connection import Connection
from skitai._pure.websocket.deflate import Agreement
from skitai._pure.websocket.events import Close, Event, Fault, Ping, Pong
from skitai._pure.websocket.opening import Asking, Opened, accept, is_asked_for, is_same_origin
from skitai._pure.websocket.states import Side

__all__ = [
    "Agreement",
    "Asking",
    "Close",
    "CloseCode",
    "Connection",
    "Event",
    "Fault",
    "Opened",
    "Ping",
    "Pong",
    "Side",
    "accept",
    "is_asked_for",
    "is_same_origin",
]
