"""How many bytes of a result have come: libpq, which reads and keeps them, does not say.

    TCP on Linux           the kernel counts what has been received (``tcpi_bytes_received`` of tcp(7))
    other sockets          libpq is put on a line of our own, which gets one counted piece after the other
    Windows                neither: each piece that is read counts as one buffer of libpq's

What lies ready in a Unix socket before a piece is read, and after, tells nothing: while libpq fills the room
for a value of 10 MB, the server goes on to send.  200 MB were seen to come that way, where 8 KiB a piece were
counted.

The loop thread.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import Protocol

from skitai.was._postgres.connecting import Link

if sys.platform != "win32":
    import fcntl
    import termios

__all__ = ["Meter", "meter_of"]

#: What libpq reads at least, where there is more.
_BUFFER = 8192
#: What a line of our own gets at once: it takes that much without waiting.
_PIECE = 65536
_INT = struct.Struct("i")
#: ``struct tcp_info``: the field, behind 8 bytes of one byte each, 24 of four and 3 of eight.
_RECEIVED = struct.Struct("=8x96x24xQ")


class Meter(Protocol):
    holds_sending: bool
    """Whether nothing may be sent before `end`."""

    def admit(self) -> None:
        """libpq is about to read."""

    def is_left(self) -> bool:
        """It has to read once more."""

    def count(self) -> int:
        """Bytes since the last one."""

    def end(self) -> None:
        """The result is there, or will not be."""


def meter_of(link: Link) -> Meter:
    """For a connection that has nothing left to send."""
    if sys.platform == "win32":
        return _Assumed()
    if sys.platform == "linux" and link.sock.family != socket.AF_UNIX:
        return _Counted(link.sock)
    return _Line(link)


class _Counted:
    __slots__ = ("_counted", "_sock")

    holds_sending = False

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._counted = self._received()

    def _received(self) -> int:
        information = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED.size)
        return int(_RECEIVED.unpack(information)[0])

    def admit(self) -> None:
        pass

    def is_left(self) -> bool:
        return False

    def count(self) -> int:
        before, self._counted = self._counted, self._received()
        return self._counted - before

    def end(self) -> None:
        pass


class _Line:
    """Until `end` libpq's descriptor stands for one end of a socket pair, and the server's bytes go through
    it piece by piece.  Only in this direction: nothing is sent meanwhile."""

    __slots__ = ("_connection", "_count", "_descriptor", "_ours", "_server")

    holds_sending = True

    def __init__(self, link: Link) -> None:
        self._server = link.sock
        self._connection = link.connection
        self._descriptor: int = link.connection.fileno()
        self._count = 0
        self._ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            os.dup2(theirs.fileno(), self._descriptor, inheritable=False)

    def admit(self) -> None:
        try:
            piece = self._server.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""  # libpq says what it says of a server that has closed
        if piece:
            self._count += len(piece)
            self._ours.sendall(piece)
        else:
            self._ours.shutdown(socket.SHUT_WR)

    def _is_on(self) -> bool:
        """libpq closes its descriptor where it finds the connection broken; another may have its number."""
        connection = self._connection
        return not connection.closed and bool(connection.fileno() == self._descriptor)

    def is_left(self) -> bool:
        if not self._is_on():
            return False
        return bool(_INT.unpack(fcntl.ioctl(self._descriptor, termios.FIONREAD, _INT.pack(0)))[0])

    def count(self) -> int:
        count, self._count = self._count, 0
        return count

    def end(self) -> None:
        self._ours.close()
        if self._is_on():
            os.dup2(self._server.fileno(), self._descriptor, inheritable=False)


class _Assumed:
    __slots__ = ("_count",)

    holds_sending = False

    def __init__(self) -> None:
        self._count = 0

    def admit(self) -> None:
        self._count += _BUFFER

    def is_left(self) -> bool:
        return False

    def count(self) -> int:
        count, self._count = self._count, 0
        return count

    def end(self) -> None:
        pass
