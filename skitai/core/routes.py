"""Which host and which mounts a request is for.

`RouteTable.host` turns the authority of a request into a `VirtualHost`, `VirtualHost.match`
turns its path into the mounts to ask, in order.  Both are asked for every request and are a
few dictionary look-ups, however many hosts and routes there are.

Built once from `skitai.core.config.Settings`; immutable from then on and read from any
thread.  The one thing that changes is the memory of host names, a bounded dictionary whose
single operations are atomic: two threads can at worst work out the same name twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from skitai.core.compression import Compression, compression_of
from skitai.core.config import (
    HostSettings,
    MountSection,
    MountSettings,
    Route,
    Settings,
)
from skitai.core.config.routelines import find_rule
from skitai.core.config.targets import Target
from skitai.core.redirects import quote_path
from skitai.errors import ConfigError

__all__ = ["Mount", "RouteTable", "VirtualHost", "host_name"]

_HOSTS_REMEMBERED = 1024
#: No name in the DNS is longer (RFC 1035 section 2.3.4); what else is sent need not be kept.
_HOST_LENGTH_MAX = 255


@dataclass(frozen=True, slots=True, eq=False)  # told apart by identity: it is a key for each request
class Mount:
    """One target at one path.  ``path`` is decoded, without a slash at its end, "" for the root:
    it is the SCRIPT_NAME.  ``problem`` says why it cannot be served, where it cannot; ``compression`` is
    None where nothing is compressed."""

    path: str
    had_trailing_slash: bool
    target: Target
    options: MountSettings
    problem: ConfigError | None = None
    compression: Compression | None = None

    @property
    def kind(self) -> Literal["static", "app", "cluster"]:
        return self.target.kind


class VirtualHost:
    """The mounts of one host name, or of one ``.domain``, or of all other hosts.

    ``redirect_to`` is ``https://www.example.com`` where every request is to be sent there with
    its path and query, else empty; ``https_only`` and ``hsts`` are None where the listener's hold.
    ``error_pages`` are for paths where nothing is mounted.
    """

    __slots__ = (
        "_chains",
        "_redirects",
        "depth",
        "error_pages",
        "hsts",
        "https_only",
        "mounts",
        "name",
        "redirect_to",
    )

    def __init__(
        self, settings: HostSettings, mounts: Iterable[Mount], error_pages: Path | None = None
    ) -> None:
        self.name = settings.name
        self.error_pages = error_pages
        self.mounts = tuple(sorted(mounts, key=_order))
        self.redirect_to = settings.redirect_to
        self.https_only = settings.https_only
        self.hsts = settings.hsts
        # For each mounted path everything at it and above it, the longest path first.
        self._chains = {
            mount.path: tuple(other for other in self.mounts if _covers(other.path, mount.path))
            for mount in self.mounts
        }
        self.depth = max((path.count("/") for path in self._chains), default=0)
        self._redirects = _slash_redirects(self.mounts)

    def match(self, path: str) -> tuple[Mount, ...]:
        """All mounts whose path is a prefix of ``path`` (decoded) on segment borders.

        The longest path comes first; at one path files before application or cluster, and what cannot
        be served last.  Empty for a path that does not begin with a slash (``OPTIONS *``).
        """
        if not path.startswith("/"):
            return ()
        chains = self._chains
        best = chains.get("", ())
        border = 0
        for _ in range(self.depth):
            border = path.find("/", border + 1)
            best = chains.get(path if border < 0 else path[:border], best)
            if border < 0:
                break
        return best

    def slash_redirect(self, path: str) -> str | None:
        """Where GET and HEAD of ``path`` (decoded) are sent to, percent-encoded, or None.

        ``/about/`` goes to ``/about`` where the application is mounted so, and the other way
        round for a mount ``/about/``.  Not where files or a cluster are mounted at that path: they have
        rules of their own, and the two would send the client to and fro.
        """
        return self._redirects.get(path)


class RouteTable:
    """All virtual hosts of an instance."""

    __slots__ = ("_hosts", "_remembered", "error_pages")

    def __init__(
        self,
        routes: Iterable[Route],
        defaults: MountSettings,
        mounts: Iterable[MountSection] = (),
        hosts: Iterable[HostSettings] = (),
    ) -> None:
        sections = {(section.host, section.path): section for section in mounts}
        #: For hosts that are not known.
        self.error_pages = defaults.error_pages
        said = {host.name: host for host in hosts}
        by_host: dict[str, list[Mount]] = {name: [] for name in said}
        for route in routes:
            for name in route.hosts:
                options = _options(name, route.path, _of_host(said.get(name), defaults), sections)
                by_host.setdefault(name, []).append(
                    Mount(
                        route.path,
                        route.had_trailing_slash,
                        route.target,
                        options,
                        route.problem,
                        compression_of(options),
                    )
                )
        self._hosts = {
            name: VirtualHost(
                said.get(name) or HostSettings(name),
                found,
                _of_host(said.get(name), defaults).error_pages,
            )
            for name, found in by_host.items()
        }
        self._remembered: dict[str, VirtualHost | None] = {}

    @classmethod
    def of(cls, settings: Settings) -> RouteTable:
        """The table of ``settings``; routes with a problem are in it and say so."""
        defaults = MountSettings(
            response_timeout=settings.limits.response_timeout,
            body_max=settings.limits.body_max,
            static_max_age=settings.server.static_max_age,
            compress=settings.server.compress,
            compress_level=settings.server.compress_level,
            compress_min=settings.server.compress_min,
            compress_types=settings.server.compress_types,
            cache_control=settings.server.cache_control,
            error_pages=settings.server.error_pages,
        )
        return cls(settings.routes, defaults, settings.mounts, settings.hosts)

    @property
    def sites(self) -> tuple[VirtualHost, ...]:
        return tuple(self._hosts.values())

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """Every mount of every host, each once."""
        return tuple(dict.fromkeys(mount for host in self._hosts.values() for mount in host.mounts))

    @property
    def depth(self) -> int:
        """How many segments of a path decide where it is mounted."""
        return max((host.depth for host in self._hosts.values()), default=0)

    def host(self, authority: str) -> VirtualHost | None:
        """The virtual host for ``authority``: a Host field, or that of an absolute request target.

        The exact name, else the longest ``.domain``, else the default; None where there is none.
        """
        try:
            return self._remembered[authority]
        except KeyError:
            rule = find_rule(host_name(authority), self._hosts)
        found = None if rule is None else self._hosts[rule]
        if len(self._remembered) >= _HOSTS_REMEMBERED:
            self._remembered.clear()  # made-up names must not fill it for good
        if len(authority) <= _HOST_LENGTH_MAX:
            self._remembered[authority] = found
        return found


def host_name(authority: str) -> str:
    """``WWW.Example.com.:8080`` to ``www.example.com``, ``[::1]:80`` to ``::1``."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    return authority.partition(":")[0].removesuffix(".").lower()


def _of_host(host: HostSettings | None, defaults: MountSettings) -> MountSettings:
    if host is None or host.error_pages is None:
        return defaults
    return replace(defaults, error_pages=host.error_pages)


def _options(
    host: str, path: str, defaults: MountSettings, sections: Mapping[tuple[str, str], MountSection]
) -> MountSettings:
    """Key by key: the section of this host and path, else that of the path, else the host's or server's."""
    options = defaults
    for place in (("", path), (host, path)):
        if place in sections:
            options = replace(options, **sections[place].values)
    return options


def _order(mount: Mount) -> tuple[int, bool, bool]:
    return -len(mount.path), mount.problem is not None, mount.kind != "static"


def _covers(prefix: str, path: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


def _slash_redirects(mounts: Sequence[Mount]) -> dict[str, str]:
    """``mounts`` in their order: of several applications at one path the first is the one that
    answers, so it alone says which spelling is the real one."""
    redirects: dict[str, str] = {}
    settled = {mount.path for mount in mounts if mount.kind != "app"} | {""}
    for mount in mounts:
        if mount.path not in settled:
            settled.add(mount.path)
            bare, slashed = mount.path, mount.path + "/"
            asked, real = (bare, slashed) if mount.had_trailing_slash else (slashed, bare)
            redirects[asked] = quote_path(real.encode())
    return redirects
