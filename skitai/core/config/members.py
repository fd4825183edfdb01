"""The value of ``members``: who belongs to a cluster, with commas between them.

search1.example.com:8080 3                  a host, its port, its weight
[fd00::1], 10.0.0.2                         the port of the scheme
dns:search.default.svc.cluster.local:80     each address of the name is a member
dns:_http._tcp.search.example.com           each of its SRV records (RFC 2782) is one
unix:/run/search.sock 2                     a unix socket
s1.example.com:5432/mydb/user/password      of a database
postgresql://user:password@s1/mydb?sslmode=require     the same, as libpq has it
host=/run/postgresql dbname=mydb password='a,b'        the same
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from skitai.core.config.address import read_host
from skitai.core.config.paths import below
from skitai.core.config.problems import Mistake

__all__ = ["Member", "MemberSource", "has_passwords", "parse_member", "split_members"]

#: Up to the next comma that is not within quotes, which keep what libpq's keywords have for values.
_ITEM = re.compile(r"(?:[^,']|'(?:[^'\\]|\\.)*'|')+")
_URI = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
#: A keyword of libpq's and its value, which may be quoted.
_KEYWORD = re.compile(r"([a-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)\s*", re.IGNORECASE)
_DNS = "dns:"
_UNIX = "unix:"
_WEIGHT_MOST = 65535  # that of SRV records


class MemberSource(Enum):
    """What the name of a member stands for."""

    #: One member, whatever addresses it has; or a unix socket, by its absolute path.
    HOST = "host"
    #: A member for each address.
    ADDRESSES = "addresses"
    #: A member for each SRV record.
    SERVICES = "services"


@dataclass(frozen=True, slots=True)
class Member:
    """``port`` is 0 where the scheme's own is meant, or the records say it.  ``database``: name, user and
    password, as they stand behind the port; or else all of it as libpq has it, in which ``host`` and ``port``
    were found (``is_dsn``)."""

    host: str
    port: int = 0
    weight: int = 1
    source: MemberSource = MemberSource.HOST
    database: str = field(default="", repr=False)
    is_dsn: bool = False

    @property
    def address(self) -> str:
        """Without weight and database: what may be shown to anybody."""
        if self.host.startswith("/"):
            return _UNIX + self.host
        prefix = "" if self.source is MemberSource.HOST else _DNS
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{prefix}{host}:{self.port}" if self.port else f"{prefix}{host}"

    def __str__(self) -> str:
        if self.is_dsn:
            return self.database
        weight = f" {self.weight}" if self.weight != 1 else ""
        database = f"/{self.database}" if self.database else ""
        return f"{self.address}{database}{weight}"


def has_passwords(text: str) -> bool:
    """Whether the value ``text`` of ``members`` is none to be shown."""
    return any("=" in item or ("/" in item and not item.startswith(_UNIX)) for item in split_members(text))


def split_members(text: str) -> Iterator[str]:
    """The items of the value."""
    return (item[0].strip() for item in _ITEM.finditer(text))


def parse_member(text: str, base: Path) -> Member:
    """One of the items.  No message has what may be a password."""
    if _URI.match(text):
        return _of_uri(text)
    if _KEYWORD.match(text):
        return _of_keywords(text)
    if "://" in text:
        raise Mistake("a member has no scheme", "write host:port, and ssl = yes where it speaks TLS")
    if text.startswith(_UNIX):
        path, _, weight = text.removeprefix(_UNIX).partition(" ")
        if not path:
            raise Mistake("the socket has no path", "write unix:/path/to/socket")
        return Member(below(base, path).as_posix(), 0, _read_weight(weight))
    place, slash, database = text.partition("/")
    if slash:
        return _with_database(place, database)
    address, _, weight = place.partition(" ")
    if address.startswith(_DNS):
        host, port = _read_address(address.removeprefix(_DNS))
        return _by_dns(host, port, _read_weight(weight))
    host, port = _read_address(address)
    return Member(host, port, _read_weight(weight))


def _with_database(place: str, database: str) -> Member:
    host, port = _read_address(place)
    if len(database.split("/", 2)) != 3:
        raise Mistake(f"{place} lacks a part of its database", "write host:5432/database/user/password")
    return Member(host, port, database=database)


def _of_uri(text: str) -> Member:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        raise Mistake(
            "a URI of a database that cannot be read", "percent-encode what is in its password"
        ) from None
    more = dict(parse_qsl(parts.query))
    return _of_dsn(text, host or more.get("host", ""), str(port or more.get("port", "")))


def _of_keywords(text: str) -> Member:
    found: dict[str, str] = {}
    place = 0
    while place < len(text):
        match = _KEYWORD.match(text, place)
        if match is None:
            raise Mistake("keywords of a database that cannot be read", "quote values: password='a b'")
        name, value = match[1].lower(), match[2]
        if value.startswith("'"):
            value = value[1:-1]
        found[name] = re.sub(r"\\(.)", r"\1", value)
        place = match.end()
    return _of_dsn(text, found.get("host", found.get("hostaddr", "")), found.get("port", ""))


def _of_dsn(text: str, host: str, port: str) -> Member:
    return Member(host or "localhost", int(port) if port.isdigit() else 0, database=text, is_dsn=True)


def _by_dns(host: str, port: int, weight: int) -> Member:
    if not host.startswith("_"):
        return Member(host, port, weight, MemberSource.ADDRESSES)
    if port or weight != 1:
        raise Mistake(f"{host}: its SRV records say port and weight", f"write {_DNS}{host}")
    if not re.fullmatch(r"_[^.]+\._(tcp|udp)\..+", host):
        raise Mistake(f"{host} is no name of SRV records", f"write {_DNS}_http._tcp.example.com")
    return Member(host, source=MemberSource.SERVICES)


def _read_weight(text: str) -> int:
    text = text.strip()
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= _WEIGHT_MOST):
        raise Mistake(f"{text!r} is no weight", f"write a whole number from 1 to {_WEIGHT_MOST}")
    return int(text)


def _read_address(text: str) -> tuple[str, int]:
    host, port = text, ""
    if not text.endswith("]"):
        before, colon, after = text.rpartition(":")
        if colon and (":" not in before or before.endswith("]")):
            host, port = before, after
            if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
                raise Mistake(f"{text!r}: {port!r} is no port", "write host:8080")
    try:  # as resolvers are asked for names outside ASCII
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise Mistake(f"{host!r} is not a host") from None
    found = read_host(host)
    if not found:
        raise Mistake(f"{text!r} has no host", "write host:8080")
    return found, int(port or 0)
