"""The types a value can have: how each is read from text and written back.

``write(parse(text))`` reads as the same value again; `describe` relies on it.
A `Kind` never sees a key or a line: it raises `Mistake`, and the caller knows where.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from skitai.core.config.address import read_address, read_host
from skitai.core.config.cacherules import parse_cache_rule
from skitai.core.config.paths import below
from skitai.core.config.problems import Mistake
from skitai.core.config.sendroots import parse_sendfile_root

__all__ = [
    "ADDRESS",
    "ADDRESSES",
    "BYTES",
    "CACHE_RULES",
    "FILE_NAMES",
    "FOLDER",
    "HOST",
    "HSTS",
    "INT",
    "LANE",
    "LINKS",
    "MASTER",
    "MEDIA_TYPES",
    "MODE",
    "NETWORKS",
    "PATH",
    "PATHS",
    "PEM_FILE",
    "SECONDS",
    "SENDFILE_ROOTS",
    "SITE",
    "TEXT",
    "TLS_VERSION",
    "VERIFY",
    "WHOLE_SECONDS",
    "YES_NO",
    "Kind",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """``parse(text, base)`` gives the value, relative paths below ``base``; ``write(value)`` the text.

    ``name`` stands in the documentation.  ``optional``: an empty text is a value too.
    ``many``: a list separated by commas.
    """

    name: str
    parse: Callable[[str, Path], Any]
    write: Callable[[Any], str] = str
    optional: bool = False
    many: bool = False


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


def _parse_media_type(text: str, base: Path) -> str:
    if not re.fullmatch(r"[\w.+-]+/[\w.+*-]+", text, re.ASCII):
        raise Mistake(f"{text!r} is no media type", "write application/json, text/* or application/*+json")
    return text.lower()


def _many(parse: Callable[[str, Path], Any]) -> Callable[[str, Path], tuple[Any, ...]]:
    def parse_all(text: str, base: Path) -> tuple[Any, ...]:
        return tuple(parse(item, base) for item in map(str.strip, text.split(",")) if item)

    return parse_all


def _write_many(values: tuple[Any, ...]) -> str:
    return ", ".join(map(str, values))


INT = Kind("whole number", _parse_int)
YES_NO = Kind("yes or no", _parse_yes_no, lambda value: "yes" if value else "no")
LANE = Kind("auto, fast, waits or burns", _one_of("auto", "fast", "waits", "burns"))
LINKS = Kind("inside or any", _one_of("inside", "any"))
MASTER = Kind("auto, yes or no", _one_of("auto", "yes", "no"))
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
SITE = Kind("address of a site", _parse_site, optional=True)
ADDRESS = Kind("address", read_address)
ADDRESSES = Kind("addresses", _many(read_address), _write_many, optional=True, many=True)
PATHS = Kind("paths", _many(_parse_path), _write_many, optional=True, many=True)
NETWORKS = Kind("networks", _many(_parse_network), _write_many, optional=True, many=True)
MEDIA_TYPES = Kind("media types", _many(_parse_media_type), _write_many, optional=True, many=True)
CACHE_RULES = Kind("cache rules", _many(parse_cache_rule), _write_many, optional=True, many=True)
SENDFILE_ROOTS = Kind("folders", _many(parse_sendfile_root), _write_many, optional=True, many=True)
FILE_NAMES = Kind("file names", _many(_parse_file_name), _write_many, optional=True, many=True)
