"""Who the client is, when requests come through proxies.

Called by the service for each request, in the loop thread.  Anybody can send ``X-Forwarded-For``;
it says something only if the peer, whose address the operating system vouches for, is one of
``trusted_proxies``.

* From anybody else all of `UNTRUSTED_FIELDS` is ignored here and withheld from applications,
  which could otherwise be fooled by what the server was not.
* From a trusted proxy the chain of hops is read from the right, the end that our own proxies
  wrote: trusted hops are passed over, the first other address is the client.  What stands further
  left was written by that client and proves nothing.
* Scheme and host are those that the client's own hop was asked for.
* A value that is no address, scheme or host ends the walk or is left out: the last good word
  stands, down to the connection's own.  What was left out is withheld from applications too.
* ``X-Forwarded-*`` wins over ``Forwarded`` (RFC 7239): nearly all proxies write the former and pass
  the latter through from the client unseen.  With one of them present, Forwarded is not believed.

A trusted proxy must set, or remove, the fields that it does not mean to pass on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from skitai._kernels import http1
from skitai.errors import ConfigError

__all__ = ["UNTRUSTED_FIELDS", "ClientView", "TrustedProxies"]

_PLAIN_FIELDS = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")

#: Fields that applications and their frameworks take a proxy's word from.
UNTRUSTED_FIELDS = frozenset(
    {
        *_PLAIN_FIELDS,
        "forwarded",
        "front-end-https",
        "x-forwarded-by",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-protocol",
        "x-forwarded-scheme",
        "x-forwarded-server",
        "x-forwarded-ssl",
        "x-real-ip",
        "x-request-deadline",
        "x-scheme",
        "x-url-scheme",
    }
)

#: More proxies than this in a row are a loop or an attempt to keep us busy.
_HOPS_MAX = 32

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PAIR = rf"{_TOKEN}=(?:{_TOKEN}|{_QUOTED})"
# The last forwarded-element of a list (RFC 7239 section 4).  It is looked for from the end, so
# that an unfinished quotation of the client's does not swallow what our proxy has added.
_LAST_ELEMENT = re.compile(rf"(?:^|,)[ \t]*({_PAIR}(?:[ \t]*;[ \t]*{_PAIR})*)[ \t]*$")
_PAIRS = re.compile(rf"({_TOKEN})=({_TOKEN}|{_QUOTED})")

# IPv4[:port], [IPv6][:port] as proxies write it, or IPv6 alone.
_NODE = re.compile(r"(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{1,5}))?|([0-9A-Fa-f:.]+)")

_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_.])?|\[([0-9a-f:.]+)\])(?::([0-9]{1,5}))?")
_HOST_MAX = 255


class ClientView(NamedTuple):
    """The client as an application sees it.

    ``address`` is an IP address in its shortest form, empty behind a unix socket; ``port`` is 0
    where it is unknown; ``scheme`` is ``http`` or ``https``; ``host`` an authority in lower case,
    empty if none was named; ``withheld`` names request fields (lower case) that the application
    must not see.
    """

    address: str
    port: int
    scheme: str
    host: str
    withheld: frozenset[str]


class _Hop(NamedTuple):
    """What one proxy wrote: the node that it was asked by, and how."""

    node: str | None
    scheme: str | None
    host: str | None


class TrustedProxies:
    """The proxies whose word is taken.  Immutable but for a bounded memory; for any thread."""

    def __init__(self, items: Iterable[str]) -> None:
        """``items``: addresses (``10.0.0.1``), networks (``fd00::/8``) and ``unix`` for peers that
        come through a unix socket.  Raises ConfigError for anything else."""
        networks: list[IPv4Network | IPv6Network] = []
        self._unix = False
        for item in items:
            if item == "unix":
                self._unix = True
                continue
            try:
                networks.append(ip_network(item, strict=False))
            except ValueError:
                raise ConfigError(
                    f"trusted_proxies: {item!r} is no address or network",
                    hint="write 10.0.0.1, 10.0.0.0/8, fd00::/8 or unix",
                ) from None
        self._networks = tuple(networks)
        self._trusts_nobody = not self._unix and not networks
        self._trusts = lru_cache(maxsize=1024)(self._is_trusted)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return not self._trusts_nobody

    def trusts(self, address: str) -> bool:
        """Whether who has connected from ``address`` (empty: through a unix socket) is one of them."""
        return not self._trusts_nobody and self._trusts(address)

    def resolve(self, address: str, port: int, head: http1.RequestHead, scheme: str) -> ClientView:
        """The client of the request ``head`` that came from ``address`` and ``port`` (empty and 0: a
        unix socket) by ``scheme``."""
        if not self.trusts(address):
            return ClientView(address, port, scheme, head.host, UNTRUSTED_FIELDS)
        for_, proto, host = (head.get(name) for name in _PLAIN_FIELDS)
        forwarded = head.get("forwarded")
        peer = ClientView(address, port, scheme, head.host, frozenset())
        if for_ is None and proto is None and host is None:
            return peer if forwarded is None else self._by_forwarded(forwarded, peer)
        view = self._by_plain_fields(for_, proto, host, peer)
        return view if forwarded is None else view._replace(withheld=view.withheld | {"forwarded"})

    def _by_plain_fields(
        self, for_: str | None, proto: str | None, host: str | None, peer: ClientView
    ) -> ClientView:
        """By X-Forwarded-For, -Proto and -Host."""
        nodes = _items(for_)
        address, port, passed = peer.address, peer.port, 0
        withheld = set()
        for node in reversed(nodes[-_HOPS_MAX:]):
            found = _read_node(node)
            if found is None:
                withheld.add("x-forwarded-for")
                break
            address, port = found
            passed += 1
            if not self._trusts(address):
                break
        scheme = _read_scheme(_of_hop(_items(proto), len(nodes), passed))
        authority = _read_host(_of_hop(_items(host), len(nodes), passed))
        if proto is not None and scheme is None:
            withheld.add("x-forwarded-proto")
        if host is not None and authority is None:
            withheld.add("x-forwarded-host")
        return ClientView(address, port, scheme or peer.scheme, authority or peer.host, frozenset(withheld))

    def _by_forwarded(self, value: str, peer: ClientView) -> ClientView:
        view = peer
        value = value.rstrip(", \t")
        for _ in range(_HOPS_MAX):
            match = _LAST_ELEMENT.search(value)
            if match is None:
                return view._replace(withheld=frozenset({"forwarded"}))
            hop = _read_element(match[1])
            node = _read_node(hop.node) if hop.node is not None else None
            view = ClientView(
                *(node or view[:2]),
                _read_scheme(hop.scheme) or view.scheme,
                _read_host(hop.host) or view.host,
                # A proxy may keep silent about the node; it may not talk nonsense.
                frozenset() if node or hop.node is None else frozenset({"forwarded"}),
            )
            value = value[: match.start()]
            if node is None or not value or not self._trusts(view.address):
                break
        return view

    def _is_trusted(self, address: str) -> bool:
        if not address:
            return self._unix
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)


def _items(value: str | None) -> list[str]:
    """The items of a comma list; empty ones do not count (RFC 9110 section 5.6.1.2)."""
    return [item for item in (part.strip(" \t") for part in (value or "").split(",")) if item]


def _of_hop(values: list[str], hops: int, passed: int) -> str | None:
    """The value that belongs to the client's hop: of a list as long as that of the hops the one at
    the same place; else there must be one value only."""
    if len(values) == hops and passed:
        return values[-passed]
    return values[0] if len(set(values)) == 1 else None


def _read_element(text: str) -> _Hop:
    pairs: dict[str, str] = {}
    for name, value in _PAIRS.findall(text):
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        pairs.setdefault(name.lower(), value)
    return _Hop(pairs.get("for"), pairs.get("proto"), pairs.get("host"))


def _read_node(text: str) -> tuple[str, int] | None:
    """Address in its shortest form and port (0: not given); None for what is no address, such
    as ``unknown`` and the obfuscated identifiers of RFC 7239 section 6.3."""
    match = _NODE.fullmatch(text)
    if match is None:
        return None
    port = int(match[3] or 0)
    try:
        address = ip_address(match[1] or match[2] or match[4])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return (str(address), port) if port <= 65535 else None


def _read_scheme(text: str | None) -> str | None:
    scheme = (text or "").lower()
    return scheme if scheme in ("http", "https") else None


def _read_host(text: str | None) -> str | None:
    host = (text or "").lower()
    match = _HOST.fullmatch(host)
    if match is None or len(host) > _HOST_MAX or int(match[2] or 0) > 65535:
        return None
    if match[1]:
        try:
            IPv6Address(match[1])
        except ValueError:
            return None
    return host
