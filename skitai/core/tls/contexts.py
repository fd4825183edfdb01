"""What we agree to with a client: the one place where a context is made.

TLS 1.2 with forward secrecy and authenticated encryption only (no CBC, no RSA key exchange), and 1.3.
Tickets and sessions are on: a client that comes back saves a round trip and us a signature.  They are
encrypted with keys of the context, which are new with each start, reload and worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skitai._lazy import LazyModule
from skitai.core.config import ListenSettings, Settings
from skitai.core.tls.pairs import Pair, read_pem
from skitai.errors import ConfigError

if TYPE_CHECKING:
    import ssl
else:
    ssl = LazyModule("ssl")

__all__ = ["make_context"]

#: Of TLS 1.2; those of 1.3 are all good, and Python cannot choose among them.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_VERSIONS = {"1.2": "TLSv1_2", "1.3": "TLSv1_3"}
_MODES = {"no": "CERT_NONE", "optional": "CERT_OPTIONAL", "required": "CERT_REQUIRED"}


def make_context(pair: Pair, listener: ListenSettings, settings: Settings) -> ssl.SSLContext:
    """Reads the files.  Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion[_VERSIONS[listener.tls_min]]
    context.options |= (
        ssl.OP_CIPHER_SERVER_PREFERENCE
        | ssl.OP_NO_COMPRESSION
        | ssl.OP_NO_RENEGOTIATION
        | ssl.OP_SINGLE_DH_USE
        | ssl.OP_SINGLE_ECDH_USE
    )
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.set_ciphers(listener.ciphers or _CIPHERS)
    except ssl.SSLError:
        raise ConfigError(
            f"OpenSSL knows none of ciphers = {listener.ciphers}",
            file=_origin(listener, "ciphers", settings),
            hint="`openssl ciphers -v TEXT` shows what a text means",
        ) from None
    _ask_clients(context, listener, settings)
    pair.load_into(context)
    return context


def _ask_clients(context: ssl.SSLContext, listener: ListenSettings, settings: Settings) -> None:
    if listener.verify == "no" or listener.ca_certs is None:
        return
    where = _origin(listener, "ca_certs", settings)
    issuers = "\n".join(read_pem(listener.ca_certs, "ca_certs", where))
    try:
        context.load_verify_locations(cadata=issuers)
    except ssl.SSLError as error:
        raise ConfigError(
            f"ca_certs: a certificate of {listener.ca_certs} is damaged ({error.reason})", file=where
        ) from error
    context.verify_mode = ssl.VerifyMode[_MODES[listener.verify]]


def _origin(listener: ListenSettings, key: str, settings: Settings) -> str:
    return settings.origins.get((listener.title, key)) or settings.origin("server", key)
