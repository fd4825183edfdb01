"""What a client that speaks TLS says first, read for the one thing that has to be known before OpenSSL can
work: the name of the server that it wants, by which its context is chosen (RFC 8446 section 4.1.2, RFC 6066
section 3).

OpenSSL tells the name too, within the handshake.  But Python's wrapper of that callback decodes it as ASCII,
and where it is not, prints a traceback past every bound of a log and ends the handshake with
``internal_error``: any stranger could fill a disk.

This is a look and nothing more: all bytes go to OpenSSL as they came, and it is OpenSSL that says what is
wrong with them.  What cannot be read has no name here.
"""

from __future__ import annotations

__all__ = ["HANDSHAKE", "ClientHello"]

#: What a record, a message, an extension and a name say of their kind (RFC 8446 sections 5.1, 4 and 4.2,
#: RFC 6066 section 3).
HANDSHAKE = 22
_CLIENT_HELLO = 1
_SERVER_NAME = 0
_HOST_NAME = 0

#: Of a record's content.
_RECORD_MAX = 16384
#: Longer ones have no name.  With the key shares of today they have two thousand bytes.
_MESSAGE_MAX = 16384


class ClientHello:
    """As it comes, in records that may cut it anywhere."""

    __slots__ = ("_message", "_next_record", "received")

    def __init__(self) -> None:
        self.received = bytearray()
        self._next_record = 0
        self._message = bytearray()

    def take(self, data: bytes | memoryview) -> bool:
        """``data`` has come; whether all is here of which a name could be read."""
        self.received += data
        while not self._is_over():
            start = self._next_record + 5
            if len(self.received) < start:
                return False
            size = int.from_bytes(self.received[start - 2 : start], "big")
            if self.received[start - 5] != HANDSHAKE or not 0 < size <= _RECORD_MAX:
                return True  # OpenSSL will say so
            if len(self.received) < start + size:
                return False
            self._next_record = start + size
            self._message += self.received[start : start + size]
        return True

    def _is_over(self) -> bool:
        if len(self._message) < 4:
            return False
        size = int.from_bytes(self._message[1:4], "big")
        return self._message[0] != _CLIENT_HELLO or size > _MESSAGE_MAX or len(self._message) >= 4 + size

    @property
    def server_name(self) -> str:
        """One character for each byte: a name that is not ASCII is nobody's.  Empty where there is none."""
        message = _Reader(bytes(self._message))
        try:
            if message.number(1) != _CLIENT_HELLO:
                return ""
            hello = _Reader(message.block(3))
            hello.take(2 + 32)  # legacy_version and random
            for width in (1, 2, 1):  # legacy_session_id, cipher_suites, legacy_compression_methods
                hello.block(width)
            extensions = _Reader(hello.block(2))
            while extensions.number(2) != _SERVER_NAME:
                extensions.block(2)
            names = _Reader(_Reader(extensions.block(2)).block(2))
            return names.block(2).decode("latin-1") if names.number(1) == _HOST_NAME else ""
        except EOFError:
            return ""


class _Reader:
    __slots__ = ("_data", "_place")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def take(self, size: int) -> bytes:
        taken = self._data[self._place : self._place + size]
        if len(taken) < size:
            raise EOFError
        self._place += size
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def block(self, width: int) -> bytes:
        """What has its length in front, of ``width`` bytes."""
        return self.take(self.number(width))
