"""The types a value can have: how each is read from text and written back.

``write(parse(text))`` reads as the same value again; `describe` relies on it.
A `Kind` never sees a key or a line: it raises `Mistake`, and the caller knows where.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from skitai.core import machine
from skitai.core.config.address import read_address, read_host, read_name_server
from skitai.core.config.cacherules import parse_cache_rule
from skitai.core.config.members import Member, has_passwords, parse_member, split_members
from skitai.core.config.paths import below
from skitai.core.config.problems import Mistake
from skitai.core.config.proxytargets import parse_proxy_target
from skitai.core.config.sendroots import parse_sendfile_root
from skitai.core.config.smtpservers import read_smtp_server, write_smtp_server

__all__ = [
    "ADDRESS",
    "ADDRESSES",
    "AUTO_YES_NO",
    "BUS_URL",
    "BYTES",
    "CACHE_RULES",
    "CLUSTER_TYPE",
    "DNS_FAMILY",
    "FILE_NAMES",
    "FOLDER",
    "HEDGE",
    "HOST",
    "HSTS",
    "INT",
    "LANE",
    "LINKS",
    "LOG_FIELDS",
    "LOG_FORMAT",
    "LOG_ROTATE",
    "MEDIA_TYPES",
    "MEMBERS",
    "MODE",
    "NAME_SERVERS",
    "NETWORKS",
    "OPTIONAL_ADDRESS",
    "PATH",
    "PATHS",
    "PEM_FILE",
    "PROCESSES",
    "PROXY_TARGETS",
    "REQUEST_ID",
    "SECONDS",
    "SENDFILE_ROOTS",
    "SITE",
    "SMTP_SERVER",
    "TEXT",
    "TLS_VERSION",
    "URL_PATH",
    "URL_PATHS",
    "VERIFY",
    "WHOLE_SECONDS",
    "YES_NO",
    "Kind",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """``parse(text, base)`` gives the value, relative paths below ``base``; ``write(value)`` the text.

    ``name`` stands in the documentation.  ``optional``: an empty text is a value too.
    ``many``: a list separated by commas.  ``hides(text)``: there may be a secret in it.
    """

    name: str
    parse: Callable[[str, Path], Any]
    write: Callable[[Any], str] = str
    optional: bool = False
    many: bool = False
    hides: Callable[[str], bool] = lambda text: False


#: Of ``log_fields``.
LOG_FIELD_NAMES = ("request_id", "trace", "queue", "upstream")
_WORDS = dict.fromkeys(("yes", "true", "on", "1"), True) | dict.fromkeys(("no", "false", "off", "0"), False)
_SECONDS = re.compile(r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,9})?)\s*(?P<unit>ms|s|m|h|d)?")
_SECONDS_IN = {"ms": 0.001, None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 366 * 86400.0  # far beyond any use, and still within every timer of every system
_BYTES = re.compile(r"(?P<number>[0-9]{1,15})\s*(?:(?P<unit>[kmg])(?:i?b)?)?", re.IGNORECASE)
_BYTES_IN = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _parse_int(text: str, base: Path) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise Mistake("not a whole number")
    return int(text)


def _parse_processes(text: str, base: Path) -> int:
    """``auto`` is decided here: what is shown, and what each process reads, is a number."""
    if text.lower() != "auto":
        return int(_parse_int(text, base))
    return machine.processors() if os.name == "posix" else 1


def _parse_yes_no(text: str, base: Path) -> bool:
    try:
        return _WORDS[text.lower()]
    except KeyError:
        raise Mistake("neither yes nor no") from None


def _one_of(*words: str) -> Callable[[str, Path], str]:
    def parse(text: str, base: Path) -> str:
        if text.lower() not in words:
            raise Mistake("not one of its words", f"write {', '.join(words[:-1])} or {words[-1]}")
        return text.lower()

    return parse


def _any_seconds(text: str) -> float:
    match = _SECONDS.fullmatch(text)
    if match is None:
        raise Mistake("not a time", "write 10, 10s, 500ms, 2m, 1h or 1d")
    return round(float(match["number"]) * _SECONDS_IN[match["unit"]], 9)


def _parse_seconds(text: str, base: Path) -> float:
    seconds = _any_seconds(text)
    if seconds > _LONGEST:
        raise Mistake("longer than a year")
    return seconds


def _parse_whole_seconds(text: str, base: Path) -> int:
    seconds = _parse_seconds(text, base)
    if not seconds.is_integer():
        raise Mistake("not whole seconds")
    return int(seconds)


def _write_seconds(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _parse_bytes(text: str, base: Path) -> int:
    match = _BYTES.fullmatch(text)
    if match is None:
        raise Mistake("not a size", "write 65536, 64k, 1m or 1g")
    return int(match["number"]) * _BYTES_IN[(match["unit"] or "").lower()]


def _write_bytes(value: int) -> str:
    for unit in ("g", "m", "k"):
        if value and value % _BYTES_IN[unit] == 0:
            return f"{value // _BYTES_IN[unit]}{unit}"
    return str(value)


def _parse_mode(text: str, base: Path) -> int:
    if not re.fullmatch(r"(?:0o?)?[0-7]{3}", text):
        raise Mistake("not a file mode", "write three octal digits, as 0o660")
    return int(text.removeprefix("0o"), 8)


def _parse_path(text: str, base: Path) -> Path | None:
    return below(base, text) if text else None


def _parse_pem_file(text: str, base: Path) -> Path | None:
    """As 0.11 had it: a name that is none here is one of ``cert``, beside ``servers-enabled``."""
    path = _parse_path(text, base)
    if path is None or os.path.exists(path):
        return path
    in_cert = below(base.parent / "cert", text)
    return in_cert if os.path.exists(in_cert) else path


def _parse_folder(text: str, base: Path) -> Path | None:
    folder = _parse_path(text, base)
    if folder is not None and not folder.is_dir():
        raise Mistake("there is no such folder")
    return folder


def _write_path(value: Path | None) -> str:
    return "" if value is None else str(value)


#: The directives of RFC 6797 section 6.1 that may follow max-age, and the one that browsers' lists ask for.
_HSTS_WORDS = {"includesubdomains": "includeSubDomains", "preload": "preload"}
_PRELOAD_LEAST = 365 * 86400


def _parse_hsts(text: str, base: Path) -> str:
    """The value of the field Strict-Transport-Security, empty where it is not sent."""
    if not text:
        return ""
    age, *words = (part.strip() for part in text.split(";"))
    seconds = int(_any_seconds(age))
    try:
        told = [_HSTS_WORDS[word.lower()] for word in words]
    except KeyError as error:
        raise Mistake(f"{error} is no part of hsts", "write 365d; includeSubDomains; preload") from None
    if "preload" in told and ("includeSubDomains" not in told or seconds < _PRELOAD_LEAST):
        raise Mistake("lists of browsers want more for preload", "write 365d; includeSubDomains; preload")
    return "; ".join([f"max-age={seconds}", *told])


def _parse_site(text: str, base: Path) -> str:
    if not text:
        return ""
    parts = urlsplit(text)
    rest = (parts.path.rstrip("/"), parts.query, parts.fragment, parts.username)
    if parts.scheme not in ("http", "https") or not parts.hostname or any(rest):
        raise Mistake("not the address of a site", "write https://www.example.com")
    if not re.fullmatch(r"[\w.:\[\]-]+", parts.netloc, re.ASCII):
        raise Mistake(f"{parts.netloc!r} is not a host")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _parse_bus_url(text: str, base: Path) -> str:
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Mistake("not the URL of a server", "write redis://host:6379") from None
    if parts.scheme in ("postgresql", "postgres"):
        if importlib.util.find_spec("psycopg2") is None:
            raise Mistake("PostgreSQL needs psycopg2, which is not installed", "pip install 'skitai[pg]'")
        return text
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or port == 0:
        raise Mistake(
            "not the URL of a server",
            "write redis://host:6379, rediss:// for TLS, or postgresql://host/database",
        )
    if not re.fullmatch(r"/?[0-9]*", parts.path):
        raise Mistake("behind the host stands the number of a database", "write redis://host:6379/0")
    return text


def _has_password(text: str) -> bool:
    return "@" in text


def _parse_network(text: str, base: Path) -> str:
    if text == "unix":
        return text
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Mistake(f"{text!r} is no address", "write 10.0.0.1, 10.0.0.0/8, fd00::/8 or unix") from None
    address, slash, _ = text.partition("/")
    if slash and ipaddress.ip_address(address) != network.network_address:
        raise Mistake(f"{text!r} has bits below its mask", f"write {network}")
    return str(network) if slash else address


def _parse_file_name(text: str, base: Path) -> str:
    if "/" in text or "\\" in text or text in (".", ".."):
        raise Mistake(f"{text!r} is not a plain file name")
    return text


def _parse_path_pattern(text: str, base: Path) -> str:
    if not text.startswith(("/", "*")):
        raise Mistake(f"{text!r} is no path of a URL", "write /health, /static/* or *.png")
    return text


def _parse_media_type(text: str, base: Path) -> str:
    if not re.fullmatch(r"[\w.+-]+/[\w.+*-]+", text, re.ASCII):
        raise Mistake(f"{text!r} is no media type", "write application/json, text/* or application/*+json")
    return text.lower()


def _parse_cluster_type(text: str, base: Path) -> str:
    """``postresql`` stands in the README of 0.11, and so in people's files."""
    return _one_of("http", "postgresql")("postgresql" if text.lower() == "postresql" else text, base)


def _parse_hedge(text: str, base: Path) -> float:
    """A quantile; 0 for no."""
    if text.lower() == "no":
        return 0.0
    match = re.fullmatch(r"p(?P<percent>[0-9]{2}(?:\.[0-9])?)", text.lower())
    if match is None or not 50 <= float(match["percent"]) < 100:
        raise Mistake("neither no nor a quantile", "write p95, or another one from p50 to p99.9")
    return round(float(match["percent"]) / 100, 3)


def _parse_url_path(text: str, base: Path) -> str:
    if text and not re.fullmatch(r"/[!-~]*", text):
        raise Mistake("not the path of a URL", "write /health, and percent-encode what is not ASCII")
    return text


def _many(parse: Callable[[str, Path], Any]) -> Callable[[str, Path], tuple[Any, ...]]:
    def parse_all(text: str, base: Path) -> tuple[Any, ...]:
        return tuple(parse(item, base) for item in map(str.strip, text.split(",")) if item)

    return parse_all


def _parse_members(text: str, base: Path) -> tuple[Member, ...]:
    return tuple(parse_member(item, base) for item in split_members(text) if item)


def _parse_name_servers(text: str, base: Path) -> tuple[str, ...]:
    if text.lower() == "system":
        return ("system",)
    return tuple(read_name_server(item) for item in map(str.strip, text.split(",")) if item)


def _write_many(values: tuple[Any, ...]) -> str:
    return ", ".join(map(str, values))


INT = Kind("whole number", _parse_int)
YES_NO = Kind("yes or no", _parse_yes_no, lambda value: "yes" if value else "no")
CLUSTER_TYPE = Kind("http or postgresql", _parse_cluster_type)
DNS_FAMILY = Kind(
    "auto, v4_preferred, v4_only, v6_only or all",
    _one_of("auto", "v4_preferred", "v4_only", "v6_only", "all"),
)
HEDGE = Kind("p95 or no", _parse_hedge, lambda value: f"p{value * 100:g}" if value else "no")
LANE = Kind("auto, fast, waits or burns", _one_of("auto", "fast", "waits", "burns"))
LOG_FORMAT = Kind("text or json", _one_of("text", "json"))
LOG_FIELDS = Kind("words", _many(_one_of(*LOG_FIELD_NAMES)), _write_many, optional=True, many=True)
PROCESSES = Kind("number or auto", _parse_processes)
REQUEST_ID = Kind("no, yes or answer", _one_of("no", "yes", "answer"))
LOG_ROTATE = Kind("no, daily or monthly", _one_of("no", "daily", "monthly"))
LINKS = Kind("inside or any", _one_of("inside", "any"))
AUTO_YES_NO = Kind("auto, yes or no", _one_of("auto", "yes", "no"))
SECONDS = Kind("time", _parse_seconds, _write_seconds)
WHOLE_SECONDS = Kind("whole seconds", _parse_whole_seconds)
BYTES = Kind("size", _parse_bytes, _write_bytes)
MODE = Kind("file mode", _parse_mode, lambda value: f"0o{value:03o}")
TEXT = Kind("text", lambda text, base: text, optional=True)
HOST = Kind("host", lambda text, base: read_host(text), optional=True)
PATH = Kind("path", _parse_path, _write_path, optional=True)
PEM_FILE = Kind("path", _parse_pem_file, _write_path, optional=True)
VERIFY = Kind("no, optional or required", _one_of("no", "optional", "required"))
TLS_VERSION = Kind("1.2 or 1.3", _one_of("1.2", "1.3"))
HSTS = Kind("time; words", _parse_hsts, lambda value: value.removeprefix("max-age="), optional=True)
FOLDER = Kind("folder", _parse_folder, _write_path, optional=True)
SMTP_SERVER = Kind("host:port", lambda text, base: read_smtp_server(text), write_smtp_server)
BUS_URL = Kind("URL", _parse_bus_url, optional=True, hides=_has_password)
SITE = Kind("address of a site", _parse_site, optional=True)
ADDRESS = Kind("address", read_address)
OPTIONAL_ADDRESS = Kind(
    "address",
    lambda text, base: read_address(text, base) if text else None,
    lambda value: "" if value is None else str(value),
    optional=True,
)
ADDRESSES = Kind("addresses", _many(read_address), _write_many, optional=True, many=True)
NAME_SERVERS = Kind("name servers", _parse_name_servers, _write_many, optional=True, many=True)
PATHS = Kind("paths", _many(_parse_path), _write_many, optional=True, many=True)
NETWORKS = Kind("networks", _many(_parse_network), _write_many, optional=True, many=True)
MEMBERS = Kind("members", _parse_members, _write_many, many=True, hides=has_passwords)
URL_PATH = Kind("path of a URL", _parse_url_path, optional=True)
MEDIA_TYPES = Kind("media types", _many(_parse_media_type), _write_many, optional=True, many=True)
CACHE_RULES = Kind("cache rules", _many(parse_cache_rule), _write_many, optional=True, many=True)
SENDFILE_ROOTS = Kind("folders", _many(parse_sendfile_root), _write_many, optional=True, many=True)
PROXY_TARGETS = Kind("targets", _many(parse_proxy_target), _write_many, optional=True, many=True)
URL_PATHS = Kind("paths of URLs", _many(_parse_path_pattern), _write_many, optional=True, many=True)
FILE_NAMES = Kind("file names", _many(_parse_file_name), _write_many, optional=True, many=True)
