"""What applications learn of a TLS connection whose listener asks clients for certificates.

The names are those that mod_ssl and uWSGI made common.  A client cannot forge them: what it sends
comes as ``HTTP_…``.  Listeners with ``verify = no`` set none of them: they differ from one connection to
the next, and the environ of a plain request is made from one template for all.

Loop thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from skitai._lazy import LazyModule

if TYPE_CHECKING:
    import ssl
else:
    ssl = LazyModule("ssl")

__all__ = ["connection_fields"]

#: The short names of RFC 4514 section 3, and that of OpenSSL for e-mail; others stay as they are.
_SHORT = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}
# RFC 4514 section 2.4: special anywhere, a "#" or space in front, a space behind.
_SPECIAL = re.compile(r'[\\"+,;<>]|^[# ]| $')


def connection_fields(tls: ssl.SSLObject) -> dict[str, str]:
    """``SSL_…`` for the environ."""
    cipher = tls.cipher()
    fields = {
        "SSL_PROTOCOL": tls.version() or "",
        "SSL_CIPHER": cipher[0] if cipher else "",
        "SSL_CLIENT_VERIFY": "NONE",
    }
    certificate: dict[str, Any] | None = tls.getpeercert()
    der = tls.getpeercert(binary_form=True)
    if certificate and der:
        fields |= {
            "SSL_CLIENT_VERIFY": "SUCCESS",
            "SSL_CLIENT_S_DN": _name(certificate["subject"]),
            "SSL_CLIENT_I_DN": _name(certificate["issuer"]),
            "SSL_CLIENT_M_SERIAL": certificate["serialNumber"],
            "SSL_CLIENT_V_START": certificate["notBefore"],
            "SSL_CLIENT_V_END": certificate["notAfter"],
            "SSL_CLIENT_CERT": ssl.DER_cert_to_PEM_cert(der),
        }
    return fields


def _name(parts: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    """A distinguished name as RFC 4514 writes it, the last part first: ``CN=Ann,O=Example``."""
    return ",".join("+".join(_pairs(part)) for part in reversed(parts))


def _pairs(part: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for kind, value in part:
        # WSGI strings are bytes as latin-1 (PEP 3333).
        text = _SPECIAL.sub(lambda found: "\\" + found[0], value).encode().decode("latin-1")
        yield f"{_SHORT.get(kind, kind)}={text}"
