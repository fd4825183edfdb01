"""The settings of one instance, and the declaration of every key that can be set.

Immutable once made by `loading`; read from any thread.  Each attribute of a class here
that has the metadata of `key` is a key of that name; `TABLES` holds them by section.
The keys of `skitai.limits.Limits` belong to ``[server]`` too.
"""

from __future__ import annotations

import sys
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
    ADDRESSES,
    AUTO_YES_NO,
    BUS_URL,
    BYTES,
    CACHE_RULES,
    FILE_NAMES,
    FOLDER,
    HOST,
    INT,
    LANE,
    LINKS,
    LOG_FIELDS,
    LOG_FORMAT,
    LOG_ROTATE,
    MEDIA_TYPES,
    MODE,
    NAME_SERVERS,
    NETWORKS,
    OPTIONAL_ADDRESS,
    PATH,
    PATHS,
    PROCESSES,
    PROXY_TARGETS,
    REQUEST_ID,
    SECONDS,
    SENDFILE_ROOTS,
    SITE,
    TEXT,
    URL_PATHS,
    WHOLE_SECONDS,
    YES_NO,
)
from skitai.core.config.proxytargets import ProxyTarget
from skitai.core.config.routelines import Route, write_host_rule
from skitai.core.config.sendroots import SendfileRoot
from skitai.core.config.tlskeys import tls_key
from skitai.core.mediatypes import COMPRESSIBLE
from skitai.errors import ConfigError
from skitai.limits import Limits

__all__ = [
    "TABLES",
    "BusSettings",
    "HostSettings",
    "ListenSettings",
    "MountSection",
    "MountSettings",
    "ServerSettings",
    "Settings",
]


#: Loopback, and what only a network's own machines have.
_PRIVATE = (
    *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
    *("::1", "fc00::/7", "fe80::/10", "unix"),
)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """``[server]`` without the limits."""

    threads: int = field(
        default=8,
        metadata=key(
            INT, "that may run applications at once; 0 runs them in the loop", unit="threads", most=10000
        ),
    )
    switch_interval: float = field(
        default=0.0005,
        metadata=key(
            SECONDS,
            "after which a thread that computes lets another one have Python's lock (sys.setswitchinterval)",
            unit="seconds",
            least=0.00001,
        ),
    )
    processes: int = field(
        default=1,
        metadata=key(
            PROCESSES,
            "that serve, each with threads of its own; auto: one for each processor that the container may "
            "use; more than one needs a master, which Windows has not",
            unit="workers",
            least=1,
            most=1000,
        ),
    )
    master: str = field(
        default="auto",
        metadata=key(
            AUTO_YES_NO,
            "a process that starts the workers, restarts them when they end and reloads without loss (HUP); "
            "auto is yes for skitaid-instance and for more than one process",
        ),
    )
    max_requests: int = field(
        default=0,
        metadata=key(
            INT,
            "after which a worker is replaced, up to a tenth more; 0: never; needs a master",
            unit="requests",
        ),
    )
    max_memory: int = field(
        default=0,
        metadata=key(
            BYTES,
            "of resident memory, above which a worker is replaced, on Linux; 0: never; needs a master",
            unit="bytes",
        ),
    )
    ip: str = field(default="", metadata=key(HOST, "to listen on; empty is every interface, IPv6 and IPv4"))
    port: int = field(default=5000, metadata=key(INT, "to listen on; 0 lets the system choose", most=65535))
    bind: tuple[Address, ...] = field(
        default=(), metadata=key(ADDRESSES, "to listen on, instead of ip and port and of [listen] sections")
    )
    admin: Address | None = field(
        default=None,
        metadata=key(
            OPTIONAL_ADDRESS,
            "where /healthz, /readyz, /metrics and /dashboard are: 127.0.0.1:9100 or unix:/run/site.admin; "
            "empty is nowhere; needs a master",
        ),
    )
    admin_password_file: Path | None = field(
        default=None,
        metadata=key(
            PATH,
            "whose first line is the password for the dashboard at admin; empty: only tokens of skitai "
            "dashboard let in",
        ),
    )
    drain_delay: float = field(
        default=0.0,
        metadata=key(
            SECONDS,
            "from TERM on, in which /readyz says no and all are still served, so that who sends requests "
            "hears of the end before it comes; needs a master",
            unit="seconds",
        ),
    )
    backlog: int = field(
        default=1024,
        metadata=key(INT, "waiting to be accepted; the system has a bound too", unit="connections", least=1),
    )
    socket_mode: int = field(default=0o660, metadata=key(MODE, "of the file of a unix socket"))
    name: str = field(
        default="", metadata=key(TEXT, "of the instance in logs; empty is the name of the file")
    )
    ssl: bool = field(default=False, metadata=tls_key("ssl"))
    certfile: Path | None = field(default=None, metadata=tls_key("certfile"))
    keyfile: Path | None = field(default=None, metadata=tls_key("keyfile"))
    passphrase: str = field(default="", repr=False, metadata=tls_key("passphrase"))
    passphrase_file: Path | None = field(default=None, metadata=tls_key("passphrase_file"))
    ca_certs: Path | None = field(default=None, metadata=tls_key("ca_certs"))
    verify: str = field(default="no", metadata=tls_key("verify"))
    tls_min: str = field(default="1.2", metadata=tls_key("tls_min"))
    ciphers: str = field(default="", metadata=tls_key("ciphers"))
    https_only: bool = field(default=False, metadata=tls_key("https_only"))
    https_port: int = field(default=443, metadata=tls_key("https_port"))
    hsts: str = field(default="", metadata=tls_key("hsts"))
    enable_proxy: bool = field(
        default=False, metadata=key(YES_NO, "be a forward proxy too: absolute-form requests and CONNECT")
    )
    proxy_clients: tuple[str, ...] = field(
        default=_PRIVATE,
        metadata=key(NETWORKS, "who may use the forward proxy: addresses, networks or unix"),
    )
    proxy_users_file: Path | None = field(
        default=None,
        metadata=key(
            PATH, "with a line name:password for each who may use the forward proxy; empty: no names"
        ),
    )
    proxy_allow: tuple[ProxyTarget, ...] = field(
        default=(),
        metadata=key(
            PROXY_TARGETS,
            "where the forward proxy goes besides public addresses and, by CONNECT, their port 443: "
            "host, .domain, host:port, network",
        ),
    )
    static_max_age: int = field(
        default=300,
        metadata=key(WHOLE_SECONDS, "that clients may keep static files without asking", unit="seconds"),
    )
    compress: bool = field(
        default=True,
        metadata=key(YES_NO, "responses for clients that like it, where that makes them much shorter"),
    )
    compress_level: int = field(
        default=4,
        metadata=key(INT, "1 is quick, 9 is small; the same for all codings", least=1, most=9),
    )
    compress_min: int = field(
        default=1024, metadata=key(BYTES, "shortest body that is compressed", unit="bytes")
    )
    compress_types: tuple[str, ...] = field(
        default=COMPRESSIBLE,
        metadata=key(MEDIA_TYPES, "that are compressed; * stands for any part of a name"),
    )
    cache_control: tuple[CacheRule, ...] = field(
        default=(),
        metadata=key(
            CACHE_RULES,
            "of static files, the first that fits: *.html: no-cache, /assets/*: max-age=31536000 immutable; "
            "else static_max_age",
        ),
    )
    error_pages: Path | None = field(
        default=None,
        metadata=key(FOLDER, "of pages (404.html, 50x.html, 5xx.html) in place of Skitai's own ones"),
    )
    dns: tuple[str, ...] = field(
        default=(),
        metadata=key(
            NAME_SERVERS,
            "that are asked where hosts are, in place of those of /etc/resolv.conf: 10.0.0.53, "
            "[fd00::53]:5353; or system, which asks as other programs of the machine do",
        ),
    )
    num_result_cache_max: int = field(
        default=200, metadata=key(INT, "of was requests that are kept", unit="results")
    )
    trusted_proxies: tuple[str, ...] = field(
        default=(),
        metadata=key(NETWORKS, "whose X-Forwarded-* and Forwarded are believed: addresses, networks or unix"),
    )
    proxy_protocol: bool = field(
        default=False,
        metadata=key(
            YES_NO,
            "who connects begins with the PROXY protocol (version 1 or 2), which names the client; whoever "
            "can connect is believed",
        ),
    )
    spool_dir: Path | None = field(
        default=None,
        metadata=key(PATH, "for request bodies too large for memory; empty is the system's temporary folder"),
    )
    mail_spool: Path | None = field(
        default=None,
        metadata=key(
            PATH, "for e-mails of was.email; empty is where the delivery agent looks, as skitaid.conf says"
        ),
    )
    user: str = field(
        default="",
        metadata=key(
            TEXT,
            "that the server runs as when root has started it; empty is that of [global] in skitaid.conf; "
            "needs a master",
        ),
    )
    group: str = field(default="", metadata=key(TEXT, "with it; empty is the user's own"))
    chdir: Path | None = field(
        default=None, metadata=key(PATH, "working directory of the instance, importable from")
    )
    python_path: tuple[Path, ...] = field(
        default=(), metadata=key(PATHS, "folders to import from, before all others")
    )
    log_path: Path | None = field(
        default=None, metadata=key(PATH, "folder of the logs; empty is where the command puts them")
    )
    access_log: bool = field(default=True, metadata=key(YES_NO, "write a line for each request"))
    log_off: tuple[str, ...] = field(
        default=(), metadata=key(URL_PATHS, "whose requests have no line unless they fail; * is anything")
    )
    log_fields: tuple[str, ...] = field(
        default=(),
        metadata=key(
            LOG_FIELDS,
            "at the end of each line of request.log, where there is something to say: the id of the request, "
            "its trace, how long it waited for a thread, how long for who answers in our place",
        ),
    )
    request_id: str = field(
        default="no",
        metadata=key(
            REQUEST_ID,
            "requests have an id, that of X-Request-ID where trusted_proxies say it, else a new one; answer: "
            "clients are told",
        ),
    )
    log_format: str = field(default="text", metadata=key(LOG_FORMAT, "lines of words, or of JSON"))
    log_rotate: str = field(
        default="daily", metadata=key(LOG_ROTATE, "begin new log files, and keep the old ones by their day")
    )
    log_rotate_size: int = field(
        default=0, metadata=key(BYTES, "of a log file, after which a new one begins; 0 for any")
    )
    log_keep: int = field(
        default=100, metadata=key(INT, "old files of each log that are kept", unit="files", least=1)
    )
    debug: bool = field(
        default=False, metadata=key(YES_NO, "show tracebacks to clients; never on a public address")
    )
    use_reloader: bool = field(
        default=False, metadata=key(YES_NO, "load applications again when their files change")
    )

    @property
    def needs_master(self) -> str:
        """The first key that does, empty if none."""
        names = ("user", "admin", "drain_delay", "max_requests", "max_memory")
        return next((name for name in names if getattr(self, name)), "")

    def has_master(self, *, by_default: bool) -> bool:
        """``by_default``: what auto means for the command that asks, with one process."""
        if self.master == "auto":
            wanted = by_default or bool(self.needs_master)
            return self.processes > 1 or (wanted and sys.platform != "win32")
        return self.master == "yes"


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
