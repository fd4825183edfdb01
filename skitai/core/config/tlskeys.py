"""The keys of TLS, which ``[server]``, ``[listen name]`` and ``[host name]`` share.

``[listen]`` takes from ``[server]`` what it does not say.  ``[host]`` has a certificate of its own, and of
what browsers are told (`POLICY`) takes from the listener what it does not say.

What they say together is checked here as far as the text goes; what stands in the files is for
`skitai.core.tls`, which is asked once it is known that somebody serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from skitai.core.config.keys import key
from skitai.core.config.kinds import HSTS, INT, PEM_FILE, TEXT, TLS_VERSION, VERIFY, YES_NO, Kind
from skitai.core.config.problems import Problems

__all__ = ["check_certificates", "check_listeners", "origin_of", "tls_key"]

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


class _Certified(Protocol):
    @property
    def title(self) -> str: ...
    @property
    def certfile(self) -> Path | None: ...
    @property
    def keyfile(self) -> Path | None: ...
    @property
    def passphrase(self) -> str: ...
    @property
    def passphrase_file(self) -> Path | None: ...


class _Listener(_Certified, Protocol):
    @property
    def ssl(self) -> bool: ...
    @property
    def ca_certs(self) -> Path | None: ...
    @property
    def verify(self) -> str: ...


Origins = Mapping[tuple[str, str], str]


def origin_of(origins: Origins, title: str, *names: str) -> str:
    """Where the first of ``names`` that something says for ``title`` was said; empty: nowhere."""
    places = [(section, name) for name in names for section in (title, "server")]
    return next((origins[place] for place in places if place in origins), "")


def check_listeners(listeners: Iterable[_Listener], origins: Origins, problems: Problems) -> None:
    listeners = tuple(listeners)
    serves_tls = any(listener.ssl for listener in listeners)
    told: set[tuple[str, str]] = set()

    def tell(message: str, hint: str, title: str, *names: str) -> None:
        source = origin_of(origins, title, *names)
        if (message, source) not in told:  # listeners that take it from [server] say it once
            told.add((message, source))
            problems.add(message, hint=hint, source=source)

    for listener in listeners:
        title, says = listener.title, listener.verify != "no"
        if not listener.ssl:
            if says and ((title, "verify") in origins or not serves_tls):
                tell(
                    f"verify = {listener.verify} without TLS: nobody would be verified",
                    "write ssl = yes",
                    title,
                    "verify",
                )
            continue
        if listener.certfile is None:
            tell(
                "ssl = yes needs a certificate",
                "write certfile = server.pem; `skitai cert` makes one for your own machine",
                title,
                "ssl",
            )
        if says and listener.ca_certs is None:
            hint = "write ca_certs = the file with the certificates of those who issue your clients'"
            tell(f"verify = {listener.verify} needs ca_certs", hint, title, "verify")
        _check_passphrase(listener, origins, problems)


def check_certificates(hosts: Iterable[_Certified], origins: Origins, problems: Problems) -> None:
    """Of the ``[host]`` sections."""
    for host in hosts:
        if host.certfile is None and (host.keyfile or host.passphrase or host.passphrase_file):
            source = origin_of(origins, host.title, "keyfile", "passphrase", "passphrase_file")
            problems.add(f"[{host.title}] has a key but no certfile", hint="name both", source=source)
        _check_passphrase(host, origins, problems)


def _check_passphrase(section: _Certified, origins: Origins, problems: Problems) -> None:
    if section.passphrase and section.passphrase_file is not None:
        source = origin_of(origins, section.title, "passphrase_file")
        problems.add("passphrase_file stands beside passphrase", hint="keep one of them", source=source)
