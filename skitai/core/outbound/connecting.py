"""From a name to a connection that can be asked.

    RESOLVING ──▶ CONNECTING ──▶ TUNNELLING ──▶ SHAKING ──▶ MADE
        └───────────────┴──── only with a proxy ──┴──────▶ FAILED

All addresses are tried, and not one after the other's timeout: the next one gets its chance after 250 ms, or
as soon as one has failed, and the first connection wins (RFC 8305, "happy eyeballs").  The clock is
one for all of it.

The loop thread; only hands are shaken elsewhere (`Handshakes`).
"""

from __future__ import annotations

import enum
import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from skitai._kernels import engine
from skitai.core.outbound.clienttls import ClientContexts
from skitai.core.outbound.handshaking import Handshakes, Shaking
from skitai.core.outbound.request import Origin
from skitai.core.outbound.tunnelling import Tunnel
from skitai.core.resolver import Address, Lookup
from skitai.errors import ConnectError, NetworkError, NetworkTimeout, SkitaiError
from skitai.limits import Limits

__all__ = ["Connecting", "ConnectingOwner", "Means", "Names"]

#: "Connection Attempt Delay" (RFC 8305 section 5).
_HEAD_START = 0.25
_AT_ONCE = frozenset({0, errno.EINPROGRESS})
_FOREVER = float("inf")
_UNDER_WAY = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN})


class Names(Protocol):
    """A `Resolver`."""

    def addresses(
        self, host: str, on_done: Callable[[Sequence[Address] | NetworkError], None]
    ) -> Lookup[Address]: ...


class Means(Protocol):
    """What connections are made with."""

    loop: engine.EventLoop
    limits: Limits
    resolver: Names
    contexts: ClientContexts
    handshakes: Handshakes
    scratch: memoryview


class ConnectingOwner(engine.OutboundOwner, Protocol):
    """For whom."""

    origin: Origin

    def made(self, connecting: Any, connection: Any) -> None: ...
    def not_made(self, connecting: Any, error: SkitaiError) -> None: ...


class _Stage(enum.Enum):
    RESOLVING = "find the addresses"
    CONNECTING = "connect"
    TUNNELLING = "get through the proxy"
    SHAKING = "agree on TLS"
    MADE = "be asked"
    FAILED = "nothing more"

    __hash__ = object.__hash__


class Connecting:
    __slots__ = (
        "_addresses",
        "_attempts",
        "_client",
        "_errors",
        "_lookup",
        "_next",
        "_pool",
        "_stage",
        "_step",
        "_timer",
    )

    def __init__(self, pool: ConnectingOwner, client: Means, timeout: float) -> None:
        """``timeout``: connect_timeout, in seconds; 0: none of its own."""
        self._pool = pool
        self._client = client
        self._stage = _Stage.RESOLVING
        self._addresses: deque[Address] = deque()
        self._attempts: dict[socket.socket, Address] = {}
        self._errors: list[str] = []
        self._lookup: Lookup[Address] | None = None
        #: What is under way behind the connect; to be cancelled.
        self._step: Tunnel | Shaking | None = None
        self._next: engine.Timer | None = None
        self._timer = client.loop.call_later(timeout, self._expire) if timeout else None

    @property
    def has_clock(self) -> bool:
        """It ends by itself, whatever the other side does."""
        return self._timer is not None

    @property
    def _target(self) -> str:
        origin = self._pool.origin
        if origin.is_unix:
            return origin.title
        return f"{origin.proxy.authority} (proxy)" if origin.proxy else f"{origin.host}:{origin.port}"

    def begin(self) -> None:
        origin = self._pool.origin.proxy or self._pool.origin
        if origin.is_unix:
            # Not at once: whoever is told may try again, and be answered at once again.
            self._client.loop.call_soon(self._resolved, [Address(socket.AF_UNIX, origin.host, _FOREVER)])
        else:
            self._lookup = self._client.resolver.addresses(origin.host, self._resolved)

    def cancel(self) -> None:
        """Nothing is told."""
        self._stage = _Stage.FAILED
        self._tidy()
        if self._lookup is not None:
            self._lookup.cancel()
        if self._step is not None:
            self._step.close()

    def _expire(self) -> None:
        self._timer = None
        what = f"could not {self._stage.value} in time: {self._target}"
        details = f"; {'; '.join(self._errors)}" if self._errors else ""
        self._fail(NetworkTimeout(what + details, limit="connect_timeout"))

    # -- addresses ----------------------------------------------------------------------------

    def _resolved(self, found: Sequence[Address] | SkitaiError) -> None:
        if self._stage is not _Stage.RESOLVING:
            return
        if isinstance(found, SkitaiError):
            # Not at once: whoever is told may try again, and be answered at once again.
            self._client.loop.call_soon(self._fail, found)
            return
        self._stage = _Stage.CONNECTING
        self._addresses.extend(found)
        self._client.loop.call_soon(self._try_next)

    def _try_next(self) -> None:
        """Begin another attempt beside those that are under way."""
        self._next = None
        if self._stage is not _Stage.CONNECTING:
            return
        while self._addresses:
            address = self._addresses.popleft()
            error = self._attempt(address)
            if error is None:
                if self._addresses:
                    self._next = self._client.loop.call_later(_HEAD_START, self._try_next)
                return
            self._note(address, error)
        if not self._attempts:
            self._fail(ConnectError(f"no connection to {self._target}: {'; '.join(self._errors)}"))

    def _attempt(self, address: Address) -> OSError | None:
        origin = self._pool.origin.proxy or self._pool.origin
        try:
            sock = socket.socket(address.family, socket.SOCK_STREAM)
        except OSError as error:
            return error
        try:
            sock.setblocking(False)
            if origin.is_unix:
                # EAGAIN is a full queue there (unix(7)), and nothing would come of waiting.
                code = sock.connect_ex(address.sockaddr_host)
                under_way = _AT_ONCE
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                code = sock.connect_ex((address.sockaddr_host, origin.port))
                under_way = _UNDER_WAY
            if code not in under_way:
                raise OSError(code, os.strerror(code))
            self._client.loop.watch(sock, engine.WRITE, lambda _: self._connected(sock))
        except OSError as error:
            sock.close()
            return error
        self._attempts[sock] = address
        return None

    def _note(self, address: Address, error: OSError) -> None:
        self._errors.append(f"{address.sockaddr_host}: {error.strerror or error}")

    def _connected(self, sock: socket.socket) -> None:
        address = self._attempts.pop(sock)
        self._client.loop.unwatch(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            sock.close()
            self._note(address, OSError(code, os.strerror(code)))
            if self._next is not None:
                self._next.cancel()
            self._try_next()
            return
        self._tidy(keep_clock=True)
        origin = self._pool.origin
        if origin.proxy is not None and origin.scheme == "https":
            self._stage = _Stage.TUNNELLING
            tunnel = self._step = Tunnel(
                self._client.loop, self._client.limits, sock, origin, self._tunnelled, self._fail
            )
            tunnel.begin()
        else:
            self._tunnelled(sock)

    def _tunnelled(self, sock: socket.socket) -> None:
        origin = self._pool.origin
        if origin.tls is None:
            self._made(sock)
            return
        self._stage = _Stage.SHAKING
        self._step = self._client.handshakes.begin(
            self._client.contexts, sock, origin, self._made, self._fail
        )

    # -- the end ------------------------------------------------------------------------------

    def _made(self, transport: engine.Transport) -> None:
        self._stage = _Stage.MADE
        self._step = None
        self._tidy()
        self._pool.made(self, self._product(transport))

    def _product(self, transport: engine.Transport) -> Any:
        client = self._client
        return engine.OutboundConnection(self._pool, client.loop, transport, client.limits, client.scratch)

    def _fail(self, error: SkitaiError) -> None:
        if self._stage in (_Stage.MADE, _Stage.FAILED):
            return
        self.cancel()
        self._pool.not_made(self, error)

    def _tidy(self, *, keep_clock: bool = False) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._timer is not None and not keep_clock:
            self._timer.cancel()
            self._timer = None
        attempts, self._attempts = self._attempts, {}
        for sock in attempts:
            with suppress(KeyError, OSError):
                self._client.loop.unwatch(sock)
            sock.close()
