"""What our contexts agree to: versions, ciphers, names, clients' certificates."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from skitai.cli import certmaking
from skitai.core.config import Settings, load
from skitai.core.tls import ListenerContext, connection_fields
from tests import certificates
from tests.certificates import client_context, shake_hands

SERVER = "[server]\nssl = yes\ncertfile = server.pem\nkeyfile = server.key\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    certificates.server(tmp_path)
    (tmp_path / "www").mkdir()
    return tmp_path


def settings(folder: Path, text: str) -> Settings:
    return load(folder / "x.conf", text=text)


def context(folder: Path, text: str = SERVER, name: str = "") -> ssl.SSLContext:
    """That of a connection to the first listener whose client wants ``name``."""
    found = settings(folder, text)
    return ListenerContext(found.listeners[0], found, lambda text, kind: pytest.fail(text))(name)


def test_versions_ciphers_and_protocol(folder: Path) -> None:
    ours = context(folder)
    client = client_context(folder / "server.pem")
    client.set_alpn_protocols(["h2", "http/1.1"])
    pair = shake_hands(client, ours, "localhost")
    assert (pair.client.version(), pair.client.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")

    client.maximum_version = ssl.TLSVersion.TLSv1_2
    pair = shake_hands(client, ours, "127.0.0.1")
    assert pair.client.version() == "TLSv1.2"
    assert pair.client.compression() is None
    for weak in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"):
        client.set_ciphers(weak)
        with pytest.raises(ssl.SSLError):
            shake_hands(client, ours, "localhost")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
def test_older_versions_are_refused(folder: Path) -> None:
    client = client_context(folder / "server.pem")
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        shake_hands(client, context(folder), "localhost")


def test_the_oldest_version_and_the_ciphers_can_be_chosen(folder: Path) -> None:
    client = client_context(folder / "server.pem")
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    chosen = context(folder, SERVER + "ciphers = ECDHE-ECDSA-CHACHA20-POLY1305\n")
    pair = shake_hands(client, chosen, "localhost")
    assert pair.client.cipher() == ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLSv1.2", 256)
    with pytest.raises(ssl.SSLError):
        shake_hands(client, context(folder, SERVER + "tls_min = 1.3\n"), "localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("verify", ["", "ca_certs = ca.pem\nverify = optional\n"])
def test_a_client_that_comes_back_resumes(folder: Path, version: ssl.TLSVersion, verify: str) -> None:
    certificates.write(folder, "ca", certmaking.authority())
    ours = context(folder, SERVER + verify)
    client = client_context(folder / "server.pem")
    client.maximum_version = version
    first = shake_hands(client, ours, "localhost")
    again = shake_hands(client, ours, "localhost", first.client.session)
    assert (first.client.session_reused, again.client.session_reused) == (False, True)


def test_the_certificate_is_chosen_by_the_name_that_the_client_says(folder: Path) -> None:
    for name, names in {
        "exact": ["www.x.com"],
        "domain": ["domain.x.com", "x.com", "*.x.com"],
        "rest": ["rest.net", "*.com", "*.net"],
    }.items():
        certificates.server(folder, names, stem=name)
    routes = "[routes:line]\n/ = www\n: www.x.com .x.com plain.net\n/ = www\n"
    hosts = "".join(
        f"[host {host}]\ncertfile = {stem}.pem\nkeyfile = {stem}.key\n"
        for host, stem in (("www.x.com", "exact"), (".x.com", "domain"))
    )

    def shown(name: str, text: str) -> str:
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        for file in folder.glob("*.pem"):
            client.load_verify_locations(file)
        return shake_hands(client, context(folder, text, name), name or None).name()

    text = SERVER + routes + hosts
    assert shown("www.x.com", text) == "www.x.com"
    assert shown("WWW.X.com", text) == "www.x.com"
    assert shown("a.x.com", text) == "domain.x.com"
    assert shown("x.com", text) == "domain.x.com"
    assert shown("plain.net", text) == "localhost"
    assert shown("", text) == "localhost"
    text += "[host default]\ncertfile = rest.pem\nkeyfile = rest.key\n"
    assert shown("plain.net", text) == "rest.net"
    assert shown("", text) == "localhost"
    assert shown("a.x.com", text) == "domain.x.com"


# --- certificates of clients

VERIFY = SERVER + "ca_certs = ca.pem\n"


@pytest.fixture
def authority(folder: Path) -> certmaking.Made:
    made = certmaking.authority()
    certificates.write(folder, "ca", made)
    return made


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_shows_who_it_is(folder: Path, authority: certmaking.Made, version: ssl.TLSVersion) -> None:
    files = certificates.write(folder, "ann", certmaking.for_client('Änn, "x"', 1, authority))
    client = client_context(folder / "server.pem", files)
    client.maximum_version = version
    pair = shake_hands(client, context(folder, VERIFY + "verify = required\n"), "localhost")
    fields = connection_fields(pair.server)
    assert fields["SSL_PROTOCOL"] == version.name.replace("v1_", "v1.")
    assert fields["SSL_CIPHER"] == pair.client.cipher()[0]  # type: ignore[index]
    assert fields["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert fields["SSL_CLIENT_S_DN"].encode("latin-1").decode() == 'CN=Änn\\, \\"x\\"'
    assert fields["SSL_CLIENT_I_DN"] == "CN=Skitai development authority"
    made = certmaking.read(files.certfile.read_bytes(), files.keyfile.read_bytes()).certificate
    assert int(fields["SSL_CLIENT_M_SERIAL"], 16) == made.serial_number
    assert fields["SSL_CLIENT_CERT"] == files.certfile.read_text()
    assert fields["SSL_CLIENT_V_END"].endswith(" GMT")
    assert fields["SSL_CLIENT_V_START"].endswith(" GMT")


def test_a_name_of_several_parts_has_the_last_in_front(folder: Path) -> None:
    class Connection:
        def cipher(self) -> None: ...

        def version(self) -> None: ...

        def getpeercert(self, binary_form: bool = False) -> object:
            parts = ((("countryName", "KR"),), (("organizationName", " a+b"), ("1.2.3", "x")))
            texts = dict.fromkeys(("serialNumber", "notBefore", "notAfter"), "")
            return b"der" if binary_form else {"subject": parts, "issuer": (), **texts}

    fields = connection_fields(Connection())  # type: ignore[arg-type]  # what is asked of one
    assert fields["SSL_CLIENT_S_DN"] == "O=\\ a\\+b+1.2.3=x,C=KR"


def test_a_client_without_certificate(folder: Path, authority: certmaking.Made) -> None:
    client = client_context(folder / "server.pem")
    pair = shake_hands(client, context(folder, VERIFY + "verify = optional\n"), "localhost")
    fields = connection_fields(pair.server)
    assert sorted(fields) == ["SSL_CIPHER", "SSL_CLIENT_VERIFY", "SSL_PROTOCOL"]
    assert fields["SSL_CLIENT_VERIFY"] == "NONE"
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake_hands(client, context(folder, VERIFY + "verify = required\n"), "localhost")


@pytest.mark.parametrize("verify", ["optional", "required"])
def test_a_client_of_another_authority_is_refused(
    folder: Path, authority: certmaking.Made, verify: str
) -> None:
    files = certificates.write(folder, "eve", certmaking.for_client("Eve", 1, certmaking.authority()))
    client = client_context(folder / "server.pem", files)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        shake_hands(client, context(folder, VERIFY + f"verify = {verify}\n"), "localhost")


def test_clients_are_verified_behind_the_certificate_of_a_host_too(
    folder: Path, authority: certmaking.Made
) -> None:
    certificates.server(folder, ["www.x.com"], stem="www")
    text = VERIFY + "verify = required\n[routes:line]\n: www.x.com\n/ = www\n"
    text += "[host www.x.com]\ncertfile = www.pem\nkeyfile = www.key\n"
    ann = certificates.write(folder, "ann", certmaking.for_client("Ann", 1, authority))
    ours = context(folder, text, "www.x.com")
    pair = shake_hands(client_context(folder / "www.pem", ann), ours, "www.x.com")
    assert connection_fields(pair.server)["SSL_CLIENT_S_DN"] == "CN=Ann"
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake_hands(client_context(folder / "www.pem"), ours, "www.x.com")
