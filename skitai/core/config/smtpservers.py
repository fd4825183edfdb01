"""An SMTP server, and how it is spoken to: what ``[smtpda]`` says for all mail and `set_smtp` for one."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from skitai.core.config.address import read_host
from skitai.core.config.problems import Mistake

__all__ = ["STARTTLS", "SmtpServer", "read_smtp_server", "write_smtp_server"]

#: ``auto``: where the server offers it, but for one of this machine.
STARTTLS = ("auto", "yes", "no")

_PORT = 25
_PORT_TLS = 465


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """``port`` 0 is the usual one.  ``ssl``: TLS from the first byte.  ``user`` and ``password``: both or
    neither."""

    host: str
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    ssl: bool = False
    starttls: str = "auto"
    verify: bool = True

    def __str__(self) -> str:
        return write_smtp_server((self.host, self.port_number))

    @property
    def port_number(self) -> int:
        return self.port or (_PORT_TLS if self.ssl else _PORT)

    @property
    def is_local(self) -> bool:
        """What is said to it passes no network."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def complaint(self) -> str:
        """Why it cannot be spoken to like this; empty where it can."""
        if bool(self.user) != bool(self.password):
            return "user and password: both or neither"
        if not (self.user + self.password).isascii():
            return "user and password have to be ASCII: smtplib sends no other"
        if self.ssl and self.starttls == "yes":
            return "ssl speaks TLS from the first byte, starttls from later on: keep one of them"
        return ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SmtpServer:
        """Raises TypeError for other keys than those of `to_json`."""
        return cls(**data)


def read_smtp_server(text: str) -> tuple[str, int]:
    """Host and port of ``mail.example.com:587``, ``[::1]:25`` or ``mail.example.com``, whose port is 0.
    Raises Mistake."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text.strip(), ""
    if not host:
        raise Mistake("the server has no name", "write mail.example.com:25")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535):
        raise Mistake(f"port {port!r} is not a number from 1 to 65535", "write mail.example.com:25")
    return read_host(host), int(port or 0)


def write_smtp_server(place: tuple[str, int]) -> str:
    host, port = place
    if ":" in host:
        host = f"[{host}]"
    return f"{host}:{port}" if port else host
