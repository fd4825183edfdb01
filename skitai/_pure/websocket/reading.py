"""Frames and messages out of bytes, strictly (RFC 6455 sections 5 and 8.1).

`Reader.receive` takes what was received, however it was cut, and gives all that became complete with it.
Plain messages that lie whole in one piece are taken by the recogniser (``wsframes.read_messages``), all else
byte for byte here: cut frames, fragments, compressed ones, control frames, and whatever is wrong.  Where a
stream is cut makes no difference to the events, nor to the words of a fault.

Memory: of a message under way, what has come of it (never more than ``message_max``), and at most 125 bytes
of a control frame.  A message that would be longer is refused by the head that says so.

One thread at a time: the reading side's.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from skitai._pure import wsframes
from skitai._pure.websocket.closing import CloseCode, read_close
from skitai._pure.websocket.deflate import Inflater, unreadable
from skitai._pure.websocket.events import Close, Event, Fault, Ping, Pong
from skitai._pure.websocket.states import (
    BETWEEN,
    CONTROL,
    DATA,
    HEAD,
    MAY_BEGIN,
    WITHIN,
    Opcode,
    Place,
    Side,
    move,
)
from skitai.errors import FrameError

__all__ = ["Reader"]

_FIN = 0x80
_RESERVED = 0x70
_RSV1 = 0x40
_OPCODE = 0x0F
_IS_CONTROL = 0x08
_MASKED = 0x80
_CONTROL_MAX = 125
_KNOWN = frozenset(Opcode)
_WIDTHS = {126: 2, 127: 8}
_LEAST = {126: 126, 127: 65536}


class TextCheck(Protocol):
    """`wsframes.Utf8` of either build."""

    @property
    def complete(self) -> bool: ...
    def feed(self, data: memoryview, /) -> bool: ...


class Reader:
    """``masked``: the peer is a client, whose frames all are, as a server's never are (section 5.1)."""

    __slots__ = (
        "_compressed",
        "_control",
        "_head",
        "_inflater",
        "_left",
        "_mask",
        "_masked",
        "_message",
        "_opcode",
        "_phase",
        "_place",
        "_text",
        "_utf8",
        "_within",
        "message_max",
        "side",
    )

    # What a build may have quicker ones of.
    _read_messages = staticmethod(wsframes.read_messages)
    _append_unmasked = staticmethod(wsframes.append_unmasked)
    _new_utf8: ClassVar[type[TextCheck]] = wsframes.Utf8

    def __init__(self, *, masked: bool, message_max: int, inflater: Inflater | None) -> None:
        self._masked = masked
        self.message_max = message_max
        self._inflater = inflater
        #: What the peer may still do.
        self.side = Side.OPEN
        self._place: Place = HEAD
        self._within = BETWEEN
        #: Of the frame: what there is of its head, its opcode, its mask, what is due of its payload.
        self._head = bytearray()
        self._opcode = 0
        self._mask: bytes | None = None
        self._phase = 0
        self._left = 0
        self._control = bytearray()
        #: Of the message.
        self._message = bytearray()
        self._text = False
        self._compressed = False
        self._utf8 = self._new_utf8()

    @property
    def mid_frame(self) -> bool:
        """Some of a frame has come and some of it has not."""
        return self._place is not HEAD or len(self._head) > 0

    @property
    def is_between(self) -> bool:
        """Neither in a frame nor between two of one message, and there may be more."""
        return self._within is BETWEEN and not self.mid_frame and self.side is Side.OPEN

    def receive(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes; none any more behind a Close or a Fault."""
        events: list[Event] = []
        at = 0
        try:
            while self.side is Side.OPEN:
                if self._place is HEAD:
                    if self._within is BETWEEN and not self._head:
                        at = self._read_messages(data, at, self._masked, self.message_max, events)
                    if at == len(data):
                        break
                    at = self._take_head(data, at)
                    if self._place is HEAD:
                        break  # it is not all there
                end = min(at + self._left, len(data))
                self._left -= end - at
                if self._place is DATA:
                    self._take_data(data, at, end, events)
                else:
                    self._take_control(data, at, end, events)
                self._phase += end - at
                at = end
                if self._left:
                    break
                self._place = HEAD
        except FrameError as error:
            self.side = move(self.side, Side.FAILED)
            self._message = bytearray()
            events.append(Fault(error.code, str(error)))
        return events

    # -- heads: section 5.2 -------------------------------------------------------------------

    def _take_head(self, data: bytes, at: int) -> int:
        """Go on reading a head at ``data[at]``; where it is complete, go to its payload."""
        head = self._head
        at = self._fill(data, at, 2)
        if len(head) < 2:
            return at
        if len(head) == 2:
            self._check_start(head[0], head[1])
        size = 2 + _WIDTHS.get(head[1] & ~_MASKED, 0) + (4 if head[1] & _MASKED else 0)
        at = self._fill(data, at, size)
        if len(head) == size:
            self._begin_frame(head)
            head.clear()
        return at

    def _fill(self, data: bytes, at: int, size: int) -> int:
        end = min(at + max(size - len(self._head), 0), len(data))
        self._head += data[at:end]
        return end

    def _check_start(self, first: int, second: int) -> None:
        opcode = first & _OPCODE
        if opcode not in _KNOWN:
            raise FrameError(f"a frame with the reserved opcode {opcode}", rule="RFC 6455 section 5.2")
        starts_message = opcode in MAY_BEGIN[BETWEEN]
        allowed = _RSV1 if self._inflater is not None and starts_message else 0
        if first & _RESERVED & ~allowed:
            raise FrameError("a frame with a reserved bit that means nothing", rule="RFC 6455 section 5.2")
        if bool(second & _MASKED) is not self._masked:
            what = "a frame of a client without a mask" if self._masked else "a frame of a server with a mask"
            raise FrameError(what, rule="RFC 6455 section 5.1")
        if opcode & _IS_CONTROL:
            if not first & _FIN:
                raise FrameError("a control frame in fragments", rule="RFC 6455 section 5.5")
            if second & ~_MASKED > _CONTROL_MAX:
                raise FrameError("a control frame of more than 125 bytes", rule="RFC 6455 section 5.5")
        elif opcode not in MAY_BEGIN[self._within]:
            what = "a message begins within another" if starts_message else "a continuation of nothing"
            raise FrameError(what, rule="RFC 6455 section 5.4")

    def _begin_frame(self, head: bytearray) -> None:
        first, short = head[0], head[1] & ~_MASKED
        length = short
        if short in _WIDTHS:
            length = int.from_bytes(head[2 : 2 + _WIDTHS[short]], "big")
            if length < _LEAST[short]:
                raise FrameError("a length that could be shorter", rule="RFC 6455 section 5.2")
            if length >> 63:
                raise FrameError("a length of more than 63 bits", rule="RFC 6455 section 5.2")
        self._opcode = opcode = first & _OPCODE
        self._mask = bytes(head[-4:]) if self._masked else None
        self._phase = 0
        self._left = length
        if opcode & _IS_CONTROL:
            self._place = CONTROL
            return
        self._place = DATA
        if opcode != Opcode.CONTINUATION:
            self._within = WITHIN
            self._text = opcode == Opcode.TEXT
            self._compressed = first & _RSV1 != 0
            self._utf8 = self._new_utf8()
        if not self._compressed and length > self.message_max - len(self._message):
            raise self._too_big()
        # Kept for the last byte of the payload, when the head is forgotten.
        self._opcode |= first & _FIN

    # -- payloads -----------------------------------------------------------------------------

    def _take_data(self, data: bytes, at: int, end: int, events: list[Event]) -> None:
        message = self._message
        before = len(message)
        is_last = not self._left and self._opcode & _FIN != 0
        if self._inflater is None or not self._compressed:
            self._append_unmasked(message, data, at, end, self._mask, self._phase)
        else:
            piece = bytearray()
            self._append_unmasked(piece, data, at, end, self._mask, self._phase)
            if piece:
                message += self._inflater.take(bytes(piece), self.message_max - before)
            if is_last and len(message) <= self.message_max:
                message += self._inflater.end(self.message_max - len(message))
        if self._text:
            # What is beyond the bound is not looked at: see `unreadable`.
            with memoryview(message) as view, view[before : self.message_max] as fresh:
                good = self._utf8.feed(fresh)
            if not good:
                raise self._bad_text()
        if len(message) > self.message_max:
            raise self._too_big()
        if is_last:
            if self._text and not self._utf8.complete:
                raise self._bad_text()
            events.append(message.decode() if self._text else bytes(message))
            self._message = bytearray()
            self._within = BETWEEN

    def _bad_text(self) -> FrameError:
        if self._compressed:
            return unreadable()
        return FrameError(
            "a text that is not UTF-8", code=CloseCode.INVALID_DATA, rule="RFC 6455 section 8.1"
        )

    def _too_big(self) -> FrameError:
        return FrameError(
            f"a message of more than {self.message_max} bytes (wsmessage_max)",
            code=CloseCode.MESSAGE_TOO_BIG,
        )

    def _take_control(self, data: bytes, at: int, end: int, events: list[Event]) -> None:
        self._append_unmasked(self._control, data, at, end, self._mask, self._phase)
        if self._left:
            return
        payload = bytes(self._control)
        self._control.clear()
        if self._opcode == Opcode.PING:
            events.append(Ping(payload))
        elif self._opcode == Opcode.PONG:
            events.append(Pong(payload))
        else:
            events.append(Close(*read_close(payload)))
            self.side = move(self.side, Side.CLOSED)
