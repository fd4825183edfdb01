"""Entries of ``proxy_allow``: where the forward proxy goes besides the public Internet."""

from __future__ import annotations

import ipaddress
import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import NamedTuple

from skitai.core.config.problems import Mistake

__all__ = ["ProxyTarget", "parse_proxy_target"]

_NAMED = re.compile(r"(\.?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")


class ProxyTarget(NamedTuple):
    """Either a ``network``, or a ``host`` (with a dot in front: and all names below) and perhaps a ``port``;
    0 is any."""

    host: str
    port: int
    network: IPv4Network | IPv6Network | None

    def __str__(self) -> str:
        if self.network is not None:
            return str(self.network)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host

    def names(self, host: str, port: int) -> bool:
        if self.network is not None or (self.port and self.port != port):
            return False
        if self.host.startswith("."):
            return host == self.host[1:] or host.endswith(self.host)
        return host == self.host


def parse_proxy_target(text: str, base: Path) -> ProxyTarget:
    lower = text.lower()
    try:
        return ProxyTarget("", 0, ipaddress.ip_network(lower, strict=False))
    except ValueError:
        match = _NAMED.fullmatch(lower)
    port = int(match[2] or 0) if match else 0
    if match is None or port > 65535:
        raise Mistake(
            f"{text!r} is no target", "write host.example.com, .example.com, host:993 or 10.1.0.0/16"
        )
    return ProxyTarget(match[1].strip("[]"), port, None)
