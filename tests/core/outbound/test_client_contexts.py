"""Certificates of outgoing calls, whose files change while the process runs."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from skitai.cli import certmaking
from skitai.core.outbound.clienttls import ClientContexts
from skitai.core.outbound.request import Origin, TLSOptions
from skitai.errors import TLSError
from tests import certificates
from tests.certificates import Pair


def call(contexts: ClientContexts, origin: Origin, server: ssl.SSLContext) -> Pair:
    """A connection to ``server`` that has been answered."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    ours = contexts.wrap(origin, to_client, to_server)
    for _ in range(4):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    theirs.write(b"answer")
    assert ours.read(6) == b"answer"
    contexts.remember(origin, ours)
    return Pair(ours, theirs)


def origin_of(**options: str) -> Origin:
    return Origin("https", "localhost", 443, TLSOptions(**options))  # type: ignore[arg-type]


def serving(files: certificates.Files, clients_of: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certfile, files.keyfile)
    if clients_of is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients_of)
    return context


def test_another_authority_is_read_without_a_restart(tmp_path: Path) -> None:
    first = certificates.server(tmp_path, stem="first")
    second = certificates.server(tmp_path, stem="second")
    cafile = tmp_path / "ca.pem"
    cafile.write_bytes(first.certfile.read_bytes())
    contexts, origin = ClientContexts(), origin_of(cafile=str(cafile))
    server = serving(first)
    assert not call(contexts, origin, server).client.session_reused
    assert call(contexts, origin, server).client.session_reused

    with pytest.raises(ssl.SSLCertVerificationError):
        call(contexts, origin, serving(second))
    cafile.write_bytes(second.certfile.read_bytes())
    # What was to be resumed was of the old authorities: nothing of it is offered to anybody.
    assert not call(contexts, origin, serving(second)).client.session_reused
    with pytest.raises(ssl.SSLCertVerificationError):
        call(contexts, origin, server)


def test_what_a_connection_leaves_that_began_before_the_change_is_not_offered(tmp_path: Path) -> None:
    files = certificates.server(tmp_path)
    cafile = tmp_path / "ca.pem"
    cafile.write_bytes(files.certfile.read_bytes())
    contexts, origin = ClientContexts(), origin_of(cafile=str(cafile))
    server = serving(files)
    early = call(contexts, origin, server)
    cafile.write_bytes(files.certfile.read_bytes() * 2)
    call(contexts, origin, server)
    contexts.remember(origin, early.client)
    assert not call(contexts, origin, server).client.session_reused


def test_our_own_certificate_is_renewed_and_a_half_written_pair_does_no_harm(tmp_path: Path) -> None:
    server_files = certificates.server(tmp_path)
    issuer = certmaking.authority()
    clients = tmp_path / "clients.pem"
    clients.write_bytes(issuer.pem)
    shown = certificates.write(tmp_path, "shown", certmaking.for_client("first", 30, issuer))
    server = serving(server_files, clients)
    contexts = ClientContexts()
    origin = origin_of(
        cafile=str(server_files.certfile), certfile=str(shown.certfile), keyfile=str(shown.keyfile)
    )
    assert client_of(call(contexts, origin, server)) == "first"

    renewed = certmaking.for_client("second", 30, issuer)
    shown.certfile.write_bytes(renewed.pem)  # and not yet its key
    assert client_of(call(contexts, origin, server)) == "first"
    shown.keyfile.write_bytes(renewed.key_pem)
    assert client_of(call(contexts, origin, server)) == "second"


def test_files_that_were_never_good_are_named(tmp_path: Path) -> None:
    cafile = tmp_path / "ca.pem"
    contexts = ClientContexts()
    with pytest.raises(TLSError, match=r"ca\.pem"):
        contexts.wrap(origin_of(cafile=str(cafile)), ssl.MemoryBIO(), ssl.MemoryBIO())


def client_of(pair: Pair) -> str:
    certificate = pair.server.getpeercert()
    assert certificate
    return str(dict(each[0] for each in certificate["subject"])["commonName"])  # type: ignore[misc,union-attr]
