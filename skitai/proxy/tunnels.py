"""CONNECT: a way to a server, and bytes both ways on it.

    CONNECTING ──connected, 200──▶ ESTABLISHED ──the client has its head──▶ STANDING ──closed──▶ OVER
        └──refused, failed, the client has gone──▶ OVER

The loop thread.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from time import monotonic
from typing import Any

from skitai._kernels import engine
from skitai.core.outbound.client import HttpClient
from skitai.core.outbound.connecting import Connecting
from skitai.core.outbound.request import Origin
from skitai.core.relays import Asked
from skitai.errors import ClientDisconnected, SkitaiError
from skitai.proxy.verdicts import verdict

__all__ = ["TunnelPassage", "Tunnels"]


class Tunnels:
    """Those that stand, and their lines in request.log, as 0.11 wrote them."""

    def __init__(self, log: Callable[[str], None] | None) -> None:
        """``log(text)`` writes an entry of requests."""
        self._log = log
        self.open = 0

    def opened(self) -> None:
        self.open += 1

    def closed(self, peer: tuple[str, int], origin: Origin, up: int, down: int, seconds: float) -> None:
        self.open -= 1
        if self._log is not None:
            client = f"[{peer[0]}]" if ":" in peer[0] else peer[0] or "unix"
            host = f"[{origin.host}]" if ":" in origin.host else origin.host
            life = f"{int(seconds * 1000 + 0.5)}ms"
            what = f"CONNECT tunnel://{host}:{origin.port} HTTP/1.1"
            self._log(f"{client}:{peer[1]} {what} 200 {up}/{down} {life} {life}")


class _Stage(enum.Enum):
    CONNECTING = "to the server"
    ESTABLISHED = "the client is told"
    STANDING = "bytes go both ways"
    OVER = "nothing more"

    __hash__ = object.__hash__


_CONNECTING, _ESTABLISHED, _STANDING, _OVER = _Stage


class _Raw(Connecting):
    """What comes of it is the socket itself."""

    __slots__ = ()

    def _product(self, transport: engine.Transport) -> engine.Transport:
        return transport


class TunnelPassage:
    """A `relays.Passage`, and a `ConnectingOwner`."""

    def __init__(
        self,
        tunnels: Tunnels,
        client: HttpClient,
        asked: Asked,
        origin: Origin,
        on_closed: Callable[[], None],
    ) -> None:
        """``on_closed()``: a tunnel that stood does no more."""
        self.origin = origin
        self._tunnels = tunnels
        self._asked = asked
        self._exchange = asked.exchange
        self._on_closed = on_closed
        self._stage = _CONNECTING
        self._far: engine.Transport | None = None
        self._began = monotonic()
        self._connecting = _Raw(self, client, client.limits.call_connect_timeout)

    @property
    def is_over(self) -> bool:
        return self._stage is _OVER

    def start(self) -> None:
        self._connecting.begin()

    def freed(self, connection: engine.OutboundConnection) -> None:
        raise RuntimeError("a tunnel's socket is no connection that is asked")

    def made(self, connecting: Any, connection: engine.Transport) -> None:
        self._far = connection
        self._stage = _ESTABLISHED
        try:
            self._exchange.establish(self._succeed)
        except ClientDisconnected:
            self.over()

    def not_made(self, connecting: Any, error: SkitaiError) -> None:
        self._stage = _OVER
        self._asked.failed(self._exchange, *verdict(error), f"{self._exchange.head.target}: {error}")

    def _succeed(self, owner: Any, near: engine.Transport, peer: tuple[str, int], info: Any) -> engine.Tunnel:
        far, self._far = self._far, None
        assert far is not None
        self._stage = _STANDING
        self._tunnels.opened()
        return engine.Tunnel(owner, near, peer, far, self._closed)

    def _closed(self, up: int, down: int) -> None:
        self._stage = _OVER
        self._tunnels.closed(self._exchange.peer, self.origin, up, down, monotonic() - self._began)
        self._on_closed()

    def over(self) -> None:
        if self._stage is _CONNECTING:
            self._stage = _OVER
            self._connecting.cancel()
        elif self._stage is _ESTABLISHED and self._exchange.progress is not engine.Progress.DELIVERED:
            self._stage = _OVER
            if self._far is not None:
                self._far.close()
                self._far = None
