"""The keys of TLS, which ``[server]``, ``[listen name]`` and ``[host name]`` share.

``[listen]`` takes from ``[server]`` what it does not say.  ``[host]`` may have a certificate of its own, and
takes ``https_only`` and ``hsts`` from the listener where it does not say them.
"""

from __future__ import annotations

from typing import Any

from skitai.core.config.keys import key
from skitai.core.config.kinds import HSTS, INT, PEM_FILE, TEXT, TLS_VERSION, VERIFY, YES_NO, Kind

__all__ = ["tls_key"]

_KEYS: dict[str, tuple[Kind, str]] = {
    "ssl": (YES_NO, "serve TLS"),
    "certfile": (PEM_FILE, "certificate in PEM, then those of its issuers; looked for in ../cert too"),
    "keyfile": (PEM_FILE, "private key in PEM; empty: it stands in certfile"),
    "passphrase": (TEXT, "of the private key"),
    "passphrase_file": (PEM_FILE, "file whose first line is the passphrase"),
    "ca_certs": (PEM_FILE, "certificates in PEM of those who issue clients' certificates"),
    "verify": (VERIFY, "whether clients have to show a certificate"),
    "tls_min": (TLS_VERSION, "oldest version of TLS"),
    "ciphers": (TEXT, "of TLS 1.2, as OpenSSL writes them; empty: ECDHE with AES-GCM or ChaCha20"),
    "https_only": (YES_NO, "requests in clear text are sent to https, but for /ping and ACME's"),
    "https_port": (INT, "where https_only sends them"),
    "hsts": (
        HSTS,
        "Strict-Transport-Security of answers by https: 365d, or 365d; includeSubDomains; preload",
    ),
}


def tls_key(name: str, *, inherits: bool = False) -> dict[str, Any]:
    """The metadata of the key ``name``."""
    kind, reason = _KEYS[name]
    least, most = (1, 65535) if kind is INT else (None, None)
    return key(kind, reason, inherits=inherits, secret=name == "passphrase", least=least, most=most)
