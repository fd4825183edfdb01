"""What makes the bytes of a body: ranges of files.  Content codings: ``coders.py``.

A producer gives bytes piece by piece, as the client takes them, and keeps no more than a bounded
amount of memory.  Who frames and sends them is not its business:

    FileRange    bytes of a file            the engine's queue (``engine/outgoing.py``) sends them
                                            without reading them, unless they are to be encrypted;
                                            compressed files are read
    chunks       the framing                ``http1/writing.py``, behind whatever stands here; the
                                            reverse proxy (issue 10) uses it in both directions

There is one module for both builds.

A producer belongs to one response and is used by one thread at a time.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import BinaryIO, Protocol

from skitai.errors import WriteError

__all__ = ["FileRange", "Sender"]

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
