"""Bytes both ways between two connections, whatever they mean: what follows a 101 that was passed on.

    END of the client  ──read──▶ queue of the server's ──▶ END of the server, and the other way round

Each end is read only while the other one has taken all that came before: what waits in a direction is one
read at most, and who does not take makes the sender wait.  An end of file is passed on behind the last
byte; where TLS is spoken, which cannot close one half here, it ends both.  What breaks off is reset, so that
nobody takes it for an end.

It stands in the engine's tables in the place of the client's connection.  The loop thread, all of it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Protocol

from skitai._pure.engine.channel import RESET_ON_CLOSE
from skitai._pure.engine.loop import READ, WRITE, EventLoop, change_watch
from skitai._pure.engine.outgoing import Outgoing
from skitai._pure.engine.secure import SecureSocket, Transport
from skitai.errors import WriteError
from skitai.limits import Limits

__all__ = ["Tunnel", "TunnelOwner"]

_FOREVER = float("inf")


class TunnelOwner(Protocol):
    """The engine."""

    gently: bool
    #: Connections to servers, which count among those of clients.
    far_ends: int
    limits: Limits
    loop: EventLoop
    scratch: memoryview

    def forget(self, connection: Any) -> None: ...
    def limited(self, limit: str, text: str) -> None: ...


class Tunnel:
    __slots__ = (
        "_ends",
        "_idle_timeout",
        "_is_open",
        "_moved_at",
        "_on_closed",
        "_owner",
        "deadline",
        "peer",
    )

    def __init__(
        self,
        owner: TunnelOwner,
        near: Transport,
        peer: tuple[str, int],
        far: Transport,
        on_closed: Callable[[int, int], None] | None = None,
    ) -> None:
        """``near`` is the client's, ``far`` the server's; both are connected and watched by nobody.
        ``on_closed(up, down)`` gets the bytes that came from either."""
        self._on_closed = on_closed
        self._owner = owner
        self._idle_timeout = owner.limits.tunnel_idle_timeout
        self._is_open = True
        self._moved_at = monotonic()
        self._ends = _End(self, owner, near), _End(self, owner, far)
        self._ends[0].other, self._ends[1].other = self._ends[1], self._ends[0]
        self.deadline = self._moved_at + self._idle_timeout
        self.peer = peer
        owner.far_ends += 1

    def greet(self, early: bytes) -> None:
        """Before `begin`: ``early`` is what the server has sent behind its 101."""
        self._ends[1].received += len(early)
        self._ends[0].outgoing.append(early)

    def begin(self, left: bytes) -> None:
        """``left`` is what the client has sent behind its request."""
        self._ends[0].received += len(left)
        self._ends[1].outgoing.append(left)
        for end in self._ends:
            end.begin()

    def moved(self) -> None:
        self._moved_at = monotonic()

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        self.deadline = self._moved_at + self._idle_timeout
        if self.deadline <= now:
            self._owner.limited("tunnel_idle_timeout", f"closed a tunnel of {self.peer[0]}")
            self.close()

    def is_silent(self) -> bool:
        """It makes room for nobody."""
        return False

    def finish_soon(self) -> None:
        """The server stops; gently, the tunnel is cut only when time is up."""
        if not self._owner.gently:
            self.close()

    def cut(self) -> None:
        """The loop has ended."""
        for end in self._ends:
            end.sock.close()

    def ended(self) -> None:
        """One end has said all, and the other one has taken it."""
        if all(end.is_over for end in self._ends) or any(end.is_secure for end in self._ends):
            self.close()

    def close(self, *, reset: bool = False) -> None:
        """Idempotent."""
        if self._is_open:
            self._is_open = False
            self.deadline = _FOREVER
            for end in self._ends:
                end.close(reset=reset)
            self._owner.far_ends -= 1
            self._owner.forget(self)
            if self._on_closed is not None:
                self._on_closed(self._ends[0].received, self._ends[1].received)


class _End:
    __slots__ = (
        "_interest",
        "_loop",
        "_scratch",
        "_tunnel",
        "has_ended",
        "other",
        "outgoing",
        "received",
        "sock",
    )

    other: _End

    def __init__(self, tunnel: Tunnel, owner: TunnelOwner, sock: Transport) -> None:
        self._tunnel = tunnel
        self._loop = owner.loop
        self._scratch = owner.scratch
        self._interest = 0
        #: What it has still to take.
        self.outgoing = Outgoing()
        #: It will say nothing more.
        self.has_ended = False
        #: Bytes that it has sent.
        self.received = 0
        self.sock = sock

    @property
    def is_secure(self) -> bool:
        return isinstance(self.sock, SecureSocket)

    @property
    def is_over(self) -> bool:
        """It has said all, and the other one has got it."""
        return self.has_ended and not self.other.outgoing.size

    def begin(self) -> None:
        waits = self.outgoing.size
        self._set_interest((0 if self.other.outgoing.size else READ) | (WRITE if waits else 0))

    def close(self, *, reset: bool) -> None:
        self._set_interest(0)
        is_cut = reset or self.outgoing.size > 0
        self.outgoing.clear()
        if is_cut:
            with suppress(OSError):  # the other side has closed already
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        elif isinstance(self.sock, SecureSocket):
            self.sock.say_goodbye()
        self.sock.close()

    def _on_ready(self, events: int) -> None:
        self._tunnel.moved()
        try:
            if events & WRITE & self._interest:
                self._on_writable()
            if events & READ & self._interest:
                self._on_readable()
        except (WriteError, OSError):
            self._tunnel.close(reset=True)

    def _on_readable(self) -> None:
        try:
            data = bytes(self._scratch[: self.sock.recv_into(self._scratch)])
        except (BlockingIOError, InterruptedError):
            return
        if data:
            self.received += len(data)
            if not self.other.take(data):
                self._set_interest(self._interest & ~READ)
            return
        if isinstance(self.sock, SecureSocket) and not self.sock.ended:
            self._tunnel.close(reset=True)  # no close_notify: something may be missing
            return
        self.has_ended = True
        self._set_interest(self._interest & ~READ)
        if not self.other.outgoing.size:
            self.other.hear_of_the_end()

    def _on_writable(self) -> None:
        if self.outgoing.flush(self.sock):
            self._set_interest(self._interest & ~WRITE)
            if self.other.has_ended:
                self.hear_of_the_end()
            else:
                self.other.read_on()

    def take(self, data: bytes) -> bool:
        """Whether there is room for more."""
        if self.outgoing.send(self.sock, data):
            return True
        self._set_interest(self._interest | WRITE)
        return False

    def read_on(self) -> None:
        self._set_interest(self._interest | READ)

    def hear_of_the_end(self) -> None:
        if not self.is_secure:
            self.sock.shutdown(socket.SHUT_WR)
        self._tunnel.ended()

    def _set_interest(self, interest: int) -> None:
        self._interest = change_watch(self._loop, self.sock, self._interest, interest, self._on_ready)
