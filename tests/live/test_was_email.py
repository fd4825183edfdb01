"""README's sample of e-mail, from a handler of the running server to an SMTP server."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests import certificates
from tests.live.program import REPO, LiveServer, Serve
from tests.mail.home import Home
from tests.mail.smtpserver import Received, SmtpServer
from tests.waiting import wait_until

Smtp = Callable[..., SmtpServer]
PICTURE = REPO / "examples" / "static" / "skitai.svg"


@pytest.fixture
def smtp() -> Iterator[Smtp]:
    with contextlib.ExitStack() as stack:

        def start(**options: object) -> SmtpServer:
            server = SmtpServer(**options)  # type: ignore[arg-type]
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """The one that ``serve_conf`` gives to its servers."""
    with contextlib.closing(Home(tmp_path / "home")) as made:
        yield made


def ask(session: requests.Session, site: LiveServer, path: str, **query: str) -> requests.Response:
    mail = {"subject": "Grüße", "snd": "Hans <hans@example.com>", "rcpt": "a@example.com, b@example.com"}
    return session.get(site.url + path, params={**mail, **query})


def check(received: Received) -> None:
    assert received.sender == "hans@example.com"
    assert received.recipients == ("a@example.com", "b@example.com")
    message = received.message
    assert (message["Subject"], message["From"]) == ("Grüße", "Hans <hans@example.com>")
    html, picture = message.iter_parts()
    assert html.get_content().strip() == "Hello World<div><img src='cid:ID_A'></div>"
    assert (picture["Content-ID"], picture.get_content()) == ("<ID_A>", PICTURE.read_bytes())


@pytest.mark.parametrize("processes", ["1", "2"])
def test_the_sample(
    serve_conf: Serve, session: requests.Session, home: Home, smtp: Smtp, tmp_path: Path, processes: str
) -> None:
    configured = smtp()
    sealing = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = certificates.server(tmp_path)
    sealing.load_cert_chain(files.certfile, files.keyfile)
    named = smtp(tls=sealing, users={"username": "password"})
    server = serve_conf(
        f"[server]\nprocesses = {processes}\n[routes:line]\n/ = {REPO}/examples/was/mailing:app\n"
    )
    names = [
        ask(session, server, "/send").text,
        ask(session, server, "/send-by", server=named.address).text,
    ]
    assert home.waiting() == names
    home.start(server=configured)
    wait_until(lambda: not home.waiting())
    (one,), (other,) = configured.received, named.received
    check(one)
    check(other)
    assert (one.user, other.user, other.is_sealed) == ("", "username", True)


def test_where_a_server_is_told_to_put_it(
    serve_conf: Serve, session: requests.Session, home: Home, tmp_path: Path
) -> None:
    home.configure("[global]\nvar_path = /nowhere\n")
    server = serve_conf(
        f"[server]\nmail_spool = elsewhere\nmail_queue_max = 1\n"
        f"[routes:line]\n/ = {REPO}/examples/was/mailing:app\n"
    )
    name = ask(session, server, "/send").text
    assert (tmp_path / "elsewhere" / "spool" / f"{name}.mail").exists()
    assert ask(session, server, "/send").status_code == 500
    server.wait_for_text("MailNotAccepted: the spool .* is full: mail_queue_max allows 1 messages")


def test_a_visitor_writes_no_fields(serve_conf: Serve, session: requests.Session, home: Home) -> None:
    server = serve_conf(f"[routes:line]\n/ = {REPO}/examples/was/mailing:app\n")
    reply = ask(session, server, "/send", subject="Hello\r\nBcc: all@example.com")
    assert reply.status_code == 500
    server.wait_for_text("ValueError: subject .* has a control character")
    assert home.waiting() == []


def test_a_mistake_of_skitaid_conf_stops_the_start(serve_conf: Serve, home: Home) -> None:
    """Where should its mail go?"""
    home.configure("[smtpda]\nmax_retries = 3\n")
    server = serve_conf(f"[routes:line]\n/ = {REPO}/examples/was/mailing:app\n", ready=False)
    assert server.wait() == 78
    assert (
        "skitaid.conf:2: [smtpda] has no key 'max_retries'; did you mean 'max_retry'?" in server.stderr_text()
    )
