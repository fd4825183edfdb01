"""Servers that want TLS or a login, and what is told where that fails; passwords go nowhere else."""

from __future__ import annotations

import signal
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from skitai.core.config.smtpservers import SmtpServer as Server
from skitai.core.mail.letter import Envelope
from tests import certificates
from tests.mail.home import Home
from tests.mail.smtpserver import SmtpServer
from tests.waiting import wait_until

Smtp = Callable[..., SmtpServer]


def own_server(server: SmtpServer, **options: object) -> Envelope:
    return Envelope("a@b.c", ("d@e.f",), Server("localhost", server.port, **options))  # type: ignore[arg-type]


def test_tls_from_the_first_byte(home: Home, smtp: Smtp, tmp_path: Path) -> None:
    files = certificates.server(tmp_path)
    server = smtp(tls=context(files))
    home.put(envelope=own_server(server, ssl=True))
    home.start("--cafile", str(files.certfile), server=server)
    wait_until(lambda: not home.waiting())
    assert server.received[0].is_sealed


def context(files: certificates.Files) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(files.certfile, files.keyfile)
    return made


@pytest.mark.parametrize("mode", ["yes", "auto"])
def test_starttls(home: Home, smtp: Smtp, tmp_path: Path, mode: str) -> None:
    """``auto`` leaves it to this machine's servers not to."""
    files = certificates.server(tmp_path)
    server = smtp(starttls=context(files), users={"hans": "secret"})
    home.put(envelope=own_server(server, user="hans", password="secret", starttls=mode))
    home.start("--cafile", str(files.certfile), server=server)
    wait_until(lambda: not home.waiting())
    assert (server.received[0].is_sealed, server.received[0].user) == (mode == "yes", "hans")


def test_a_certificate_that_is_not_trusted(home: Home, smtp: Smtp, tmp_path: Path) -> None:
    server = smtp(tls=context(certificates.server(tmp_path)))
    home.put(envelope=own_server(server, ssl=True), subject="checked")
    home.put(envelope=own_server(server, ssl=True, verify=False), subject="unchecked")
    home.start(server=server)
    wait_until(
        lambda: "has a certificate that is not trusted (self-signed certificate); cafile" in home.logged()
    )
    wait_until(lambda: server.subjects() == ["unchecked"])
    assert len(home.waiting()) == 1


def test_starttls_that_is_wanted_and_not_offered(home: Home, smtp: Smtp) -> None:
    server = smtp()
    home.put(envelope=own_server(server, starttls="yes"))
    home.start(server=server)
    home.wait_for("offers no STARTTLS; starttls = auto does without")
    assert server.received == []


def test_a_password_that_is_not_taken(home: Home, smtp: Smtp) -> None:
    """It is the operator's to mend, and nothing about the mail."""
    server = smtp(users={"hans": "secret"})
    file = home.configure("[smtpda]\nuser = hans\npassword = wrong-secret\n")
    name = home.put("a@example.com")
    agent = home.start(server=server)
    home.wait_for("said 535")
    file.write_text("[smtpda]\nuser = hans\npassword = secret\n")
    agent.send_signal(signal.SIGHUP)
    wait_until(lambda: not home.waiting())
    assert server.received[0].user == "hans"
    assert home.undelivered() == []
    home.wait_for(f"{name} delivered")
    assert "secret" not in home.logged()
    assert "secret" not in Path(f"/proc/{agent.pid}/cmdline").read_text()


def test_a_password_that_others_can_read(home: Home, smtp: Smtp) -> None:
    file = home.configure("[smtpda]\nuser = hans\npassword = secret\n")
    file.chmod(0o644)
    home.start(server=smtp())
    home.wait_for(f"{file} has a password and can be read by others: chmod 600")


def test_a_server_that_wants_a_login_and_gets_none(home: Home, smtp: Smtp) -> None:
    server = smtp(users={"hans": "secret"})
    home.put("a@example.com")
    home.start(server=server)
    home.wait_for("said 530")
    assert len(home.waiting()) == 1
