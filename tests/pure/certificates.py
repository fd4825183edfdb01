"""Certificates that last for a test run, and contexts of servers and clients over them."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import cache

import trustme

__all__ = ["KEYS", "Named", "Unnamed", "client_context", "server_context"]

#: Of the servers' keys: the two that the world uses.
KEYS = {"ecdsa": trustme.KeyType.ECDSA, "rsa": trustme.KeyType.RSA}


#: Made at import: the first to ask may be several threads.
_AUTHORITY = trustme.CA()


@cache
def server_context(
    key: str = "ecdsa", version: ssl.TLSVersion | None = None, *, asks_client: bool = False
) -> ssl.SSLContext:
    """Complete, as the engine wants one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _AUTHORITY.issue_cert("test.example", key_type=KEYS[key]).configure_cert(context)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if asks_client:
        _AUTHORITY.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class Unnamed:
    """`Contexts` of a listener that has one for all names."""

    has_names = False

    def __init__(self, make: Callable[[], ssl.SSLContext]) -> None:
        self._make = make

    def __call__(self, name: str) -> ssl.SSLContext:
        return self._make()


class Named(Unnamed):
    """Has to be told the name, and keeps it."""

    has_names = True

    def __init__(self) -> None:
        super().__init__(server_context)
        self.asked: list[str] = []

    def __call__(self, name: str) -> ssl.SSLContext:
        self.asked.append(name)
        return super().__call__(name)


def client_context(*, certificate: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _AUTHORITY.configure_trust(context)
    if certificate:
        _AUTHORITY.issue_cert("client@test.example").configure_cert(context)
    return context
