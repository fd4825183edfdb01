"""What a certificate says: its names, and from when to when it is good.

The standard library decodes a certificate only for who has verified it.  So we shake hands with
ourselves, in memory, as a client that trusts exactly this one at any time: which shows besides that it
can be served at all.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skitai._lazy import LazyModule
from skitai.core.config.routelines import DEFAULT_HOST
from skitai.core.tls.pairs import Pair
from skitai.errors import ConfigError

if TYPE_CHECKING:
    import ssl
else:
    ssl = LazyModule("ssl")

__all__ = ["Certificate", "look_at"]

#: X509_V_FLAG_NO_CHECK_TIME, which the standard library does not name.
_ANY_TIME = 0x200000
#: Client and server each speak twice in the longest handshake.
_TURNS = 4


@dataclass(frozen=True, slots=True)
class Certificate:
    """``names`` of hosts, lower case, and ``addresses``; ``begins`` and ``ends`` in seconds of the epoch."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    begins: float
    ends: float

    def covers(self, rule: str) -> bool:
        """Whether browsers take it for all hosts of a rule of the routes; one for all others says nothing."""
        if rule == DEFAULT_HOST:
            return True
        if rule.startswith("."):
            return self._covers(rule[1:]) and f"*{rule}" in self.names
        return self._covers(rule)

    def _covers(self, host: str) -> bool:
        _, dot, domain = host.partition(".")
        return host in self.names or host in self.addresses or f"*{dot}{domain}" in self.names


def look_at(pair: Pair) -> Certificate:
    """Raises ConfigError."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair.load_into(server_side)
    client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_side.check_hostname = False
    client_side.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_ANY_TIME)
    try:
        client_side.load_verify_locations(cadata=pair.certificate())
        return _read(_shake_hands(client_side, server_side))
    except ssl.SSLCertVerificationError as error:
        raise ConfigError(
            f"{pair.certfile} is no certificate for a server: {error.verify_message}", file=pair.where
        ) from error
    except ssl.SSLError as error:
        raise ConfigError(f"{pair.certfile} cannot be served: {error.reason}", file=pair.where) from error


def _shake_hands(client_side: ssl.SSLContext, server_side: ssl.SSLContext) -> dict[str, Any]:
    """The server's certificate as the client gets it."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    client = client_side.wrap_bio(to_client, to_server)
    for _ in range(_TURNS):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.getpeercert() or {}


def _read(certificate: dict[str, Any]) -> Certificate:
    alternatives = certificate.get("subjectAltName", ())
    return Certificate(
        names=tuple(value.lower() for kind, value in alternatives if kind == "DNS"),
        addresses=tuple(
            str(ipaddress.ip_address(value.strip())) for kind, value in alternatives if kind == "IP Address"
        ),
        begins=ssl.cert_time_to_seconds(certificate["notBefore"]),
        ends=ssl.cert_time_to_seconds(certificate["notAfter"]),
    )
