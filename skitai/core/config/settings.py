"""The settings of one instance, and the table of every key that can be set.

Immutable once made by `loading`; read from any thread.  Each attribute of a class here
that has the metadata of `key` is a key of that name; `TABLES` holds them by section.
``[server]`` stands in `serverkeys`, with the keys of `skitai.limits.Limits`; ``[@name]`` in `clusters`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from skitai.core.config.address import Address
from skitai.core.config.cacherules import CacheRule
from skitai.core.config.clusters import CLUSTER_KEYS, ClusterSettings
from skitai.core.config.keys import Key, key, keys_of, limit_keys
from skitai.core.config.kinds import (
    ADDRESS,
    AUTO_YES_NO,
    BUS_URL,
    BYTES,
    CACHE_RULES,
    FILE_NAMES,
    FOLDER,
    INT,
    LANE,
    LINKS,
    MEDIA_TYPES,
    MODE,
    SECONDS,
    SENDFILE_ROOTS,
    SITE,
    TEXT,
    WHOLE_SECONDS,
    YES_NO,
)
from skitai.core.config.routelines import Route, write_host_rule
from skitai.core.config.sendroots import SendfileRoot
from skitai.core.config.serverkeys import ServerSettings
from skitai.core.config.tlskeys import tls_key
from skitai.errors import ConfigError
from skitai.limits import Limits

__all__ = [
    "TABLES",
    "BusSettings",
    "HostSettings",
    "ListenSettings",
    "MountSection",
    "MountSettings",
    "Settings",
]


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """``[listen name]``, or the listener that ``bind`` or ``ip`` and ``port`` ask for."""

    name: str
    address: Address = field(
        metadata=key(
            ADDRESS, "127.0.0.1:5000, [::1]:5000, :5000 (every interface), unix:/path or systemd:NAME"
        )
    )
    socket_mode: int = field(metadata=key(MODE, "of the file of a unix socket", inherits=True))
    backlog: int = field(
        metadata=key(INT, "waiting to be accepted", unit="connections", inherits=True, least=1)
    )
    proxy_protocol: bool = field(
        metadata=key(
            YES_NO, "who connects begins with the PROXY protocol, which names the client", inherits=True
        )
    )
    ssl: bool = field(metadata=tls_key("ssl", inherits=True))
    certfile: Path | None = field(metadata=tls_key("certfile", inherits=True))
    keyfile: Path | None = field(metadata=tls_key("keyfile", inherits=True))
    passphrase: str = field(repr=False, metadata=tls_key("passphrase", inherits=True))
    passphrase_file: Path | None = field(metadata=tls_key("passphrase_file", inherits=True))
    ca_certs: Path | None = field(metadata=tls_key("ca_certs", inherits=True))
    verify: str = field(metadata=tls_key("verify", inherits=True))
    tls_min: str = field(metadata=tls_key("tls_min", inherits=True))
    ciphers: str = field(metadata=tls_key("ciphers", inherits=True))
    https_only: bool = field(metadata=tls_key("https_only", inherits=True))
    https_port: int = field(metadata=tls_key("https_port", inherits=True))
    hsts: str = field(metadata=tls_key("hsts", inherits=True))

    @property
    def title(self) -> str:
        return f"listen {self.name}"

    @property
    def scheme(self) -> str:
        return "https" if self.ssl else "http"


@dataclass(frozen=True, slots=True)
class MountSettings:
    """What ``[mount …]`` can say about a route, with everything filled in."""

    response_timeout: float = field(
        metadata=key(
            SECONDS,
            "from the complete request to the head of the response; then 503",
            unit="seconds",
            inherits=True,
            least=0.001,
        )
    )
    body_max: int = field(
        metadata=key(
            BYTES,
            "longest request body, at most that of [server]; longer is 413",
            unit="bytes",
            inherits=True,
        )
    )
    static_max_age: int = field(
        metadata=key(
            WHOLE_SECONDS,
            "that clients may keep static files without asking",
            unit="seconds",
            inherits=True,
        )
    )
    compress: bool = field(
        metadata=key(
            YES_NO,
            "responses for clients that like it; no where a page has a secret and what others send (BREACH)",
            inherits=True,
        )
    )
    compress_level: int = field(metadata=key(INT, "1 is quick, 9 is small", inherits=True, least=1, most=9))
    compress_min: int = field(
        metadata=key(BYTES, "shortest body that is compressed", unit="bytes", inherits=True)
    )
    compress_types: tuple[str, ...] = field(
        metadata=key(MEDIA_TYPES, "that are compressed; * stands for any part of a name", inherits=True)
    )
    cache_control: tuple[CacheRule, ...] = field(
        default=(),
        metadata=key(
            CACHE_RULES,
            "of static files, the first that fits; else immutable, then static_max_age",
            inherits=True,
        ),
    )
    immutable: bool = field(
        default=False,
        metadata=key(
            YES_NO, "files with a hash of their content in the name (app.3f2a9c1b.js) may be kept for a year"
        ),
    )
    precompressed: bool = field(
        default=True,
        metadata=key(
            YES_NO, "send app.js.zst, .br or .gz beside app.js in its place, to clients that take it"
        ),
    )
    listing: bool = field(default=False, metadata=key(YES_NO, "show what is in a folder that has no index"))
    dotfiles: bool = field(
        default=False, metadata=key(YES_NO, "serve names that begin with a dot; .well-known always is")
    )
    follow_links: str = field(
        default="inside",
        metadata=key(LINKS, "symbolic links in the folder are followed: to what lies in it, or wherever"),
    )
    error_pages: Path | None = field(
        default=None, metadata=key(FOLDER, "of pages in place of Skitai's own ones", inherits=True)
    )
    sendfile_roots: tuple[SendfileRoot, ...] = field(
        default=(),
        metadata=key(
            SENDFILE_ROOTS,
            "from which applications may have files sent: /folder for X-Sendfile, "
            "/path = /folder for X-Accel-Redirect; empty: the fields are the client's",
        ),
    )
    preserve_path: bool = field(
        default=False,
        metadata=key(
            YES_NO, "a cluster is asked for the whole path; else for what is behind that of the route"
        ),
    )
    preserve_host: bool = field(
        default=True,
        metadata=key(YES_NO, "a cluster is told the client's Host; else each member its own name"),
    )
    index: tuple[str, ...] = field(
        default=("index.html", "index.htm"),
        metadata=key(FILE_NAMES, "files that stand for their folder, the first that exists"),
    )
    lane: str = field(
        default="auto",
        metadata=key(
            LANE,
            "how its handlers are called: fast ones by the thread that leads, those that wait by workers, "
            "those that burn (compute) by workers one at a time; auto finds out",
        ),
    )
    park: str = field(
        default="auto",
        metadata=key(
            AUTO_YES_NO,
            "park handlers that wait on us (skitai.sleep, was): the wait keeps no thread; not for code that "
            "keeps something for its thread, as Django does; auto is yes for Saddle",
        ),
    )


@dataclass(frozen=True, slots=True)
class HostSettings:
    """``[host name]``; ``name`` as in the ``: name`` line of the routes.  What is None is as the
    listener has it."""

    name: str
    redirect_to: str = field(
        default="",
        metadata=key(SITE, "all requests are sent there, path and query kept: https://www.example.com"),
    )
    error_pages: Path | None = field(
        default=None, metadata=key(FOLDER, "of pages in place of Skitai's own ones", inherits=True)
    )
    certfile: Path | None = field(default=None, metadata=tls_key("certfile"))
    keyfile: Path | None = field(default=None, metadata=tls_key("keyfile"))
    passphrase: str = field(default="", repr=False, metadata=tls_key("passphrase"))
    passphrase_file: Path | None = field(default=None, metadata=tls_key("passphrase_file"))
    https_only: bool | None = field(default=None, metadata=tls_key("https_only", inherits=True))
    hsts: str | None = field(default=None, metadata=tls_key("hsts", inherits=True))

    @property
    def title(self) -> str:
        return f"host {write_host_rule(self.name)}"


@dataclass(frozen=True, slots=True)
class MountSection:
    """A ``[mount …]`` section as written: ``values`` has the given keys of `MountSettings` only.

    ``host`` is empty where the section is for this path of every host.
    """

    host: str
    path: str
    values: Mapping[str, Any]

    @property
    def title(self) -> str:
        return f"mount {write_host_rule(self.host)}{self.path or '/'}"


@dataclass(frozen=True, slots=True)
class BusSettings:
    """``[bus]``"""

    url: str = field(
        default="",
        repr=False,
        metadata=key(
            BUS_URL,
            "of the server that shares rooms of WebSockets between hosts: redis://, rediss:// (TLS) or "
            "postgresql://; empty: rooms are those of the instance",
        ),
    )
    prefix: str = field(
        default="skitai",
        metadata=key(TEXT, "of all names on that server: instances with the same one share their rooms"),
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an instance is told.  ``file`` is None without one; ``base`` is what relative
    paths of it were below.  Always at least one of ``listeners``."""

    file: Path | None
    base: Path
    server: ServerSettings
    limits: Limits
    listeners: tuple[ListenSettings, ...]
    routes: tuple[Route, ...]
    mounts: tuple[MountSection, ...]
    hosts: tuple[HostSettings, ...]
    clusters: tuple[ClusterSettings, ...]
    bus: BusSettings
    import_path: tuple[Path, ...]
    origins: Mapping[tuple[str, str], str]

    def origin(self, section: str, key: str) -> str:
        """Where a value came from: ``"/etc/x.conf:3"``, ``"environment SKITAI_PORT"``,
        ``"command line --port"`` or ``"default"``.  ``section`` is ``"server"`` or, with
        its argument, ``"listen public"``, ``"mount /path"``, ``"host www.example.com"``, ``"@search"``."""
        return self.origins.get((section, key), "default")

    @property
    def mounted(self) -> tuple[tuple[str, str], ...]:
        """Every host and path where something is mounted, each once, in order; the root is ``/``."""
        return tuple(
            dict.fromkeys((host, route.path or "/") for route in self.routes for host in route.hosts)
        )

    @property
    def problems(self) -> tuple[ConfigError, ...]:
        """The routes that cannot be served; the others can.  A check refuses them."""
        if self.file is not None and not (self.routes or self.hosts):
            nothing = ConfigError(
                "there is nothing to serve",
                file=str(self.file),
                hint="write a route: [routes:line] and / = folder",
            )
            return (nothing,)
        return tuple(route.problem for route in self.routes if route.problem is not None)


TABLES: Mapping[str, Mapping[str, Key]] = MappingProxyType(
    {
        "server": MappingProxyType(keys_of("server", ServerSettings) | limit_keys()),
        "listen": MappingProxyType(keys_of("listen", ListenSettings)),
        "mount": MappingProxyType(keys_of("mount", MountSettings)),
        "host": MappingProxyType(keys_of("host", HostSettings)),
        "cluster": MappingProxyType(CLUSTER_KEYS),
        "bus": MappingProxyType(keys_of("bus", BusSettings)),
    }
)
