"""The forward proxy: ``GET http://host/path`` and ``CONNECT host:port`` (RFC 9110 sections 7.1, 9.3.6).

Who may use it is in `admission`, where it goes in `permits`.  A request is a `Passage` as those of the
reverse proxy, without a cluster; CONNECT is a `TunnelPassage`.  Nobody is told who the client is: fields that
say so are left out, whoever wrote them.

The loop thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from skitai._kernels import http1
from skitai.core.config import ServerSettings
from skitai.core.outbound.client import HttpClient
from skitai.core.outbound.connecting import Names
from skitai.core.outbound.request import Cancelable, Origin, Outcome, Request, TLSOptions
from skitai.core.relays import Asked, Cut
from skitai.core.relays import Passage as AnyPassage
from skitai.errors import HTTPError
from skitai.limits import Limits
from skitai.proxy.admission import Clients, Users
from skitai.proxy.guarded import GuardedNames
from skitai.proxy.headfields import named_protocols, request_fields
from skitai.proxy.passage import Passage, Terms
from skitai.proxy.permits import Permits
from skitai.proxy.tunnels import TunnelPassage, Tunnels

__all__ = ["ForwardProxy"]

_SCHEMES = {"http": 80, "ws": 80, "https": 443, "wss": 443}
#: Leading zeros are allowed (RFC 3986 section 3.2.3), but nobody has a use for many, and Python takes no
#: numbers of thousands of digits.
_PORT_DIGITS = 9
#: What says who the client is, and what is meant for us.
_NOT_PASSED_ON = frozenset(
    {"forwarded", "proxy-authorization", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
)


class _Direct:
    """In the place of a cluster: the one that the request names."""

    title = "the forward proxy"

    @staticmethod
    def begin(
        request: Request,
        on_done: Callable[[Outcome], None],
        send: Callable[[Request, Callable[[Outcome], None]], Cancelable],
    ) -> Cancelable:
        return send(request, on_done)


@dataclass(slots=True)
class _Counted:
    """A passage that its client has a place for."""

    clients: Clients
    address: str
    passage: AnyPassage | None = None
    has_place: bool = True

    def leave(self) -> None:
        if self.has_place:
            self.has_place = False
            self.clients.leave(self.address)

    def over(self) -> None:
        if self.passage is not None:
            self.passage.over()
        if not isinstance(self.passage, TunnelPassage) or self.passage.is_over:
            self.leave()


class ForwardProxy:
    """A `skitai.core.relays.Relay`."""

    def __init__(
        self,
        settings: ServerSettings,
        limits: Limits,
        another_client: Callable[[Callable[[Names], Names]], HttpClient],
        log: Callable[[str], None] | None,
        warn: Callable[[str], None],
    ) -> None:
        """``another_client(guard)`` makes one that looks names up through ``guard(names)``; ``log(text)``
        writes a line among those of requests, ``warn(text)`` one for the operator.  Raises ConfigError: the
        users' file cannot be used."""
        self._limits = limits
        self._permits = Permits(settings.proxy_allow)
        self._clients = Clients(settings.proxy_clients, limits.proxy_requests_per_client_max)
        self._users = None if settings.proxy_users_file is None else Users(settings.proxy_users_file, warn)
        self._another_client = another_client
        self._tunnels = Tunnels(log)
        self._open: Terms | None = None
        self._guarded: Terms | None = None

    def way(self, scheme: str, cut: Cut) -> None:
        """Targets in absolute-form are not plain."""

    def begin(self, asked: Asked) -> AnyPassage:
        head = asked.exchange.head
        address = asked.exchange.peer[0]
        if not self._clients.may(address):
            raise HTTPError(403, "This proxy is for others (proxy_clients).")
        if self._users is not None:
            self._users.check(head)
        if head.method == "TRACE":
            raise HTTPError(405, "TRACE is not passed on.")
        if head.method == "CONNECT" and head.has_body:
            # It would have no meaning (RFC 9110 section 9.3.6), and be taken for the tunnel's by somebody.
            raise HTTPError(400, "CONNECT has no body.")
        origin = self._origin(head)
        if not self._clients.enter(address):
            raise HTTPError(429, "Too much of this client is under way here (proxy_requests_per_client_max).")
        counted = _Counted(self._clients, address)
        try:
            counted.passage = self._passage(asked, origin, counted)
        except BaseException:
            counted.leave()
            raise
        return counted

    def _origin(self, head: http1.RequestHead) -> Origin:
        scheme = head.scheme or "http"
        if scheme not in _SCHEMES:
            raise HTTPError(501, f"This proxy does not speak {scheme}.")
        is_secure = _SCHEMES[scheme] == 443
        host, port = _host_and_port(head.host, _SCHEMES[scheme])
        if head.method == "CONNECT" and not self._permits.may_connect(host, port):
            raise HTTPError(403, f"This proxy makes no way to port {port} (proxy_allow).")
        return Origin("https" if is_secure else "http", host, port, TLSOptions() if is_secure else None)

    def _passage(self, asked: Asked, origin: Origin, counted: _Counted) -> AnyPassage:
        terms, head = self._terms(origin), asked.exchange.head
        if head.method == "CONNECT":
            tunnel = TunnelPassage(self._tunnels, terms.client, asked, origin, counted.leave)
            counted.passage = tunnel
            tunnel.start()
            return tunnel
        protocols = named_protocols(head)
        fields = request_fields(head, asked.client, "", "", origin.authority)
        fields = [field for field in fields if field[0].lower() not in _NOT_PASSED_ON]
        if protocols:
            fields += [("Connection", "Upgrade"), ("Upgrade", protocols)]
        target = head.path or "/"
        if head.query or head.target.endswith("?"):
            target = f"{target}?{head.query}"
        passage = Passage(terms, asked, protocols)
        passage.start(target, fields, origin)
        return passage

    def _terms(self, origin: Origin) -> Terms:
        """With the first request of its kind: at the end of a process nobody makes a client for it."""
        if self._permits.lists(origin.host, origin.port):
            self._open = terms = self._open or self._settle(_unguarded)
        else:
            self._guarded = terms = self._guarded or self._settle(self._guard)
        return terms

    def _guard(self, names: Names) -> Names:
        return GuardedNames(names, self._permits)

    def _settle(self, guard: Callable[[Names], Names]) -> Terms:
        limits = self._limits
        return Terms(_Direct(), self._another_client(guard), limits, limits.response_timeout, limits.body_max)


def _unguarded(names: Names) -> Names:
    return names


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    """Raises HTTPError (400)."""
    host, colon, port = authority.rpartition(":")
    if not colon or "]" in port:
        host, port = authority, ""
    if len(port) > _PORT_DIGITS or not 0 < (number := int(port or default)) <= 65535:
        raise HTTPError(400, f"There is no port {port[:_PORT_DIGITS]}.")
    return host.strip("[]").rstrip("."), number
