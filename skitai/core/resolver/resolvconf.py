"""resolv.conf(5): who is asked, how often, and which full names a short name may stand for.

Read here and not by c-ares: A and AAAA must come from the same full name, and c-ares would search for each
by itself; and pycares 5.2 hands over the name of the file after it has freed it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

from skitai.core.config.address import read_name_server
from skitai.core.config.problems import Mistake
from skitai.core.resolver.names import host_name
from skitai.errors import ResolveError

__all__ = ["ResolvConf", "parse_resolv_conf"]

#: More are not looked at: a name must not cost any number of questions.
_MOST_DOMAINS = 32
#: As the C library has them.
_MOST_DOTS, _MOST_SECONDS, _MOST_ATTEMPTS = 15, 30, 5
_LONGEST = 253


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """``servers`` as c-ares wants them; what is None, and no servers at all, is left to c-ares.  ``timeout``
    is the time of one attempt in seconds."""

    servers: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    dots: int = 1
    timeout: float | None = None
    attempts: int | None = None
    rotates: bool = False

    def candidates(self, name: str) -> Iterator[str]:
        """The full names, the likeliest first, without a dot at their ends."""
        if name.endswith("."):
            yield name[:-1]
            return
        is_full = name.count(".") >= self.dots
        if is_full:
            yield name
        for domain in self.domains:
            if len(name) + 1 + len(domain) <= _LONGEST:
                yield f"{name}.{domain}"
        if not is_full:
            yield name


def parse_resolv_conf(text: str) -> ResolvConf:
    """What is not understood is passed over, as by the C library."""
    servers: list[str] = []
    # Where no domain is given it is that of this machine.
    domains = [socket.gethostname().partition(".")[2]]
    options: dict[str, str] = {}
    for line in text.splitlines():
        match line.split():
            case ["nameserver", server, *_]:
                servers += _servers(server)
            case ["search" | "domain", *words]:
                domains = words  # the last line counts
            case ["options", *words]:
                options |= {key: value for key, _, value in (word.partition(":") for word in words)}
    dots = _number(options.get("ndots"), 0, _MOST_DOTS)
    return ResolvConf(
        servers=tuple(servers),
        domains=tuple(_usable(domains))[:_MOST_DOMAINS],
        dots=1 if dots is None else dots,
        timeout=_number(options.get("timeout"), 1, _MOST_SECONDS),
        attempts=_number(options.get("attempts"), 1, _MOST_ATTEMPTS),
        rotates="rotate" in options,
    )


def _servers(text: str) -> Iterator[str]:
    address, percent, scope = text.partition("%")
    try:
        yield read_name_server(address) + percent + scope
    except Mistake:
        return


def _usable(domains: list[str]) -> Iterator[str]:
    for domain in domains:
        try:
            yield host_name(domain).rstrip(".")
        except ResolveError:
            continue  # "." among them, with which systemd-resolved says that there are none


def _number(text: str | None, least: int, most: int) -> int | None:
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    return max(least, min(int(text[:4]), most))
