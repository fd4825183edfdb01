"""What makes the bytes of a body: ranges of files, and content codings.

A producer gives bytes piece by piece, as the client takes them, and keeps no more than a bounded
amount of memory.  Who frames and sends them is not its business:

    FileRange    bytes of a file            the engine's queue (``engine/outgoing.py``) sends them
                                            without reading them, unless they are to be encrypted;
                                            compressed files (issue 5) will read them
    ZlibCoder    gzip and deflate           compressed responses of applications and files (issue 5)
    chunks       the framing                ``http1/writing.py``, behind whatever stands here; the
                                            reverse proxy (issue 10) uses it in both directions

There is one module for both builds.  What a coder does is done in zlib, in C already.  One written in C
that kept zlib's state and reset it for the next response would save 3 us of 9 for 1 KB of JSON and
10 us of 60 for 20 KiB (level 6), hold the memory of the state for ever, and need zlib's headers
wherever Skitai is compiled; another library (issue 5) gains more.

A producer belongs to one response and is used by one thread at a time.
"""

from __future__ import annotations

import errno
import os
import socket
import zlib
from typing import BinaryIO, Literal, Protocol

from skitai.errors import WriteError

__all__ = ["Coder", "FileRange", "Sender", "ZlibCoder"]

#: One sendfile: large enough to fill a socket buffer, small enough to be fair.
_SENDFILE_BLOCK = 1 << 20
#: One read, where the bytes go through our memory.
_READ_BLOCK = 65536
#: A file system or socket family that knows no sendfile.
_NO_SENDFILE = (errno.EINVAL, errno.ENOSYS, errno.ENOTSOCK, errno.EOPNOTSUPP)


class Sender(Protocol):
    """A socket, or what stands in front of one and changes the bytes."""

    def send(self, data: bytes, /) -> int: ...


class FileRange:
    """``count`` bytes of ``file`` from ``offset`` on.

    It owns the file: `close` it.  Of several ranges of one file that are sent one after the other,
    only the last does (``owns``).
    """

    __slots__ = ("_owns", "count", "file", "offset")

    def __init__(self, file: BinaryIO, offset: int, count: int, *, owns: bool = True) -> None:
        self._owns = owns
        self.file = file
        self.offset = offset
        #: What is left.
        self.count = count

    def send(self, sock: Sender) -> int:
        """Send what ``sock`` takes at once, past our memory where the system can; how much it was.

        Raises OSError as ``sock.send`` does, and WriteError for a file that has become shorter.
        """
        if not self.count:
            return 0
        # Nothing but a plain socket: the system would write past whoever encrypts.
        sent = self._sendfile(sock) if isinstance(sock, socket.socket) else None
        if sent is None:
            data = self._peek(_READ_BLOCK)
            sent = sock.send(data) if data else 0
        self._advance(sent)
        return sent

    def read(self, most: int = _READ_BLOCK) -> bytes:
        """Up to ``most`` of the bytes, for those who change them; empty behind the last one.

        Raises WriteError for a file that has become shorter.
        """
        if not self.count:
            return b""
        data = self._peek(most)
        self._advance(len(data))
        return data

    def close(self) -> None:
        if self._owns:
            self.file.close()

    def _sendfile(self, sock: socket.socket) -> int | None:
        """``None``: it cannot be done here."""
        if hasattr(os, "sendfile"):
            block = min(self.count, _SENDFILE_BLOCK)
            try:
                return os.sendfile(sock.fileno(), self.file.fileno(), self.offset, block)
            except OSError as error:
                if error.errno not in _NO_SENDFILE:
                    raise
        return None

    def _peek(self, most: int) -> bytes:
        self.file.seek(self.offset)
        return self.file.read(min(self.count, most))

    def _advance(self, count: int) -> None:
        if count == 0:
            raise WriteError("the file became shorter while it was being sent")
        self.offset += count
        self.count -= count


class Coder(Protocol):
    """A content coding at work on one body (RFC 9110 section 8.4)."""

    def push(self, data: bytes) -> bytes:
        """The next piece of the body, coded.

        All of it: a client that has got the result can show ``data``.  So a page that an application
        yields in parts appears in parts; whoever has the parts at hand joins them first, since each
        push costs about 5 bytes and some compression.
        """

    def end(self) -> bytes:
        """The last bytes; nothing is pushed behind them."""


class ZlibCoder:
    """``gzip`` (RFC 1952), or ``deflate``, which is the zlib format (RFC 9110 section 8.4.1.2).

    ``level``: 1 (quick) to 9 (small).  The gzip header bears no time: equal bodies give equal bytes.

    A stream takes 128 KiB, half of zlib's own choice, for as long as its response lasts: it is no
    slower, and the result is up to 5 % larger (400 KiB of source code), mostly not (JSON).
    """

    __slots__ = ("_stream",)

    _WINDOW_BITS = 14  # 4 << 14 = 64 KiB
    _MEMORY_LEVEL = 7  # 512 << 7 = 64 KiB
    _GZIP = 16  # zlib's sign, added to the window bits

    def __init__(self, coding: Literal["gzip", "deflate"], level: int) -> None:
        bits = self._WINDOW_BITS + (self._GZIP if coding == "gzip" else 0)
        self._stream = zlib.compressobj(level, zlib.DEFLATED, bits, self._MEMORY_LEVEL)

    def push(self, data: bytes) -> bytes:
        if not data:
            return b""
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._stream.flush()
