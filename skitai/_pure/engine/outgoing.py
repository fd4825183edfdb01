"""The bytes that one connection still has to send: buffers and ranges of files, in order.

Owned by its connection and used only under the connection's lock.  `flush` never blocks.
"""

from __future__ import annotations

import socket
from typing import BinaryIO

from skitai._pure.engine.secure import Transport
from skitai._pure.producers import FileRange
from skitai.errors import WriteError

__all__ = ["Outgoing", "broken"]

#: Buffers handed to one sendmsg; IOV_MAX is 16 at the least (POSIX) and 1024 on Linux.
_BUFFERS_AT_ONCE = 16
#: Sent in one `flush`: a client that takes as fast as we give would never let it end, while the
#: loop thread has others to serve.
_FLUSH_MAX = 1 << 20
#: Small pieces are joined up to this size: each one takes some 250 bytes of its own, and what a slow
#: client leaves waiting is bounded in bytes to send.
_JOIN_MAX = 4096
_HAS_SENDMSG = hasattr(socket.socket, "sendmsg")  # not on Windows
_WOULD_BLOCK = (BlockingIOError, InterruptedError)


class Outgoing:
    __slots__ = ("_pieces", "size", "total")

    def __init__(self) -> None:
        # Few at any time, and mostly none: an empty deque takes 600 bytes, a list 60.
        self._pieces: list[memoryview | FileRange] = []
        #: Bytes waiting.
        self.size = 0
        #: Bytes ever appended.
        self.total = 0

    def append(self, data: bytes | memoryview) -> None:
        if data:
            last = self._pieces[-1] if self._pieces else None
            if type(last) is memoryview and len(last) + len(data) <= _JOIN_MAX:
                self._pieces[-1] = memoryview(b"".join((last, data)))
            else:
                self._pieces.append(memoryview(data))
            self.size += len(data)
            self.total += len(data)

    def append_file(self, file: BinaryIO, offset: int, count: int, *, is_last: bool = True) -> None:
        """``count`` bytes of ``file``.  With those that are its last it is taken over: it is closed
        once they have left, or on `clear`."""
        if count == 0:
            if is_last:
                file.close()
            return
        self._pieces.append(FileRange(file, offset, count, owns=is_last))
        self.size += count
        self.total += count

    def clear(self) -> None:
        for piece in self._pieces:
            if type(piece) is FileRange:
                piece.close()
        self._pieces.clear()
        self.size = 0

    def send(self, sock: Transport, data: bytes) -> bool:
        """`append` and `flush` in one.  What the socket takes at once, as it nearly always does, never
        gets into the queue, which halves the cost of a small response."""
        if self._pieces or not data:
            self.append(data)
            return self.flush(sock)
        try:
            sent = sock.send(data)
        except _WOULD_BLOCK:
            sent = 0
        except OSError as error:
            raise broken(error) from error
        self.total += sent
        if sent == len(data):
            return True
        self.append(memoryview(data)[sent:])
        return self.flush(sock)

    def flush(self, sock: Transport) -> bool:
        """Send what the socket takes, about ``_FLUSH_MAX`` bytes at most; True when nothing is left.
        Raises WriteError."""
        pieces = self._pieces
        enough = self.size - _FLUSH_MAX
        try:
            while pieces and self.size > enough:
                first = pieces[0]
                if type(first) is FileRange:
                    self.size -= first.send(sock)
                    if first.count == 0:
                        first.close()
                        pieces.pop(0)
                elif len(pieces) == 1 or not _HAS_SENDMSG:
                    self._consume(sock.send(first))  # type: ignore[arg-type]  # mypy: not narrowed by type()
                else:
                    self._consume(sock.sendmsg(self._leading_buffers()))
        except _WOULD_BLOCK:
            return False
        except OSError as error:
            raise broken(error) from error
        return not pieces

    def _leading_buffers(self) -> list[memoryview]:
        buffers: list[memoryview] = []
        for piece in self._pieces:
            if type(piece) is FileRange or len(buffers) == _BUFFERS_AT_ONCE:
                break
            buffers.append(piece)  # type: ignore[arg-type]  # as above
        return buffers

    def _consume(self, sent: int) -> None:
        self.size -= sent
        pieces = self._pieces
        while sent:
            first = pieces[0]
            assert isinstance(first, memoryview)
            if sent < len(first):
                pieces[0] = first[sent:]
                return
            sent -= len(first)
            pieces.pop(0)


def broken(error: OSError) -> WriteError:
    """What `Outgoing.send` raises from ``error``."""
    return WriteError(f"sending to the client failed: {error.strerror or error}")
