"""DNS, asked by c-ares: the backend where pycares is installed.

One channel of c-ares after the other.  A new one is made when resolv.conf has changed, when the old one
remembers for longer than we may that there is nothing (`dns_negative_ttl`), and before it remembers too much.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from time import monotonic

from skitai._kernels import engine
from skitai.core.resolver.answers import Address, Answer, Answered, Found, Service
from skitai.core.resolver.changing import ChangingFile
from skitai.core.resolver.channel import Channel, OnResult
from skitai.core.resolver.ordering import arranged
from skitai.core.resolver.records import ipv4_of, ipv6_of, services_of
from skitai.core.resolver.resolvconf import ResolvConf, parse_resolv_conf
from skitai.core.resolver.search import Matter, Search
from skitai.limits import Limits

__all__ = ["NameServers"]


def _in_order(found: list[Address]) -> tuple[Address, ...]:
    addresses = {(address.family, address.sockaddr_host): address for address in found}
    return tuple(addresses[host] for host in arranged(addresses))


def _by_priority(found: list[Service]) -> tuple[Service, ...]:
    """Lowest first (RFC 2782); what the weights mean is for who chooses."""
    return tuple(sorted(found, key=lambda service: service.priority))


# Types of records, in DNS and in pycares: RFC 1035 section 3.2.2, RFC 3596 section 2.1, RFC 2782.
_A, _AAAA, _SRV = 1, 28, 33

#: A channel keeps as many answers as it gets, for an hour: 100 names a second would take half a gigabyte.
_MOST_QUERIES = 2000

# AAAA is asked for first: RFC 8305 section 3.
_ADDRESSES = Matter({_AAAA: ipv6_of, _A: ipv4_of}, _in_order, "address")
_SERVICES = Matter({_SRV: services_of}, _by_priority, "service (SRV record)")


class NameServers:
    """The loop thread's; a `Backend`."""

    def __init__(
        self, loop: engine.EventLoop, limits: Limits, servers: tuple[str, ...], file: ChangingFile
    ) -> None:
        """``servers`` are asked in place of those of ``file``, resolv.conf.  Raises as `Channel` does."""
        self._loop = loop
        self._limits = limits
        self._servers = servers
        self._file = file
        self._conf = ResolvConf()
        #: From when on the channel believes for longer than we do that there is nothing.
        self._stale = float("inf")
        self._queries = 0
        self._read_conf()
        self._channel = self._new_channel()
        self._retired: list[Channel] = []

    def addresses(self, name: str, answered: Answered[Address]) -> None:
        self._search(_ADDRESSES, name, answered)

    def services(self, name: str, answered: Answered[Service]) -> None:
        self._search(_SERVICES, name, answered)

    def close(self) -> None:
        for channel in (self._channel, *self._retired):
            channel.close()

    def _search(self, matter: Matter[Found], name: str, answered: Answered[Found]) -> None:
        if self._read_conf() or monotonic() >= self._stale or self._queries >= _MOST_QUERIES:
            self._retire()
            self._channel = self._new_channel()
        answered = partial(self._pass_on, answered)
        candidates = self._conf.candidates(name)
        Search(self._loop, self._limits, self._query, matter, name, candidates, answered).next()

    def _query(self, name: str, kind: int, on_result: OnResult) -> None:
        """By the channel of today: a long search may outlive the one that it began with."""
        self._queries += 1
        self._channel.query(name, kind, on_result)

    def _pass_on(self, answered: Answered[Found], answer: Answer[Found]) -> None:
        if answer.failure is not None and answer.failure.is_negative:
            self._stale = min(self._stale, answer.expires)
        answered(answer)

    def _retire(self) -> None:
        self._channel.retire()
        self._retired = [channel for channel in (self._channel, *self._retired) if not channel.is_closed]

    def _read_conf(self) -> bool:
        """Whether there is anything new in it."""
        text = self._file.news()
        if text is None:
            return False
        conf = parse_resolv_conf(text)
        self._conf = replace(conf, servers=self._servers or conf.servers)
        return True

    def _new_channel(self) -> Channel:
        self._stale, self._queries = float("inf"), 0
        return Channel(self._loop, self._conf)
