"""Making certificates for one's own machine, by the library cryptography, which is an extra.

P-256 and SHA-256 throughout.  Names stand where clients look for them, in subjectAltName (RFC 9110
section 4.3.4); the common name is for people.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from skitai.core.config.routelines import read_host_rule

__all__ = ["Made", "authority", "for_client", "for_server", "read"]

#: An authority is trusted by hand, on every machine: that should be seldom.
_AUTHORITY_DAYS = 3650
#: RFC 5280 appendix A.1, ub-common-name.
_COMMON_NAME_MAX = 64
#: Clocks of machines that look at a new certificate may be a little behind.
_HEAD_START = timedelta(hours=1)


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def authority() -> Made:
    """One that signs certificates of servers and clients, and no further authorities."""
    return _make(
        "Skitai development authority",
        _AUTHORITY_DAYS,
        None,
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_usage(signs_certificates=True), True),
    )


def for_server(names: Iterable[str], days: int, issuer: Made | None) -> Made:
    """For these hosts and addresses; signed by itself without ``issuer``.  Raises ValueError for what is
    no name."""
    told = [_general_name(name) for name in names]
    return _make(
        str(told[0].value),
        days,
        issuer,
        (x509.SubjectAlternativeName(told), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
    )


def for_client(name: str, days: int, issuer: Made | None) -> Made:
    return _make(
        name,
        days,
        issuer,
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
    )


def read(pem: bytes, key_pem: bytes) -> Made:
    """What `Made` has written.  Raises ValueError."""
    key = serialization.load_pem_private_key(key_pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("its key is not one of an elliptic curve")
    return Made(x509.load_pem_x509_certificate(pem), key)


def _make(
    common_name: str, days: int, issuer: Made | None, *extensions: tuple[x509.ExtensionType, bool]
) -> Made:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_COMMON_NAME_MAX])])
    now = datetime.now(timezone.utc)
    signing_key = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _HEAD_START)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False
        )
    )
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, is_critical)
    return Made(builder.sign(signing_key, hashes.SHA256()), key)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        wildcard = "*." if name.startswith("*.") else ""
        return x509.DNSName(wildcard + read_host_rule(name.removeprefix(wildcard)))
