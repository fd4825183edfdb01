"""Where to listen: ``127.0.0.1:5000``, ``[::1]:5000``, ``:5000`` (all interfaces), ``unix:/path``,
``systemd`` or ``systemd:NAME`` (a socket that we are handed)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from skitai.core.config.paths import below
from skitai.core.config.problems import Mistake

__all__ = ["Address", "read_address", "read_host", "read_name_server"]

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_NAME_SERVER = re.compile(
    r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<four>[0-9.]+))(?::(?P<port>[0-9]+))?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Address:
    """Either ``path`` (a unix socket), or ``handed`` (the name of a socket that the service manager has
    opened, or the number of its descriptor, or empty for the only one), or ``host`` and ``port``; an empty
    host is every interface, IPv6 and IPv4.  Port 0 lets the system choose.  IPv6 hosts have no brackets
    here."""

    host: str = ""
    port: int = 0
    path: Path | None = None
    handed: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        if self.handed is not None:
            return f"systemd:{self.handed}" if self.handed else "systemd"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(text: str, base: Path) -> Address:
    """The address that ``text`` names; socket paths are relative to ``base``.  Raises Mistake."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").strip()
        if not path:
            raise Mistake("the socket has no path", "write unix:/path/to/socket")
        return Address(path=below(base, path))
    if text == "systemd" or text.startswith("systemd:"):
        return Address(handed=text.removeprefix("systemd").removeprefix(":").strip())
    host, colon, port = text.rpartition(":")
    if not colon:
        hint = f"write :{text}" if text.isascii() and text.isdigit() else f"write {text}:5000"
        raise Mistake("not an address with a port", hint)
    if ":" in host and not host.startswith("["):
        raise Mistake("an IPv6 address without brackets", "write [::1]:5000")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise Mistake(f"port {port!r} is not a number from 0 to 65535")
    return Address(read_host(host), int(port))


def read_host(text: str) -> str:
    """An IP address (brackets taken off), a host name, or empty.  Raises Mistake."""
    if not text:
        return ""
    if text.startswith("[") or ":" in text:
        inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
        try:
            return str(ipaddress.IPv6Address(inner))
        except ValueError:
            raise Mistake(f"{text!r} is not an IPv6 address") from None
    if text.replace(".", "").isdigit():
        try:
            return str(ipaddress.IPv4Address(text))
        except ValueError:
            raise Mistake(f"{text!r} is not an IPv4 address") from None
    if text == "*":
        raise Mistake("'*' is not a host", "leave it empty for all interfaces")
    if not _NAME.fullmatch(text):
        raise Mistake(f"{text!r} is neither an IP address nor a host name")
    return text.lower()


def read_name_server(text: str) -> str:
    """``10.0.0.53``, ``10.0.0.53:5353``, ``[fd00::53]`` or ``[fd00::53]:5353``, which is how c-ares has them.
    Raises Mistake."""
    refusal = Mistake(
        f"{text!r} is not the address of a name server",
        "write 10.0.0.53, 10.0.0.53:5353 or [fd00::53]:5353, or system alone",
    )
    match = _NAME_SERVER.fullmatch(f"[{text}]" if text.count(":") > 1 and "[" not in text else text)
    if match is None:
        raise refusal
    try:
        address = ipaddress.ip_address(match["six"] or match["four"])
    except ValueError:
        raise refusal from None
    server = f"[{address}]" if address.version == 6 else str(address)
    port = match["port"]
    if port is None:
        return server
    if len(port) > 5 or not 0 < int(port) <= 65535:
        raise Mistake(f"port {port!r} is not a number from 1 to 65535")
    return f"{server}:{int(port)}"
