"""Who may use the forward proxy, and how much of it at once.

By the address that the client's packets come from, never by what a field says; and, where users are listed,
by their password too (Basic, RFC 7617).  The users' file has a line for each, ``name:password``; it is read
again when it has changed.

The loop thread.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path

from skitai._kernels import http1
from skitai.errors import ConfigError, HTTPError

__all__ = ["Clients", "Users"]


class Clients:
    """Counts what each client has under way."""

    def __init__(self, networks: Iterable[str], most: int) -> None:
        """``networks``: addresses, networks and ``unix`` for those who come through a unix socket."""
        networks = tuple(networks)
        self._has_unix = "unix" in networks
        self._networks = tuple(ip_network(network) for network in networks if network != "unix")
        self._most = most
        self._counts: dict[str, int] = {}

    def may(self, address: str) -> bool:
        if not address:
            return self._has_unix
        parsed = ip_address(address.partition("%")[0])
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed.version == network.version and parsed in network for network in self._networks)

    def enter(self, address: str) -> bool:
        """One more; not if they would be too many."""
        count = self._counts.get(address, 0)
        if count >= self._most:
            return False
        self._counts[address] = count + 1
        return True

    def leave(self, address: str) -> None:
        count = self._counts.pop(address) - 1
        if count:
            self._counts[address] = count


class Users:
    """Those of a file."""

    def __init__(self, file: Path, warn: Callable[[str], None]) -> None:
        """``warn(text)`` tells the operator that a changed file is of no use.  Raises ConfigError: it cannot
        be read, or has a line that is none."""
        self._file = file
        self._warn = warn
        self._state = self._look()
        self._passwords = self._read()

    def _look(self) -> tuple[int, int] | None:
        try:
            state = os.stat(self._file)
        except OSError:
            return None
        return state.st_mtime_ns, state.st_size

    def _read(self) -> dict[bytes, bytes]:
        try:
            text = self._file.read_bytes()
        except OSError as error:
            raise ConfigError(f"proxy_users_file {self._file} cannot be read: {error.strerror}") from error
        passwords = {}
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.startswith(b"#"):
                name, colon, password = line.partition(b":")
                if not colon or not name:
                    raise ConfigError(
                        f"proxy_users_file {self._file}: line {number} is none", hint="write name:password"
                    )
                passwords[name] = password
        return passwords

    def check(self, head: http1.RequestHead) -> None:
        """Raises HTTPError (407)."""
        self._refresh()
        scheme, _, credentials = (head.get("proxy-authorization") or "").partition(" ")
        if scheme.lower() == "basic":
            try:
                name, _, password = base64.b64decode(credentials.strip(), validate=True).partition(b":")
            except (binascii.Error, ValueError):
                name = password = b""
            # As long for names that there are not.
            known = self._passwords.get(name)
            is_good = hmac.compare_digest(password, b"" if known is None else known)
            if is_good and known is not None:
                return
        raise HTTPError(407, "The proxy wants to know who asks: a name and a password.")

    def _refresh(self) -> None:
        state = self._look()
        if state == self._state:
            return
        self._state = state
        try:
            self._passwords = self._read()
        except ConfigError as error:  # half written, or gone
            self._warn(f"{error}; those who were known still are")
