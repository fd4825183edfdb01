"""A resolver on a loop of its own, a name server that it asks, and a getaddrinfo that asks it too."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from skitai._kernels import engine
from skitai.core.resolver import Address, Lookup, Resolver, ResolverOptions, Service
from skitai.core.resolver.resolver import SYSTEM
from skitai.errors import NetworkError
from skitai.limits import Limits
from tests.core.resolver.nameserver import NameServer

__all__ = ["EitherBackend", "World", "getaddrinfo_of", "hosts_of"]

#: Far beyond what anything here may take.
PATIENCE = 15.0


def hosts_of(found: Sequence[Address] | NetworkError) -> list[str]:
    """The addresses as texts; an error is raised."""
    if isinstance(found, NetworkError):
        raise found
    return [address.sockaddr_host for address in found]


class World:
    def __init__(self, folder: Path) -> None:
        self.server = NameServer()
        self.resolv_conf = folder / "resolv.conf"
        self.hosts = folder / "hosts"
        self.errors: list[str] = []
        self.reports: list[str] = []
        self.loop = engine.EventLoop(self.errors.append)
        self._thread = threading.Thread(target=self.loop.run, daemon=True)
        self._thread.start()
        self._resolvers: list[Resolver] = []
        self.write_resolv_conf(f"nameserver {self.server.address}")

    def write_resolv_conf(self, *lines: str) -> None:
        # The domain of the machine that runs the tests is no part of them.
        self.resolv_conf.write_text("\n".join(["search .", *lines, ""]))

    def resolver(self, *servers: str, **limits: Any) -> Resolver:
        options = ResolverOptions(
            limits=Limits(**limits), servers=servers, resolv_conf=self.resolv_conf, hosts=self.hosts
        )
        made: Resolver = self.in_loop(partial(Resolver, self.loop, options, self.reports.append))
        self._resolvers.append(made)
        return made

    def in_loop(self, call: Callable[[], Any]) -> Any:
        """What ``call()`` gives in the loop thread."""
        results: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def run() -> None:
            try:
                results.put((call(), None))
            except Exception as error:
                results.put((None, error))

        self.loop.call_soon(run)
        value, error = results.get(timeout=PATIENCE)
        if error is not None:
            raise error
        return value

    def addresses(self, resolver: Resolver, host: str) -> Sequence[Address] | NetworkError:
        return self._found(partial(resolver.addresses, host))

    def services(self, resolver: Resolver, name: str) -> Sequence[Service] | NetworkError:
        return self._found(partial(resolver.services, name))

    def begin(self, resolver: Resolver, host: str) -> tuple[queue.SimpleQueue[Any], Lookup[Address]]:
        """Where the result will be, and the lookup."""
        results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        lookup: Lookup[Address] = self.in_loop(partial(resolver.addresses, host, results.put))
        return results, lookup

    def _found(self, look_up: Callable[[Callable[[Any], None]], object]) -> Any:
        results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.loop.call_soon(look_up, results.put)
        return results.get(timeout=PATIENCE)

    def close(self) -> None:
        for resolver in self._resolvers:
            self.in_loop(resolver.close)
        self.loop.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self.server.close()
        assert self.errors == []


class EitherBackend:
    """Resolvers that ask ``world.server`` by c-ares or by a getaddrinfo."""

    def __init__(self, world: World, backend: str) -> None:
        self.world = world
        self.backend = backend

    def resolver(self, **limits: Any) -> Resolver:
        if self.backend == SYSTEM:
            return self.world.resolver(SYSTEM, **limits)
        return self.world.resolver(self.world.server.address, **limits)


def getaddrinfo_of(server: NameServer) -> Callable[..., list[Any]]:
    """As the C library's, but asking ``server`` only: it blocks, searches nowhere and knows no literal."""

    def getaddrinfo(host: bytes, port: None, family: int, kind: int) -> list[Any]:
        found: list[Any] = []
        rcodes = set()
        for rdtype, af in ((dns.rdatatype.AAAA, socket.AF_INET6), (dns.rdatatype.A, socket.AF_INET)):
            reply = _ask(server, host.decode("ascii"), rdtype)
            rcodes.add(reply.rcode())
            for rrset in reply.answer:
                if rrset.rdtype == rdtype:
                    found += [(af, kind, 6, "", (item.address, 0)) for item in rrset]
        if found:
            return found
        if rcodes <= {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    return getaddrinfo


def _ask(server: NameServer, name: str, rdtype: dns.rdatatype.RdataType) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype)
    deadline = time.monotonic() + 2 * PATIENCE
    try:
        reply, _ = dns.query.udp_with_fallback(
            query, "127.0.0.1", timeout=deadline - time.monotonic(), port=server.port, ignore_unexpected=True
        )
    except (OSError, dns.exception.DNSException) as error:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution") from error
    return reply
