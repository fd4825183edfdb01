"""Whom the forward proxy serves, and where it goes for them.

A proxy that goes wherever it is sent is a door into the network that it stands in: to the router's pages,
to the metadata of a cloud, to what listens on its own loopback.  So without being told it goes only to
addresses that the whole Internet can reach, and CONNECT only to port 443.  ``proxy_allow`` lists what it may
do besides:

    intranet.example.com        this host, whatever its address, on any port
    .example.com                it and all names below
    mail.example.com:993        this host, on this port
    10.1.0.0/16                 these addresses, under whatever name

A name that resolves to several addresses is refused only if nothing is left of them; the connection is made
to an address that was looked at, not to what the name says a moment later.

Immutable; any thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from skitai.core.config import ProxyTarget

__all__ = ["Permits"]

_TLS_PORT = 443
#: For protocols between machines (RFC 6890 section 2.2.2), of which some Pythons know the first eight only.
_ASSIGNMENTS = IPv4Network("192.0.0.0/24")
#: IPv6 addresses in whose last 32 bits, or at another place, stands an IPv4 address that packets go to:
#: RFC 6052 section 2.1, and its network for local use.
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


class Permits:
    def __init__(self, allow: Iterable[ProxyTarget] = ()) -> None:
        allow = tuple(allow)
        self._names = tuple(target for target in allow if target.network is None)
        self._networks = tuple(target.network for target in allow if target.network is not None)

    def lists(self, host: str, port: int) -> bool:
        """The host is named, with this port or with any: nothing else is asked of it."""
        return any(target.names(host, port) for target in self._names)

    def may_connect(self, host: str, port: int) -> bool:
        """CONNECT to this port; where to is another question."""
        return port == _TLS_PORT or self.lists(host, port)

    def reaches(self, text: str) -> bool:
        """An address that a name has resolved to, or that was asked for itself."""
        address = ip_address(text.partition("%")[0])
        return is_public(address) or any(
            address.version == network.version and address in network for network in self._networks
        )


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the whole Internet can reach it."""
    if isinstance(address, IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return is_public(inner)
    elif address in _ASSIGNMENTS:
        return False
    return address.is_global and not (
        address.is_multicast
        or address.is_private
        or address.is_reserved
        or address.is_link_local
        or address.is_loopback
        or address.is_unspecified
    )


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Where packets to ``address`` end up, if that is at an IPv4 address."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if any(address in network for network in _NAT64):
        return IPv4Address(address.packed[-4:])
    if address.sixtofour is not None:
        return address.sixtofour
    return None if address.teredo is None else address.teredo[1]
