"""One WebSocket connection behind its opening handshake, without input or output.

Two halves that share nothing, so that one thread may read while others send, these under a lock of theirs:

* `receive` takes bytes and gives events (`reading`);
* the ``send_…`` calls give the bytes to send.  A call that raises has changed nothing.

What an event asks for is the owner's to do, by a call: a Ping wants `send_pong`, a Close `answer_close`,
a Fault `send_close` with its code and then the end of the connection.
"""

from __future__ import annotations

import os
from typing import ClassVar

from skitai._pure import wsframes
from skitai._pure.websocket.closing import CloseCode, close_payload
from skitai._pure.websocket.deflate import Agreement
from skitai._pure.websocket.events import Close, Event
from skitai._pure.websocket.reading import Reader
from skitai._pure.websocket.states import Opcode, Side, move
from skitai.errors import LocalProtocolError
from skitai.limits import Limits

__all__ = ["Connection"]

_FIN = 0x80
_RSV1 = 0x40
_CONTROL_MAX = 125


class Connection:
    """``is_client``: which end we are; ``deflate``: what the handshake agreed upon, None for nothing."""

    __slots__ = ("_compresses", "_deflate_min", "_deflater", "_is_client", "_reader", "our_side")

    # What a build may have quicker ones of.
    _reading: ClassVar[type[Reader]] = Reader
    _make_frame = staticmethod(wsframes.make_frame)

    def __init__(
        self,
        limits: Limits,
        *,
        is_client: bool,
        deflate: Agreement | None = None,
        message_max: int | None = None,
    ) -> None:
        """``message_max``: in place of ``ws_message_max``."""
        self._is_client = is_client
        self._deflate_min = limits.ws_deflate_min
        self._compresses = deflate is not None
        self._deflater = None if deflate is None else deflate.deflater(is_client=is_client)
        self._reader = self._reading(
            masked=not is_client,
            message_max=limits.ws_message_max if message_max is None else message_max,
            inflater=None if deflate is None else deflate.inflater(is_client=is_client),
        )
        #: What we may still send.
        self.our_side = Side.OPEN

    # -- receiving ----------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """All events that ``data`` completes, in order; it may be cut anywhere."""
        return self._reader.receive(data)

    @property
    def their_side(self) -> Side:
        """What the peer may still send."""
        return self._reader.side

    @property
    def mid_frame(self) -> bool:
        """Some of a frame has come and some of it has not."""
        return self._reader.mid_frame

    @property
    def is_between(self) -> bool:
        """All that was received was understood, and ended with a message's last byte."""
        return self._reader.is_between

    @property
    def compresses(self) -> bool:
        """The handshake agreed upon it."""
        return self._compresses

    @property
    def message_max(self) -> int:
        """Bytes of a message of the peer's."""
        return self._reader.message_max

    # -- sending ------------------------------------------------------------------------------

    def send_message(self, message: str | bytes) -> bytes:
        """One message, str as text, anything else as binary; compressed where it was agreed and is worth it.

        Raises LocalProtocolError behind a close, and UnicodeEncodeError for a lone surrogate."""
        self._check_open()
        first = _FIN | (Opcode.TEXT if isinstance(message, str) else Opcode.BINARY)
        if self._deflater is not None and len(message) >= self._deflate_min:
            payload = message.encode() if isinstance(message, str) else message
            return self._frame(first | _RSV1, self._deflater.message(payload))
        return self._frame(first, message)

    def send_ping(self, payload: bytes = b"") -> bytes:
        return self._control(Opcode.PING, payload)

    def send_pong(self, payload: bytes = b"") -> bytes:
        return self._control(Opcode.PONG, payload)

    def send_close(self, code: int = CloseCode.NORMAL, reason: str = "") -> bytes:
        """The last thing that we send; `CloseCode.NO_CODE` gives no code."""
        frame = self._control(Opcode.CLOSE, close_payload(code, reason))
        self.our_side = move(self.our_side, Side.CLOSED)
        return frame

    def answer_close(self, close: Close) -> bytes:
        """The peer's code back to it (RFC 6455 section 5.5.1); nothing where we have sent a close."""
        return b"" if self.our_side is not Side.OPEN else self.send_close(close.code)

    def _control(self, opcode: Opcode, payload: bytes) -> bytes:
        self._check_open()
        if len(payload) > _CONTROL_MAX:
            raise LocalProtocolError(
                f"a control frame of {len(payload)} bytes: 125 is the most", rule="RFC 6455 section 5.5"
            )
        return self._frame(_FIN | opcode, payload)

    def _frame(self, first: int, payload: str | bytes) -> bytes:
        # A mask that nobody can guess: else a page's script could write what a proxy takes for HTTP (10.3).
        return self._make_frame(first, payload, os.urandom(4) if self._is_client else None)

    def _check_open(self) -> None:
        if self.our_side is not Side.OPEN:
            raise LocalProtocolError("nothing may follow a close frame", rule="RFC 6455 section 5.5.1")
