"""``skitai cert``: what it writes, that it never overwrites, and what it says."""

from __future__ import annotations

import ssl
import stat
import sys
from pathlib import Path

import pytest

from skitai.cli.main import main
from skitai.core.config import load
from skitai.core.tls import check
from tests.certificates import Files, client_context, shake_hands


def server_context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


def cert(*arguments: str) -> int:
    return main(["cert", *arguments])


def test_a_certificate_that_signs_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "folder"
    assert cert("--out", str(out)) == 0
    assert sorted(path.name for path in out.iterdir()) == ["server.key", "server.pem"]
    assert stat.S_IMODE((out / "server.key").stat().st_mode) == 0o600
    for name in ("localhost", "127.0.0.1", "::1"):
        shake_hands(client_context(out / "server.pem"), server_context(out), name)
    # The lines that it prints are a configuration that is good.
    said = capsys.readouterr().out
    lines = said[said.index("[server]") : said.index("Whoever")].replace("    ", "")
    assert check(load(None, text=lines)) == ((), ())


def test_an_authority_is_made_once(tmp_path: Path) -> None:
    out = ("--out", str(tmp_path))
    assert cert("--ca", "--name", "www.x.com", "--name", "*.Ünder.net", *out) == 0
    authority = (tmp_path / "ca.pem").read_bytes()
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600
    trusting = client_context(tmp_path / "ca.pem")
    shake_hands(trusting, server_context(tmp_path), "www.x.com")
    shake_hands(trusting, server_context(tmp_path), "a." + "ünder.net".encode("idna").decode())
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(trusting, server_context(tmp_path), "localhost")
    assert cert("--ca", "--force", *out) == 0
    assert (tmp_path / "ca.pem").read_bytes() == authority
    shake_hands(trusting, server_context(tmp_path), "localhost")


def test_a_client_of_the_authority(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ("--ca", "--out", str(tmp_path))
    assert cert(*out) == 0
    assert cert("--client", "Ann", *out) == 0
    assert "verify = required" in capsys.readouterr().out
    server = server_context(tmp_path)
    server.load_verify_locations(tmp_path / "ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    ann = Files(tmp_path / "client.pem", tmp_path / "client.key")
    pair = shake_hands(client_context(tmp_path / "ca.pem", ann), server, "localhost")
    assert pair.server.getpeercert()["subject"] == ((("commonName", "Ann"),),)  # type: ignore[index]


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "server.key").write_text("precious")
    assert cert("--out", str(tmp_path)) == 78
    assert "server.key is there already; --force replaces it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["server.key"]
    (tmp_path / "server.key").chmod(0o644)
    assert cert("--out", str(tmp_path), "--force") == 0
    assert stat.S_IMODE((tmp_path / "server.key").stat().st_mode) == 0o600
    shake_hands(client_context(), server_context(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--name", "a/b"], "no certificate was made: 'a/b' is not a host"),
        (["--client", "Ann"], "--client makes a client's certificate; write --ca --client NAME, no --name"),
        (["--days", "0"], "--days 0: from 1 to 36500"),
    ],
)
def test_what_cannot_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert cert("--out", str(tmp_path), *arguments) == 78
    assert complaint in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_half_of_an_authority_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ca.key").write_text("x")
    assert cert("--ca", "--out", str(tmp_path)) == 78
    assert "ca.key is there without its counterpart" in capsys.readouterr().err


def test_without_the_library_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "skitai.cli.certmaking", None)
    assert cert("--out", str(tmp_path)) == 78
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "skitai cert needs the library cryptography" in said
    assert "pip install 'skitai[tls]'" in said
