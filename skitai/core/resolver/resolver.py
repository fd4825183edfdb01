"""The resolver of an instance: who knows a name, in this order.

    1. it is an address already                      names.py
    2. localhost: this machine (RFC 6761)
    3. the hosts file
    4. answers that are kept, then whom is asked     directory.py

A worker has one, made with its loop.  Who is asked is decided when the first name needs it, so that pycares
is in memory only where it is used.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from skitai._kernels import engine
from skitai.core.resolver.answers import Address, Answer, Answered, Backend, Failure, Found, Service
from skitai.core.resolver.changing import ChangingFile
from skitai.core.resolver.directory import Directory, Lookup
from skitai.core.resolver.hosts import HostsFile
from skitai.core.resolver.names import host_name, is_local, literal
from skitai.core.resolver.nameservers import NameServers
from skitai.core.resolver.ordering import arranged
from skitai.core.resolver.system import System
from skitai.errors import ConfigError, NetworkError, ResolveError
from skitai.limits import Limits

__all__ = ["SYSTEM", "Resolver", "ResolverOptions"]

#: The value of ``dns`` that stands for the system's getaddrinfo.
SYSTEM = "system"

_LOOPBACK = ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1"))


def _hosts_file() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "drivers", "etc", "hosts")
    return Path("/etc/hosts")


@dataclass(frozen=True, slots=True)
class ResolverOptions:
    """``servers``: the key ``dns``: name servers in place of those of ``resolv_conf``, or `SYSTEM` alone."""

    limits: Limits = field(default_factory=Limits)
    servers: tuple[str, ...] = ()
    resolv_conf: Path = Path("/etc/resolv.conf")
    hosts: Path = field(default_factory=_hosts_file)


class Resolver:
    """The loop thread's."""

    def __init__(
        self, loop: engine.EventLoop, options: ResolverOptions, report: Callable[[str], None]
    ) -> None:
        """``report(text)`` writes a line for the operator.

        Raises ConfigError where name servers are given and pycares is not installed, or does not load.
        """
        self._loop = loop
        self._options = options
        self._report = report
        self._hosts = HostsFile(options.hosts, report)
        self._addresses = Directory[Address](loop, options.limits, self._ask_for_addresses)
        self._services = Directory[Service](loop, options.limits, self._ask_for_services)
        self._loopback: list[tuple[int, str]] = []
        self._backend: Backend | None = None
        self._is_closed = False
        if options.servers not in ((), (SYSTEM,)):
            self._backend = self._name_servers()

    def addresses(
        self, host: str, on_done: Callable[[Sequence[Address] | NetworkError], None]
    ) -> Lookup[Address]:
        """``on_done`` is called once in the loop thread, perhaps before this returns: with the addresses of
        ``host`` in the order in which they should be tried, at least one, or with a ResolveError or a
        NetworkTimeout."""
        try:
            self._refuse_if_closed(host)
            if (address := literal(host)) is not None:
                return _tell_at_once(on_done, [address], float("inf"))
            name = host_name(host)
        except ResolveError as error:
            return _refuse(on_done, error)
        if is_local(name):
            self._loopback = self._loopback or arranged(_LOOPBACK)
            return _tell_at_once(on_done, self._loopback, float("inf"))
        if known := self._hosts.addresses(name):
            return _tell_at_once(on_done, arranged(known), monotonic() + self._options.limits.dns_ttl_min)
        return self._addresses.look_up(name, on_done)

    def services(
        self, name: str, on_done: Callable[[Sequence[Service] | NetworkError], None]
    ) -> Lookup[Service]:
        """The SRV records of ``name`` (``_http._tcp.example.com``), the lowest number of priority first; else
        as `addresses`."""
        try:
            self._refuse_if_closed(name)
            return self._services.look_up(host_name(name), on_done)
        except ResolveError as error:
            return _refuse(on_done, error)

    def close(self) -> None:
        """Who waits is told nothing any more."""
        self._is_closed = True
        self._addresses.close()
        self._services.close()
        if self._backend is not None:
            self._backend.close()

    def _refuse_if_closed(self, name: str) -> None:
        if self._is_closed:
            raise ResolveError(f"{name!r} is not looked up: the process is ending")

    # -- whom to ask ------------------------------------------------------------------------

    def _ask_for_addresses(self, name: str, answered: Answered[Address]) -> None:
        self._whom().addresses(name, answered)

    def _ask_for_services(self, name: str, answered: Answered[Service]) -> None:
        self._whom().services(name, answered)

    def _whom(self) -> Backend:
        if self._backend is None:
            self._backend = self._system_or_name_servers()
        return self._backend

    def _system_or_name_servers(self) -> Backend:
        options = self._options
        if not options.servers:
            try:
                return self._name_servers()
            except ConfigError as error:
                if not isinstance(error.__cause__, ModuleNotFoundError):
                    self._report(f"names of hosts: the system is asked, because {error.message}")
        return System(self._loop, options.limits)

    def _name_servers(self) -> NameServers:
        options = self._options
        try:
            importlib.import_module("pycares")
        except (ImportError, RuntimeError) as error:
            raise ConfigError(f"pycares does not load: {error}", hint="pip install skitai[dns]") from error
        file = ChangingFile(options.resolv_conf, self._report)
        return NameServers(self._loop, options.limits, options.servers, file)


def _tell_at_once(
    on_done: Callable[[Sequence[Address] | NetworkError], None],
    hosts: Iterable[tuple[int, str]],
    expires: float,
) -> Lookup[Address]:
    lookup = Lookup(on_done)
    lookup.tell(Answer(tuple(Address(*host, expires) for host in hosts), expires))
    return lookup


def _refuse(on_done: Callable[[Sequence[Found] | NetworkError], None], error: ResolveError) -> Lookup[Found]:
    lookup = Lookup(on_done)
    lookup.tell(Answer((), 0.0, Failure(str(error))))
    return lookup
