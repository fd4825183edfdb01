"""What is wrong with certificates and keys is said with the file, its place in the settings and a remedy."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from skitai.cli import certmaking
from skitai.core.config import ConfigErrors, load
from skitai.core.tls import check
from tests import certificates

SERVER = "[server]\nssl = yes\ncertfile = server.pem\n"
PAIR = SERVER + "keyfile = server.key\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As ``servers-enabled`` beside ``cert``."""
    made = tmp_path / "servers-enabled"
    (made / "www").mkdir(parents=True)
    return made


def findings(folder: Path, text: str, **environ: str) -> tuple[list[str], list[str]]:
    """Problems and warnings, with the folder taken out."""
    found = check(load(folder / "x.conf", text=text, environ=environ))
    problems, warnings = ([str(error).replace(f"{folder}/", "") for error in errors] for errors in found)
    return problems, warnings


def problem(folder: Path, text: str, **environ: str) -> str:
    problems, warnings = findings(folder, text, **environ)
    assert len(problems) == 1
    assert not warnings
    return problems[0]


def test_what_the_readme_says_works(folder: Path, require_program: Callable[[str], str]) -> None:
    """Key and certificate in one file, by its very command; found in ``cert`` beside the folder."""
    cert = folder.parent / "cert"
    cert.mkdir()
    require_program("openssl")
    command = "openssl req -new -newkey rsa:2048 -x509 -keyout server.pem -out server.pem -days 365 -nodes"
    answers = "KR\n.\nSeoul\n.\n.\nlocalhost\n.\n"  # what it asks for
    subprocess.run(command.split(), cwd=cert, input=answers, text=True, capture_output=True, check=True)
    assert findings(folder, SERVER) == ([], [])
    settings = load(folder / "x.conf", text=SERVER)
    assert settings.listeners[0].certfile == cert / "server.pem"


def test_a_file_beside_the_settings_goes_before_the_one_in_cert(folder: Path) -> None:
    cert = folder.parent / "cert"
    cert.mkdir()
    certificates.server(cert)
    certificates.server(folder)
    (folder / "server.key").unlink()
    settings = load(folder / "x.conf", text=PAIR)
    assert settings.listeners[0].certfile == folder / "server.pem"
    assert settings.listeners[0].keyfile == cert / "server.key"


def test_without_tls_no_file_is_looked_at(folder: Path) -> None:
    text = (
        "[server]\ncertfile = nowhere.pem\n[routes:line]\n: x.com\n/ = www\n[host x.com]\ncertfile = no.pem\n"
    )
    assert findings(folder, text) == ([], [])


def test_a_file_that_is_not_there(folder: Path) -> None:
    assert problem(folder, SERVER) == (
        "x.conf:3: certfile: there is no file server.pem; "
        "a name alone is looked for beside the configuration and in ../cert"
    )
    certificates.server(folder)
    assert "keyfile: there is no file no.key" in problem(folder, SERVER + "keyfile = no.key\n")


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    (folder / "server.pem").mkdir()
    assert problem(folder, SERVER) == (
        "x.conf:3: certfile: server.pem cannot be read (Is a directory); "
        "the user that the server runs as must be able to read it"
    )


def test_what_is_not_pem(folder: Path) -> None:
    files = certificates.server(folder)
    key = files.keyfile.read_bytes()
    files.keyfile.write_bytes(b"no key")
    assert problem(folder, PAIR).startswith("x.conf:3: server.key has no private key; it must be PEM")
    files.keyfile.write_bytes(key)
    assert (
        problem(folder, SERVER) == "x.conf:3: server.pem has no private key; name the key's file: keyfile = …"
    )
    files.certfile.write_bytes(b"\x30\x82")
    assert problem(folder, PAIR).startswith(
        "x.conf:3: certfile: server.pem has no certificate in PEM; `openssl x509"
    )
    files.certfile.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert problem(folder, PAIR).startswith("x.conf:3: server.pem and its key cannot be used: ")


def test_a_key_that_does_not_fit(folder: Path) -> None:
    certificates.server(folder, stem="other")
    certificates.server(folder)
    assert problem(folder, SERVER + "keyfile = other.key\n") == (
        "x.conf:3: the key in other.key is not that of the certificate in server.pem; "
        "the server's own certificate comes first, those of its issuers behind it"
    )


def test_a_passphrase_comes_from_the_settings_a_file_or_the_environment(folder: Path) -> None:
    certificates.server(folder, passphrase=b"open sesame")
    (folder / "secret").write_text("open sesame\nand more\n")
    for line in ("passphrase = open sesame", "passphrase_file = secret"):
        assert findings(folder, f"{PAIR}{line}\n") == ([], [])
    assert findings(folder, PAIR, SKITAI_PASSPHRASE="open sesame") == ([], [])


def test_a_passphrase_that_is_missing_or_wrong_is_not_asked_for(folder: Path) -> None:
    certificates.server(folder, passphrase=b"open sesame")
    assert problem(folder, PAIR) == (
        "x.conf:3: the key in server.key is encrypted, and no passphrase is given; "
        "write passphrase_file = a file that only the server can read"
    )
    wrong = "x.conf:3: the passphrase of the key in server.key is wrong"
    assert problem(folder, PAIR + "passphrase = sesame\n") == wrong
    assert problem(folder, PAIR + f"passphrase = {'x' * 2000}\n") == wrong
    assert "passphrase_file: there is no file secret" in problem(folder, PAIR + "passphrase_file = secret\n")
    (folder / "secret").write_text("\n")
    assert "no passphrase is given" in problem(folder, PAIR + "passphrase_file = secret\n")
    with pytest.raises(ConfigErrors, match="passphrase_file stands beside passphrase; keep one of them"):
        load(folder / "x.conf", text=PAIR + "passphrase = x\npassphrase_file = secret\n")


def test_a_certificate_of_a_client_cannot_serve(folder: Path) -> None:
    certificates.write(folder, "server", certmaking.for_client("Ann", 1, certmaking.authority()))
    assert "server.pem is no certificate for a server: unsuitable certificate purpose" in problem(
        folder, PAIR
    )


def test_ciphers_that_there_are_not(folder: Path) -> None:
    certificates.server(folder)
    assert problem(folder, PAIR + "ciphers = ROT13\n") == (
        "x.conf:5: OpenSSL knows none of ciphers = ROT13; `openssl ciphers -v TEXT` shows what a text means"
    )


def test_issuers_of_clients(folder: Path) -> None:
    certificates.server(folder)
    text = PAIR + "verify = optional\n"
    with pytest.raises(ConfigErrors, match="verify = optional needs ca_certs; write ca_certs = the file"):
        load(folder / "x.conf", text=text)
    text += "ca_certs = ca.pem\n"
    assert problem(folder, text).startswith("x.conf:6: ca_certs: there is no file ca.pem")
    (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert problem(folder, text).startswith("x.conf:6: ca_certs: a certificate of ca.pem is damaged (")


# --- what clients will complain about


def test_a_certificate_that_has_expired(folder: Path) -> None:
    certificates.server(folder, days=-0.01)
    problems, (warning,) = findings(folder, PAIR)
    assert not problems
    assert warning.startswith("x.conf:3: the certificate in server.pem has expired, on ")
    assert warning.endswith("; renew it")


def test_names_that_the_certificate_is_not_for(folder: Path) -> None:
    certificates.server(folder, ["www.x.com", "*.y.com", "y.com", "127.0.0.1", "::1"])
    routes = "[routes:line]\n/ = www\n: www.x.com a.y.com .y.com [::1] 127.0.0.1\n/ = www\n"
    assert findings(folder, PAIR + routes) == ([], [])
    routes += ": x.com .x.com a.b.y.com [::2] old.com\n/ = www\n"
    problems, (warning,) = findings(folder, PAIR + routes)
    assert not problems
    assert warning == (
        "x.conf:3: the certificate in server.pem is for www.x.com, *.y.com, y.com, 127.0.0.1, ::1 "
        "and not for x.com, .x.com, a.b.y.com, [::2], old.com: browsers will refuse it; "
        "get one for these names, or give [host NAME] a certfile of its own"
    )


def test_a_host_answers_with_its_own(folder: Path) -> None:
    certificates.server(folder, ["www.x.com"])
    certificates.server(folder, ["www.y.com"], stem="y")
    text = PAIR + "[routes:line]\n: www.x.com www.y.com z.com\n/ = www\n"
    own = "certfile = y.pem\nkeyfile = y.key\n"
    problems, (warning,) = findings(folder, f"{text}[host www.y.com]\n{own}[host z.com]\n{own}")
    assert not problems
    assert warning.startswith("x.conf:12: the certificate in y.pem is for www.y.com and not for z.com")


# --- listeners


def test_a_listener_that_names_a_certificate_does_not_take_the_key_of_the_server(folder: Path) -> None:
    certificates.server(folder, passphrase=b"x")
    other = certificates.server(folder, stem="other")
    both = other.certfile.read_bytes() + other.keyfile.read_bytes()
    other.certfile.write_bytes(both)
    text = PAIR + "passphrase = x\n[listen a]\naddress = :1\n[listen b]\naddress = :2\ncertfile = other.pem\n"
    assert findings(folder, text) == ([], [])
    text += "[listen c]\naddress = :3\nssl = no\n[listen d]\naddress = :4\ntls_min = 1.3\n"
    a, b, c, d = load(folder / "x.conf", text=text).listeners
    assert (a.certfile, a.keyfile, a.passphrase) == (folder / "server.pem", folder / "server.key", "x")
    assert (b.certfile, b.keyfile, b.passphrase) == (other.certfile, None, "")
    assert (a.scheme, c.scheme, a.tls_min, d.tls_min) == ("https", "http", "1.2", "1.3")


def test_who_verifies_nobody_is_told(folder: Path) -> None:
    text = "[server]\nssl = yes\ncertfile = x\nca_certs = y\nverify = required\n[listen a]\naddress = :1\n"
    text += "[listen b]\naddress = :2\nssl = no\n"
    assert load(folder / "x.conf", text=text).listeners[1].verify == "required"
    with pytest.raises(ConfigErrors, match=r"x.conf:11: verify = optional without TLS[^\n]*$"):
        load(folder / "x.conf", text=text + "verify = optional\n")
