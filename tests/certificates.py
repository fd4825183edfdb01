"""Certificates for tests, made by the module behind ``skitai cert``, and handshakes in memory."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from skitai.cli import certmaking
from skitai.cli.certmaking import Made


@dataclass(frozen=True)
class Files:
    certfile: Path
    keyfile: Path


def write(folder: Path, stem: str, made: Made, passphrase: bytes = b"") -> Files:
    """``stem.pem`` and ``stem.key``, each replaced at once; the key encrypted with ``passphrase``."""
    key_pem = made.key_pem
    if passphrase:
        key_pem = made.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase),
        )
    files = Files(folder / f"{stem}.pem", folder / f"{stem}.key")
    for path, data in ((files.certfile, made.pem), (files.keyfile, key_pem)):
        fresh = path.with_suffix(path.suffix + ".new")
        fresh.write_bytes(data)
        fresh.replace(path)
    return files


def server(
    folder: Path,
    names: Sequence[str] = ("localhost", "127.0.0.1"),
    *,
    stem: str = "server",
    issuer: Made | None = None,
    days: float = 30,
    passphrase: bytes = b"",
) -> Files:
    """``days`` below zero, but for minutes only, makes one that has expired."""
    return write(folder, stem, certmaking.for_server(names, days, issuer), passphrase)  # type: ignore[arg-type]


def client_context(trusted: Path | None = None, files: Files | None = None) -> ssl.SSLContext:
    """``trusted``: a certificate of an authority or of the server itself; None: anybody is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trusted is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(trusted)
    if files is not None:
        context.load_cert_chain(files.certfile, files.keyfile)
    return context


@dataclass
class Pair:
    """Both ends of a connection in memory."""

    client: ssl.SSLObject
    server: ssl.SSLObject

    def name(self) -> str:
        """The first name of the certificate that the server has shown; the client must trust it."""
        certificate = self.client.getpeercert()
        assert certificate
        return str(certificate["subjectAltName"][0][1])  # type: ignore[index]


def shake_hands(
    client_context: ssl.SSLContext,
    server_context: ssl.SSLContext,
    name: str | None = None,
    session: ssl.SSLSession | None = None,
) -> Pair:
    """Raises ssl.SSLError, of whichever side it is."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name, session=session)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    # A byte each way: with 1.3 tickets and the refusal of a client come behind the handshake.
    server.write(b"s")
    assert client.read(1) == b"s"
    client.write(b"c")
    assert server.read(1) == b"c"
    return Pair(client, server)
