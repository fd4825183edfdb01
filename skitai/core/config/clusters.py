"""The sections ``[@name]``: clusters, their members, and how these are asked.

Names are Envoy's where Envoy has the thing.  What the numbers do is told in docs/clusters.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skitai.core.config.keys import Key, key, keys_of
from skitai.core.config.kinds import (
    CLUSTER_TYPE,
    DNS_FAMILY,
    HEDGE,
    INT,
    MEMBERS,
    PEM_FILE,
    SECONDS,
    TEXT,
    URL_PATH,
    YES_NO,
)
from skitai.core.config.members import Member, MemberSource
from skitai.core.config.sources import Given, Reader
from skitai.core.config.syntax import Section

__all__ = ["CLUSTER_KEYS", "ClusterSettings", "read_clusters"]

_NAME = re.compile(r"@[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """``[@name]``; ``name`` is without the @."""

    name: str
    members: tuple[Member, ...] = field(
        metadata=key(
            MEMBERS,
            "host[:port][ weight] or unix:/path[ weight], with commas between them; dns:name:port is a "
            "member for each address of the name, dns:_http._tcp.name one for each of its SRV records; of "
            "databases host[:port]/database/user/password, a URI or a DSN",
        )
    )
    type: str = field(default="http", metadata=key(CLUSTER_TYPE, "what the members speak"))

    ssl: bool = field(
        default=False, metadata=key(YES_NO, "members speak TLS; their port is 443 then, else 80")
    )
    verify: bool = field(default=True, metadata=key(YES_NO, "certificates of the members are checked"))
    cafile: Path | None = field(
        default=None, metadata=key(PEM_FILE, "authorities in PEM that are trusted instead of the system's")
    )
    certfile: Path | None = field(
        default=None, metadata=key(PEM_FILE, "our own certificate in PEM, where members want one")
    )
    keyfile: Path | None = field(
        default=None, metadata=key(PEM_FILE, "its private key; empty: it stands in certfile")
    )
    server_name: str = field(
        default="", metadata=key(TEXT, "in the members' certificates; empty: the name of the member")
    )

    decay_time: float = field(
        default=10.0,
        metadata=key(
            SECONDS, "in which a latency is forgotten, but for a third", unit="seconds", least=0.001
        ),
    )
    default_rtt: float = field(
        default=0.01,
        metadata=key(SECONDS, "taken for the latency of a member as long as none is known", unit="seconds"),
    )
    cost_tolerance: int = field(
        default=50,
        metadata=key(
            INT, "by which two members may differ and still be shared by their weights", unit="percent"
        ),
    )
    slow_start_window: float = field(
        default=10.0,
        metadata=key(
            SECONDS, "until a member that is new, or comes back, has all of its weight", unit="seconds"
        ),
    )
    slow_start_min_weight_percent: int = field(
        default=10,
        metadata=key(INT, "of its weight that it begins with", unit="percent", least=1, most=100),
    )

    consecutive_gateway_failure: int = field(
        default=5,
        metadata=key(
            INT,
            "in a row (no connection, timeout, or 502, 503, 504) eject a member; 0 ejects none",
            unit="failures",
        ),
    )
    base_ejection_time: float = field(
        default=30.0,
        metadata=key(
            SECONDS,
            "of the first ejection, twice of the second and so on; one is forgotten in each such time that "
            "goes well",
            unit="seconds",
            least=0.001,
        ),
    )
    max_ejection_time: float = field(
        default=300.0, metadata=key(SECONDS, "longest ejection", unit="seconds", least=0.001)
    )
    max_ejection_percent: int = field(
        default=50, metadata=key(INT, "of the members at most are ejected at once", unit="percent", most=100)
    )

    num_retries: int = field(
        default=2, metadata=key(INT, "by other members, of what may be repeated", unit="times", most=100)
    )
    per_try_timeout: float = field(
        default=0.0,
        metadata=key(
            SECONDS,
            "after which what may be repeated is asked of another member; 0: when the call is over",
            unit="seconds",
        ),
    )
    retry_budget_percent: int = field(
        default=10, metadata=key(INT, "of the requests may be repeated", unit="percent", most=100)
    )
    retry_budget_per_second: int = field(
        default=3,
        metadata=key(INT, "more may be repeated, however few there are", unit="requests", most=10000),
    )
    budget_window: float = field(
        default=10.0,
        metadata=key(
            SECONDS, "for which what the budgets have is kept, but for a third", unit="seconds", least=0.001
        ),
    )
    hedge: float = field(
        default=0.0,
        metadata=key(
            HEDGE,
            "what may be repeated is asked of a second member when it takes longer than so many percent of "
            "the answers do: p95; no: never",
        ),
    )
    hedge_budget_percent: int = field(
        default=5, metadata=key(INT, "of the requests may be asked twice by hedge", unit="percent", most=100)
    )

    health_check_path: str = field(
        default="",
        metadata=key(URL_PATH, "that is asked of each member by GET and has to give 2xx; empty: no checks"),
    )
    health_check_interval: float = field(
        default=10.0, metadata=key(SECONDS, "between two checks of a member", unit="seconds", least=0.001)
    )
    health_check_timeout: float = field(
        default=2.0, metadata=key(SECONDS, "for the answer to a check", unit="seconds", least=0.001)
    )
    unhealthy_threshold: int = field(
        default=3,
        metadata=key(INT, "in a row fail before a member is asked no more", unit="checks", least=1),
    )
    healthy_threshold: int = field(
        default=2, metadata=key(INT, "in a row go well before it is asked again", unit="checks", least=1)
    )

    dns_refresh_rate: float = field(
        default=5.0,
        metadata=key(
            SECONDS,
            "between two lookups of a dns: member at least, and after one that failed; else when its time to "
            "live is over",
            unit="seconds",
            least=0.1,
        ),
    )
    dns_lookup_family: str = field(
        default="v4_preferred",
        metadata=key(DNS_FAMILY, "of the addresses of a dns: member; auto is IPv6, and IPv4 without that"),
    )

    @property
    def title(self) -> str:
        return f"@{self.name}"


CLUSTER_KEYS: dict[str, Key] = keys_of("cluster", ClusterSettings)


def read_clusters(sections: Sequence[Section], reader: Reader) -> tuple[ClusterSettings, ...]:
    clusters: list[ClusterSettings] = []
    for section in sections:
        if not _NAME.fullmatch(section.name):
            reader.problems.add(
                f"[{section.title}] is no name of a cluster",
                line=section.line,
                hint="write [@name] with letters, digits, '.', '-' and '_'",
            )
            continue
        given = reader.read(section, CLUSTER_KEYS)
        if "members" not in given:
            continue
        values = {name: value.value for name, value in given.items()}
        cluster = ClusterSettings(section.name.removeprefix("@"), **values)
        for name, message, hint in _complaints(cluster, given):
            reader.problems.add(message, line=given[name].line, hint=hint)
        reader.remember(cluster.title, given)
        clusters.append(cluster)
    return tuple(clusters)


def _complaints(cluster: ClusterSettings, given: dict[str, Given]) -> Iterator[tuple[str, str, str]]:
    """The key that it is about, what is wrong, how to mend it."""
    yield from _about_members(cluster)
    if not cluster.ssl:
        for name in ("verify", "cafile", "certfile", "keyfile", "server_name"):
            if name in given and given[name].value != CLUSTER_KEYS[name].default:
                yield name, f"{name} says nothing without TLS", "write ssl = yes"
    if cluster.type == "postgresql":
        for name in ("health_check_path", "hedge", "per_try_timeout"):
            if name in given and given[name].value != CLUSTER_KEYS[name].default:
                yield name, f"{name} is for members that speak HTTP", "leave it out"
    if cluster.keyfile is not None and cluster.certfile is None:
        yield "keyfile", f"[{cluster.title}] has a keyfile but no certfile", "name both"
    for name in ("cafile", "certfile", "keyfile"):
        file = getattr(cluster, name)
        if file is not None and not file.is_file():
            yield name, f"{name}: there is no file {file}", ""


def _about_members(cluster: ClusterSettings) -> Iterator[tuple[str, str, str]]:
    if not cluster.members:
        yield "members", f"[{cluster.title}] has no members", "write members = host:port"
    known: set[tuple[str, int, MemberSource]] = set()
    for member in cluster.members:
        if cluster.type == "http" and member.database:
            hint = "write host:port, or type = postgresql"
            yield "members", f"{member.address} has a path, which no member of type http has", hint
        elif cluster.type == "postgresql" and not member.database:
            hint = "write host:5432/database/user/password, or its URI"
            yield "members", f"{member.address} lacks its database", hint
        elif cluster.type == "postgresql" and member.source is not MemberSource.HOST:
            yield "members", f"{member.address}: databases stand in the list", "write host:5432/…"
        elif cluster.type == "postgresql" and cluster.ssl:
            yield (
                "ssl",
                f"{member.address}: a database says itself how it speaks TLS",
                "write sslmode in its URI",
            )
        if member.host.startswith("/") and cluster.ssl and not cluster.server_name:
            hint = "write server_name = its name in the certificate"
            yield "members", f"{member.address} has no name that a certificate could bear", hint
        place = (member.host, member.port or (443 if cluster.ssl else 80), member.source)
        if place in known and not member.database:
            yield "members", f"{member.address} is twice among the members", "give it a weight"
        known.add(place)
