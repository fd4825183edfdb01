"""Which address of a host to try first: RFC 6724 section 6, then families in turns (RFC 8305 section 4).

Of the rules of RFC 6724 those are followed that a program can know: 1 (there is a way to it), 2 (scope),
5 (label), 6 (precedence) and 8 (smaller scope).  Not followed: 3, 4 and 7, which need to know how the system
came to its own addresses; and 9 (longest common prefix), which undoes the order in which servers give
addresses to spread the load.  Equal ones stay as they came.

Which of our addresses would be used the system says: a UDP socket is connected, which sends nothing.  It is
asked once for each kind of address (family, scope, label), since a name may have hundreds of one kind.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import zip_longest
from typing import NamedTuple

__all__ = ["arranged", "source_address"]

_LINK_LOCAL, _SITE_LOCAL, _GLOBAL = 0x2, 0x5, 0xE

#: RFC 6724 section 2.1, the longest prefix first: prefix, precedence, label.  IPv4 is ::ffff:0:0/96.
_POLICY = [
    (ipaddress.IPv6Network(prefix), precedence, label)
    for prefix, precedence, label in (
        ("::1/128", 50, 0),
        ("::ffff:0:0/96", 35, 4),
        ("::/96", 1, 3),
        ("2001::/32", 5, 5),
        ("2002::/16", 30, 2),
        ("3ffe::/16", 1, 12),
        ("fec0::/10", 1, 11),
        ("fc00::/7", 3, 13),
        ("::/0", 40, 1),
    )
]
_LINK_LOCAL_4 = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv4Network("169.254.0.0/16"))
_LOOPBACK_6 = ipaddress.IPv6Address("::1")
#: Discard, as good as any: nothing is sent.
_PORT = 9

_Host = tuple[int, str]


class _Kind(NamedTuple):
    family: int
    scope: int
    precedence: int
    label: int
    #: The interface, of link-local addresses.
    zone: str


def source_address(family: int, host: str) -> str | None:
    """Which of our addresses would speak to ``host``; None: there is no way to it."""
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        probe.connect((host, _PORT))
        return str(probe.getsockname()[0])
    return None


def arranged(
    hosts: Iterable[_Host], source: Callable[[int, str], str | None] = source_address
) -> list[_Host]:
    """``hosts`` (family and address) in the order in which they should be tried; none twice.

    Those that there is a way to come first, of each family in turn.
    """
    kinds = {host: _kind_of(*host) for host in hosts}
    if len(kinds) < 2:
        return list(kinds)
    ranks: dict[_Kind, tuple[int, ...]] = {}
    for host, kind in kinds.items():
        if kind not in ranks:
            ranks[kind] = _rank(kind, source(*host))
    ordered = sorted(kinds, key=lambda host: ranks[kinds[host]])
    reachable = [host for host in ordered if not ranks[kinds[host]][0]]
    return _in_turns(reachable) + _in_turns(ordered[len(reachable) :])


def _rank(kind: _Kind, source: str | None) -> tuple[int, ...]:
    """Less is better, rule by rule."""
    if source is None:
        return 1, 0, 0, -kind.precedence, kind.scope
    ours = _kind_of(kind.family, source)
    return 0, kind.scope != ours.scope, kind.label != ours.label, -kind.precedence, kind.scope


def _in_turns(hosts: list[_Host]) -> list[_Host]:
    if not hosts:
        return hosts
    first = hosts[0][0]
    preferred = [host for host in hosts if host[0] == first]
    others = [host for host in hosts if host[0] != first]
    return [host for pair in zip_longest(preferred, others) for host in pair if host is not None]


def _kind_of(family: int, host: str) -> _Kind:
    if family == socket.AF_INET:
        address = ipaddress.IPv4Address(host)
        near = any(address in network for network in _LINK_LOCAL_4)
        return _Kind(family, _LINK_LOCAL if near else _GLOBAL, 35, 4, "")
    address6 = ipaddress.IPv6Address(host)
    if address6.is_link_local or address6 == _LOOPBACK_6:
        scope = _LINK_LOCAL
    else:
        scope = _SITE_LOCAL if address6.is_site_local else _GLOBAL
    _, precedence, label = next(policy for policy in _POLICY if address6 in policy[0])
    return _Kind(family, scope, precedence, label, address6.scope_id or "")
