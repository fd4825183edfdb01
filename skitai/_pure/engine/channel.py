"""A non-blocking socket with a queue of bytes to send: what is below HTTP in a connection.

The loop thread reads, and sends what the socket did not take at once; the thread that holds the
exchange sends from where it is.  `lock` guards the queue and whatever a subclass says.  A
subclass is told by its ``_on_…`` methods; it decides, the channel only moves bytes.

"""

from __future__ import annotations

import socket
import struct
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from skitai._pure.engine.loop import READ, WRITE, EventLoop, change_watch
from skitai._pure.engine.outgoing import Outgoing
from skitai._pure.engine.secure import SecureSocket, Transport
from skitai.errors import WriteError
from skitai.limits import Limits

if sys.platform != "win32":
    import fcntl
    import termios

if TYPE_CHECKING:
    import ssl

__all__ = ["RESET_ON_CLOSE", "Channel", "Stall"]

#: l_onoff = 1, l_linger = 0: close() sends a reset (see `Channel.abandon`).
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Stall:
    """Tells a client that has stopped reading from a slow one, by what it takes.

    The system's own buffer may hold megabytes that a slow client takes for minutes before the
    socket is writable again; so before anybody is cut the system is asked whether that buffer
    has become emptier.
    """

    __slots__ = ("_fd", "_progressed_at", "_timeout", "_unsent")

    def __init__(self, fd: int, timeout: float) -> None:
        """``fd``: the socket's descriptor; ``timeout``: send_stall_timeout."""
        self._fd = fd
        self._timeout = timeout
        #: When the client last took a byte, or there was first one to take.
        self._progressed_at = 0.0
        #: What the system had still to deliver at the half of the client's time; None before.
        self._unsent: int | None = None

    def progressed(self) -> None:
        """It took a byte, or from now on there is one to take."""
        self._progressed_at = monotonic()
        self._unsent = None

    def patience(self, now: float, waiting: int) -> float:
        """When to look again whether it has stalled, as monotonic seconds; ``now`` or earlier if it
        has.  ``waiting``: bytes that the system has not taken from us."""
        if not waiting:
            return now + self._timeout
        if self._unsent is None:
            half = self._progressed_at + self._timeout / 2
            if now < half:
                return half
            self._unsent = _undelivered(self._fd)
            return max(self._progressed_at + self._timeout, now + self._timeout / 2)
        if now >= self._progressed_at + self._timeout and _undelivered(self._fd) < self._unsent:
            self._progressed_at, self._unsent = now, None
            return now + self._timeout / 2
        return self._progressed_at + self._timeout


class Channel(ABC):
    __slots__ = (
        "_interest",
        "_stall",
        "_write_wanted",
        "limits",
        "lock",
        "loop",
        "outgoing",
        "sock",
    )

    def __init__(self, loop: EventLoop, sock: Transport, limits: Limits) -> None:
        self.loop = loop
        self.sock = sock
        self.limits = limits
        self.lock = threading.Lock()
        self.outgoing = Outgoing()
        #: From when on there was something for the client to take.
        self._stall: Stall | None = None
        self._write_wanted = False
        self._interest = READ
        loop.watch(sock, READ, self._on_ready)

    @property
    def tls(self) -> ssl.SSLObject | None:
        return self.sock.tls if isinstance(self.sock, SecureSocket) else None

    def is_silent(self) -> bool:
        """Nothing has come that was not read yet, but perhaps its end."""
        try:
            return not self.sock.recv(1, socket.MSG_PEEK)
        except OSError:  # nothing; or a reset
            return True

    # -- what a subclass is told, in the loop thread --------------------------------------

    @abstractmethod
    def _on_readable(self) -> None:
        """There is something to read, or the end."""

    @abstractmethod
    def _on_waiting(self) -> None:
        """From now on there are bytes that the client has to take."""

    @abstractmethod
    def _on_taken(self, empty: bool) -> Callable[[], None] | None:
        """Under the lock: it has taken some, or (``empty``) all.  The result is called without it."""

    @abstractmethod
    def _on_broken(self) -> None:
        """Under the lock: nothing can be sent any more."""

    @abstractmethod
    def close(self) -> None:
        """Idempotent."""

    # -- any thread, under the lock ---------------------------------------------------------

    def flush(self, data: bytes = b"") -> bool:
        """Send what waits, and ``data`` behind it, as far as the socket takes it now; leave the rest to
        the loop thread.  True when nothing is left.  Raises WriteError."""
        outgoing = self.outgoing
        waiting = outgoing.size + len(data)
        empty = outgoing.send(self.sock, data)
        if empty and not self._write_wanted:
            return True  # nothing waited before either: no clock has run
        if outgoing.size < waiting or not self._write_wanted:
            self._progressed()
        if not empty and not self._write_wanted:
            self._write_wanted = True
            self.loop.call_soon(self._watch_writable)
        return empty

    def _progressed(self) -> None:
        if self._stall is None:
            self._stall = Stall(self.sock.fileno(), self.limits.send_stall_timeout)
        self._stall.progressed()

    def abandon(self, *, reset: bool) -> None:
        """The connection is of no more use; close it in the loop.

        ``reset`` makes the truncation visible where the message would end with the
        connection: a plain close would look like its proper end.
        """
        self.outgoing.clear()
        if reset:
            try:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            except OSError:
                reset = False  # already closed by the peer: nothing to mark
        self.loop.call_soon(self.close)

    def say_goodbye(self) -> bool:
        """All was said.  False: the client has to take some of it first (`SecureSocket.say_goodbye`)."""
        return not isinstance(self.sock, SecureSocket) or self.sock.say_goodbye()

    def patience(self, now: float) -> float:
        """When to look again whether the client has stalled (`Stall.patience`)."""
        if self._stall is None:
            return now + self.limits.send_stall_timeout
        return self._stall.patience(now, self.outgoing.size)

    # -- loop thread --------------------------------------------------------------------------

    def _on_ready(self, events: int) -> None:
        # `_interest` is 0 once the connection is closed, be it by an earlier event of this poll.
        if events & WRITE & self._interest:
            self._on_writable()
        if events & READ & self._interest:
            self._on_readable()

    def _watch_writable(self) -> None:
        if self._interest or self._write_wanted:
            self._on_waiting()

    def _on_writable(self) -> None:
        with self.lock:
            waiting = self.outgoing.size
            try:
                empty = self.outgoing.flush(self.sock)
            except WriteError:
                self._on_broken()
                self.abandon(reset=False)
                return
            if self.outgoing.size < waiting:
                self._progressed()
            if empty:
                self._write_wanted = False
                self._set_interest(self._interest & ~WRITE)
            callback = self._on_taken(empty)
        if callback is not None:
            callback()

    def _set_interest(self, interest: int) -> None:
        self._interest = change_watch(self.loop, self.sock, self._interest, interest, self._on_ready)


def _undelivered(fd: int) -> int:
    """Bytes that the system has still to get acknowledged (SIOCOUTQ, tcp(7)); 0 where it can't tell,
    which is never less than before."""
    if sys.platform == "win32":
        return 0
    try:
        (count,) = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, b"\0\0\0\0"))
    except OSError:
        return 0
    return int(count)
