"""The WebSocket core of the compiled build: the pure one over compiled frames (``wsframes.pyx``)."""

from __future__ import annotations

from skitai._pure.websocket import (
    Agreement,
    Asking,
    Close,
    CloseCode,
    Event,
    Fault,
    Opened,
    Ping,
    Pong,
    Side,
    accept,
    is_asked_for,
    is_same_origin,
)
from skitai._pure.websocket import Connection as PureConnection
from skitai._pure.websocket.reading import Reader as PureReader
from skitai._speedups.wsframes import Utf8, append_unmasked, make_frame, read_messages

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


class Reader(PureReader):
    __slots__ = ()

    _read_messages = staticmethod(read_messages)
    _append_unmasked = staticmethod(append_unmasked)
    _new_utf8 = Utf8


class Connection(PureConnection):
    """One connection behind its opening handshake."""

    __slots__ = ()

    _reading = Reader
    _make_frame = staticmethod(make_frame)
