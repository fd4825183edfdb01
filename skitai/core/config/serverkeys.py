"""The keys of ``[server]`` that are no limits: what one instance is, and what all its mounts begin with.

Immutable once made by `loading`; read from any thread.  Each attribute that has the metadata of `key` is
a key of that name.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from skitai.core.config.address import Address
from skitai.core.config.cacherules import CacheRule
from skitai.core.config.keys import key
from skitai.core.config.kinds import (
    ADDRESSES,
    AUTO_YES_NO,
    BYTES,
    CACHE_RULES,
    FOLDER,
    HOST,
    INT,
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
    TEXT,
    URL_PATHS,
    WHOLE_SECONDS,
    YES_NO,
)
from skitai.core.config.proxytargets import ProxyTarget
from skitai.core.config.tlskeys import tls_key
from skitai.core.mediatypes import COMPRESSIBLE

__all__ = ["ServerSettings"]

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
