"""The bytes of WebSocket frames (RFC 6455 section 5): masks, UTF-8, and messages that are plain.

Called by ``skitai/_pure/websocket/``, whose strict reader decides what is refused and in which words.
`read_messages` is a recogniser: it takes whole messages of one frame each, as nearly all are, and stops in
front of anything else.  The twin is ``skitai/_speedups/wsframes.pyx``; ``tests/pure/test_wsframes.py`` holds
the two against each other.

What has no state is for any thread; a `Utf8` belongs to one connection's reader.
"""

from __future__ import annotations

import codecs
from typing import Any

__all__ = ["Utf8", "append_unmasked", "make_frame", "read_messages", "unmask"]

_WHOLE_TEXT = 0x81
_WHOLE_BINARY = 0x82

#: What has the bytes that are sent and received.
Bytes = bytes | bytearray | memoryview


def unmask(data: Bytes, mask: bytes, phase: int = 0) -> bytes:
    """``data`` masked by ``mask`` from its byte ``phase`` on, which is unmasking as well (section 5.3)."""
    count = len(data)
    phase &= 3
    key = _checked(mask)[phase:] + mask[:phase]
    repeated = (key * (count // 4 + 1))[:count]
    # One operation on two long numbers: a loop over bytes takes a hundred times as long.
    masked = int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")
    return masked.to_bytes(count, "little")


def append_unmasked(
    target: bytearray, data: bytes, start: int, end: int, mask: bytes | None, phase: int
) -> None:
    """Append ``data[start:end]`` to ``target``, unmasked unless ``mask`` is None."""
    if not 0 <= start <= end <= len(data):
        raise ValueError(f"no bytes {start} to {end} in {len(data)}")
    piece = memoryview(data)[start:end]
    target += piece if mask is None else unmask(piece, mask, phase)


class Utf8:
    """Whether text that comes in pieces is UTF-8 so far."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        #: Of a character that is not complete.
        self._begun = b""

    def feed(self, data: Bytes) -> bool:
        """False from the first byte on that no continuation can make UTF-8; then it is of no more use."""
        begun = self._begun
        try:
            known = codecs.utf_8_decode(begun + data if begun else data, "strict", False)[1] - len(begun)
        except UnicodeDecodeError:
            return False
        # A character has 4 bytes at most, so that little is left.
        self._begun = begun + data if known < 0 else bytes(data[known:])
        return self._begun < b"\xed\xa0" or self._begun >= b"\xee"  # Python waits for the rest of a surrogate

    @property
    def complete(self) -> bool:
        """The text ends with a whole character."""
        return not self._begun


def read_messages(data: bytes, start: int, masked: bool, longest: int, messages: list[Any]) -> int:
    """Append to ``messages`` the leading plain messages of ``data[start:]``: str for text, else bytes.

    Plain is a message of one frame that is all there, masked or not as ``masked`` says, without reserved
    bits, of at most ``longest`` bytes, its length written in the shortest way, text being UTF-8.  The place
    behind the last one is returned."""
    end = len(data)
    while end - start >= 2:
        first, second = data[start], data[start + 1]
        if first not in (_WHOLE_TEXT, _WHOLE_BINARY) or (second >= 0x80) is not masked:
            break
        length, at = second & 0x7F, start + 2
        if length >= 126:
            wide = 2 if length == 126 else 8
            length = int.from_bytes(data[at : at + wide], "big")
            at += wide
            if length < (126 if wide == 2 else 65536):  # also where it is not all there
                break
        mask = data[at : at + 4]
        if masked:
            at += 4
        if length > longest or length > end - at:
            break
        payload = data[at : at + length]
        if masked:
            payload = unmask(payload, mask)
        if first == _WHOLE_BINARY:
            messages.append(payload)
        else:
            try:
                messages.append(payload.decode())
            except UnicodeDecodeError:
                break
        start = at + length
    return start


def make_frame(first: int, payload: str | Bytes, mask: bytes | None) -> bytes:
    """A frame: its first byte (FIN, reserved bits, opcode), and ``payload``, a str as UTF-8, masked by
    ``mask`` where there is one.  Raises UnicodeEncodeError for a lone surrogate."""
    data = payload.encode() if isinstance(payload, str) else payload
    length = len(data)
    flag = 0 if mask is None else 0x80
    if length < 126:
        head = bytes((first, flag | length))
    elif length < 65536:
        head = bytes((first, flag | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((first, flag | 127)) + length.to_bytes(8, "big")
    if mask is None:
        return head + data
    return head + _checked(mask) + unmask(data, mask)


def _checked(mask: bytes) -> bytes:
    if len(mask) != 4:
        raise ValueError(f"a mask has 4 bytes, not {len(mask)} (RFC 6455 section 5.3)")
    return mask
