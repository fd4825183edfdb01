"""Who belongs to a cluster now: the list of its members, and for names that stand for several, what DNS
says.

A member of the list is a host; its addresses are looked up by the client each time that it connects, so
they may change.  ``dns:name:port`` stands for one member at each address of the name,
``dns:_http._tcp.name`` for one at each of its SRV records (RFC 2782).  Such a name is looked up again
when its answer's time to live is over, so that pods and instances come and go without anybody being
told.  A lookup that fails changes nothing: that DNS is ill does not make the members ill.

The loop thread, but for `peers`, `peer` and `is_settled`, which any thread may read: they are replaced as a
whole.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from skitai._kernels import engine
from skitai.core.config import ClusterSettings, Member, MemberSource
from skitai.core.outbound.request import Origin, TLSOptions
from skitai.core.resolver import Address, Lookup, Resolver, Service
from skitai.errors import NetworkError, ResolveError

__all__ = ["Membership", "Peer", "origin_of"]

_FOREVER = float("inf")

_FAMILIES = {
    "auto": (socket.AF_INET6, socket.AF_INET),
    "v4_preferred": (socket.AF_INET, socket.AF_INET6),
    "v4_only": (socket.AF_INET,),
    "v6_only": (socket.AF_INET6,),
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A member that can be asked.  ``id`` as its `Members` has it; ``authority``, where not empty, is what
    the field Host has to say in place of the origin."""

    id: int
    origin: Origin
    authority: str = ""

    @property
    def node(self) -> tuple[str, int]:
        return self.origin.host, self.origin.port


def origin_of(cluster: ClusterSettings, host: str, port: int, server_name: str = "") -> Origin:
    """``server_name``: in the certificate, unless the settings have another one."""
    if not cluster.ssl:
        return Origin("http", host, port or 80)
    tls = TLSOptions(
        verify=cluster.verify,
        cafile=str(cluster.cafile or ""),
        certfile=str(cluster.certfile or ""),
        keyfile=str(cluster.keyfile or ""),
        server_name=cluster.server_name or server_name,
    )
    return Origin("https", host, port or 443, tls)


@dataclass(frozen=True, slots=True)
class _Found:
    """A member as its source has it; those of one origin are the same member, whatever their weight is."""

    origin: Origin
    authority: str
    weight: int
    priority: int


class _Source:
    """One item of the list."""

    def __init__(self, membership: Membership, member: Member) -> None:
        self._membership = membership
        self._member = member
        self._peers: dict[Origin, Peer] = {}
        self._lookup: Lookup[Address] | Lookup[Service] | None = None
        self._timer: engine.Timer | None = None
        #: It has said who its members are, or that it cannot.
        self.has_spoken = False
        #: Why it has no members.
        self.error: NetworkError | None = None
        if member.source is MemberSource.HOST:
            origin = membership.origin_of(membership.settings, member)
            self._take([_Found(origin, "", member.weight, 0)])
            self.has_spoken = True

    @property
    def peers(self) -> Iterable[Peer]:
        return self._peers.values()

    # -- DNS

    def look(self) -> None:
        if self._member.source is MemberSource.HOST:
            return
        self._timer = None
        names = self._membership.names
        if self._member.source is MemberSource.ADDRESSES:
            self._lookup = names.addresses(self._member.host, self._on_addresses)
        else:
            self._lookup = names.services(self._member.host, self._on_services)

    def close(self) -> None:
        if self._lookup is not None:
            self._lookup.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def _on_addresses(self, found: Sequence[Address] | NetworkError) -> None:
        if isinstance(found, NetworkError):
            self._on_found((), found)
        else:
            wanted = self._of_addresses(found)
            family = self._membership.settings.dns_lookup_family
            error = ResolveError(f"{self._member.host} has no address that is {family}")
            self._on_found(wanted, None if wanted else error, min(record.expires for record in found))

    def _on_services(self, found: Sequence[Service] | NetworkError) -> None:
        if isinstance(found, NetworkError):
            self._on_found((), found)
        else:
            self._on_found(self._of_services(found), None, min(record.expires for record in found))

    def _on_found(self, found: Sequence[_Found], error: NetworkError | None, expires: float = 0.0) -> None:
        self._lookup = None
        self.error = error
        self.has_spoken = True
        if error is None:
            self._take(found)
        delay = max(self._membership.settings.dns_refresh_rate, expires - self._membership.clock())
        if delay < _FOREVER:
            self._timer = self._membership.loop.call_later(delay, self.look)
        self._membership.changed()

    def _of_services(self, records: Sequence[Service]) -> list[_Found]:
        settings = self._membership.settings
        return [
            _Found(origin_of(settings, record.host, record.port), "", max(1, record.weight), record.priority)
            for record in records
        ]

    def _of_addresses(self, records: Sequence[Address]) -> list[_Found]:
        settings, member = self._membership.settings, self._member
        authority = origin_of(settings, member.host, member.port).authority
        return [
            _Found(origin_of(settings, host, member.port, member.host), authority, member.weight, 0)
            for host in sorted(_of_family(records, settings.dns_lookup_family))
        ]

    def _take(self, found: Sequence[_Found]) -> None:
        """Those that stay keep what is known of them."""
        members, now = self._membership.members, self._membership.clock()
        before, self._peers = self._peers, {}
        for item in found:
            if item.origin in self._peers:
                continue  # two records for one server
            peer = before.pop(item.origin, None)
            if peer is None:
                peer = Peer(members.add(item.weight, now, item.priority), item.origin, item.authority)
            else:
                members.rank(peer.id, item.weight, item.priority)
            self._peers[item.origin] = peer
        for peer in before.values():
            members.remove(peer.id)


def _of_family(records: Sequence[Address], wanted: str) -> set[str]:
    """The addresses of the first family that has some, or of all."""
    if wanted == "all":
        return {record.sockaddr_host for record in records}
    for family in _FAMILIES[wanted]:
        hosts = {record.sockaddr_host for record in records if record.family == family}
        if hosts:
            return hosts
    return set()


class Membership:
    def __init__(
        self,
        settings: ClusterSettings,
        members: engine.Members,
        names: Resolver,
        loop: engine.EventLoop,
        clock: Callable[[], float],
        origin_of: Callable[[ClusterSettings, Member], Any],
    ) -> None:
        """``origin_of(settings, member)``: whom a host of the list stands for."""
        self.settings = settings
        self.origin_of = origin_of
        self.members = members
        self.names = names
        self.loop = loop
        self.clock = clock
        #: In the order of the list.
        self.peers: tuple[Peer, ...] = ()
        self._by_id: Mapping[int, Peer] = MappingProxyType({})
        self._waiting: list[Callable[[], None]] = []
        self._on_change: Callable[[Sequence[Peer]], None] = lambda peers: None
        self._sources = [_Source(self, member) for member in settings.members]
        #: Every name has been looked up once.
        self.is_settled = False
        self._gather()

    def peer(self, id: int) -> Peer | None:
        """None where it has just gone."""
        return self._by_id.get(id)

    @property
    def error(self) -> NetworkError | None:
        """Why members are missing, if the last lookup of some name has failed."""
        return next((source.error for source in self._sources if source.error is not None), None)

    def start(self, on_change: Callable[[Sequence[Peer]], None]) -> None:
        """``on_change(peers)`` is told of all, now and whenever they are others."""
        self._on_change = on_change
        on_change(self.peers)
        for source in self._sources:
            source.look()

    def when_settled(self, callback: Callable[[], None]) -> None:
        if self.is_settled:
            callback()
        else:
            self._waiting.append(callback)

    def close(self) -> None:
        """Nothing is looked up any more, and nobody waits for it."""
        for source in self._sources:
            source.close()
        self.is_settled = True
        self._release()

    def changed(self) -> None:
        """Some source knows more, or that it knows nothing."""
        before = self.peers
        self._gather()
        if self.peers != before:
            self._on_change(self.peers)
        if self.is_settled:
            self._release()

    def _release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()

    def _gather(self) -> None:
        peers = tuple(peer for source in self._sources for peer in source.peers)
        self._by_id = MappingProxyType({peer.id: peer for peer in peers})
        self.peers = peers
        self.is_settled = all(source.has_spoken for source in self._sources)
