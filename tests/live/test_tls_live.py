"""TLS as sites use it: the real program, its certificates, and clients of the standard library."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from skitai.cli import certmaking
from tests import certificates
from tests.certificates import client_context
from tests.live.program import LiveServer, Serve
from tests.live.test_readme_samples import CHROMIUM
from tests.live.wire import Wire
from tests.waiting import wait_until

APP = """
import json

def app(environ, start_response):
    if environ["PATH_INFO"] == "/raise":
        raise LookupError
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({key: value for key, value in environ.items() if isinstance(value, str)}).encode()]
"""
ROUTES = "[routes:line]\n/ = www\n/ = tls_site:app\n"
PAIR = "certfile = server.pem\nkeyfile = server.key\n"
SERVER = f"[server]\nssl = yes\n{PAIR}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "page").write_text("a page")
    (tmp_path / "tls_site.py").write_text(APP)
    certificates.server(tmp_path)
    return tmp_path


@contextlib.contextmanager
def connect(
    server: LiveServer, context: ssl.SSLContext, name: str = "localhost", port: int = 0
) -> Iterator[tuple[Wire, ssl.SSLSocket]]:
    plain = socket.create_connection(("127.0.0.1", port or server.port), timeout=10)
    with context.wrap_socket(plain, server_hostname=name) as sock, Wire(sock) as wire:
        yield wire, sock


def environ(server: LiveServer, context: ssl.SSLContext, *fields: str) -> dict[str, Any]:
    with connect(server, context) as (wire, _):
        found: dict[str, Any] = json.loads(wire.get("/environ", *fields).body)
        # Again on the same connection, where a lane would have been learnt by now.
        again: dict[str, Any] = json.loads(wire.get("/environ", *fields).body)
    assert {**again, "REMOTE_PORT": ""} == {**found, "REMOTE_PORT": ""}
    return found


def ports(server: LiveServer, count: int) -> list[int]:
    """Those of the listeners, in the order of the file."""
    found: list[int] = []

    def told() -> bool:
        lines = [line for line in server.console_text().splitlines() if "listening on " in line]
        found[:] = [int(line.rpartition(":")[2].rstrip("/")) for line in lines]
        return len(found) == count

    wait_until(told, 5.0)
    return found


def test_the_file_of_the_readme_serves(
    serve_conf: Serve, folder: Path, require_program: Callable[[str], str]
) -> None:
    """Key and certificate in one, found in ``cert`` beside the folder of the configuration."""
    cert, home = folder / "cert", folder / "servers-enabled"
    for made in (cert, home):
        made.mkdir()
    require_program("openssl")
    command = "openssl req -new -newkey rsa:2048 -x509 -keyout server.pem -out server.pem -days 365 -nodes"
    subprocess.run(
        command.split(), cwd=cert, input="KR\n.\nSeoul\n.\n.\nlocalhost\n.\n", text=True, check=True,
        capture_output=True,
    )  # fmt: skip
    conf = home / "sample.conf"
    conf.write_text(
        "[server]\nssl = yes\ncertfile = server.pem\n[routes:line]\n/ = ../www\n/ = ../tls_site:app\n"
    )
    server = serve_conf(conf)
    server.wait_for_text(r"listening on https://127\.0\.0\.1:\d+")
    trusting = client_context(cert / "server.pem")
    trusting.check_hostname = False  # it has no subjectAltName
    with connect(server, trusting) as (wire, sock):
        assert sock.version() == "TLSv1.3"
        assert wire.get("/page").body == b"a page"
        seen = json.loads(wire.get("/environ").body)
    assert (seen["wsgi.url_scheme"], seen["HTTPS"], seen["SERVER_PORT"]) == ("https", "on", "443")
    assert not [name for name in seen if name.startswith("SSL_")]


@pytest.mark.parametrize("threads", ["0", "4"])
def test_clients_show_certificates(serve_conf: Serve, folder: Path, threads: str) -> None:
    authority = certmaking.authority()
    certificates.write(folder, "ca", authority)
    ann = certificates.write(folder, "ann", certmaking.for_client("Ann", 1, authority))
    verify = "ca_certs = ca.pem\nverify = optional\n"
    server = serve_conf(f"{SERVER}{verify}{ROUTES}", "--threads", threads)
    seen = environ(server, client_context(folder / "server.pem", ann))
    assert (seen["SSL_CLIENT_VERIFY"], seen["SSL_CLIENT_S_DN"]) == ("SUCCESS", "CN=Ann")
    assert seen["SSL_PROTOCOL"] == "TLSv1.3"
    forged = ("SSL-Client-Verify: SUCCESS", "SSL_CLIENT_S_DN: CN=Ann")
    seen = environ(server, client_context(folder / "server.pem"), *forged)
    assert seen["SSL_CLIENT_VERIFY"] == "NONE"
    assert "SSL_CLIENT_S_DN" not in seen
    eve = certificates.write(folder, "eve", certmaking.for_client("Eve", 1, certmaking.authority()))
    with pytest.raises(OSError):  # noqa: PT011 - an alert, or the end of the connection behind it
        environ(server, client_context(folder / "server.pem", eve))


def test_a_browser_shows_a_page_and_what_it_needs(
    serve_conf: Serve, folder: Path, require_program: Callable[[str], str]
) -> None:
    files = certificates.server(folder, issuer=certmaking.authority())
    (folder / "www" / "page.html").write_text(
        "<!doctype html><link rel=stylesheet href=style.css><p id=said></p><script src=page.js></script>"
    )
    (folder / "www" / "style.css").write_text("#said { margin-left: 7px }")
    (folder / "www" / "page.js").write_text(
        "onload = async () => {"
        "const seen = await (await fetch('/environ')).json();"
        "const said = document.getElementById('said');"
        "said.textContent = [seen.HTTPS, isSecureContext, getComputedStyle(said).marginLeft].join(' ');"
        "}"
    )
    server = serve_conf(SERVER + ROUTES)
    certificate = x509.load_pem_x509_certificate(files.certfile.read_bytes())
    key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    trusted = base64.b64encode(hashlib.sha256(key).digest()).decode()

    def shown(*options: str) -> str:
        profile = f"--user-data-dir={folder}/profile"
        wait = "--virtual-time-budget=5000"
        url = f"https://localhost:{server.port}/page.html"
        command = [require_program("chromium"), *CHROMIUM, profile, *options, wait, "--dump-dom", url]
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout

    assert "on true 7px" in shown(f"--ignore-certificate-errors-spki-list={trusted}")
    for name in ("style.css", "page.js", "environ"):
        server.wait_for_text(rf"GET /{name} HTTP/1\.1 200 ")
    assert "7px" not in shown()
    server.wait_for_text(r"handshake: with 127\.0\.0\.1 failed: .*certificate unknown")


def test_listeners_hosts_and_redirects(serve_conf: Serve, folder: Path) -> None:
    certificates.server(folder, ["www.x.com"], stem="www")
    server = serve_conf(
        "[server]\nhttps_port = 8443\n"
        "[listen plain]\naddress = 127.0.0.1:0\nhttps_only = yes\n"
        f"[listen secure]\naddress = 127.0.0.1:0\nssl = yes\nhsts = 1d\n{PAIR}"
        f"{ROUTES}: www.x.com\n/ = www\n[host www.x.com]\ncertfile = www.pem\nkeyfile = www.key\nhsts = 2d\n"
    )
    plain, secure = ports(server, 2)
    with Wire(socket.create_connection(("127.0.0.1", plain), timeout=10)) as wire:
        wire.send("GET /a?b HTTP/1.1\r\nHost: www.x.com\r\n\r\n")
        reply = wire.read_reply()
        assert (reply.status, reply.get("Location")) == (301, "https://www.x.com:8443/a?b")
        assert reply.get("Strict-Transport-Security") is None
    for name, stem, hsts in (("www.x.com", "www", "172800"), ("localhost", "server", "86400")):
        with connect(server, client_context(folder / f"{stem}.pem"), name, secure) as (wire, _):
            for path, status in (("/page", 200), ("/page", 200), ("/no%00", 400)):
                wire.send(f"GET {path} HTTP/1.1\r\nHost: {name}\r\n\r\n")
                reply = wire.read_reply()
                assert reply.status == status
                assert reply.get_all("Strict-Transport-Security") == [f"max-age={hsts}"]


@pytest.mark.parametrize("name", ["b\u00fccher.example", "\u00ff"])
def test_a_server_name_that_is_not_ascii_is_one_that_nobody_has(
    serve_conf: Serve, folder: Path, require_program: Callable[[str], str], name: str
) -> None:
    """Python's own callback would print a traceback for each."""
    certificates.server(folder, ["www.x.com"], stem="www")
    server = serve_conf(
        f"{SERVER}{ROUTES}: www.x.com\n/ = www\n[host www.x.com]\ncertfile = www.pem\nkeyfile = www.key\n"
    )
    shown = {}
    for asked in (name, "other.example", "www.x.com"):
        command = [require_program("openssl"), "s_client", "-connect", f"127.0.0.1:{server.port}"]
        told = subprocess.run(
            [*command, "-servername", asked], input="", capture_output=True, text=True, timeout=10
        ).stdout
        shown[asked] = told.partition("-----BEGIN")[2].partition("-----END")[0]
    assert shown[name] == shown["other.example"] != shown["www.x.com"]
    assert all(shown.values())
    with connect(server, client_context(folder / "www.pem"), "www.x.com") as (wire, _):
        assert wire.get("/page").body == b"a page"
    assert "Traceback" not in server.console_text()
    assert "handshake" not in server.console_text()


def test_sessions_are_resumed(serve_conf: Serve, folder: Path) -> None:
    server = serve_conf(SERVER + ROUTES, "--master", "no")
    context = client_context(folder / "server.pem")
    with connect(server, context) as (wire, sock):
        wire.get("/page")
        session = sock.session
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    with context.wrap_socket(plain, server_hostname="localhost", session=session) as sock:
        assert sock.session_reused


class Crowd:
    """Clients that connect, ask once and leave, until told to stop."""

    def __init__(self, server: LiveServer, context: ssl.SSLContext) -> None:
        self.served = 0
        self.failed: list[BaseException] = []
        self.names: set[str] = set()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(server, context)) for _ in range(3)]
        for thread in self._threads:
            thread.start()

    def _run(self, server: LiveServer, context: ssl.SSLContext) -> None:
        try:
            while not self._ended.is_set():
                with connect(server, context) as (wire, sock):
                    certificate = sock.getpeercert()
                    assert certificate
                    self.names.add(str(certificate["subjectAltName"][-1][1]))  # type: ignore[index]
                    assert wire.get("/page").body == b"a page"
                    self.served += 1
        except BaseException as error:
            self.failed.append(error)

    def wait_for(self, name: str) -> None:
        wait_until(lambda: name in self.names or bool(self.failed), 10.0)

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(10)
        assert not self.failed
        assert self.served


@pytest.mark.parametrize("processes", ["1", "2"])
def test_certificates_are_swapped_under_load(serve_conf: Serve, folder: Path, processes: str) -> None:
    authority = certmaking.authority()
    certificates.write(folder, "ca", authority)
    certificates.server(folder, ["localhost", "first"], issuer=authority)
    server = serve_conf(SERVER + ROUTES, "--processes", processes)
    crowd = Crowd(server, client_context(folder / "ca.pem"))
    try:
        crowd.wait_for("first")
        for name in ("second", "third"):
            certificates.server(folder, ["localhost", name], issuer=authority)
            crowd.wait_for(name)
        # While somebody writes, the former one is served, and it is said once.
        (folder / "server.pem").write_text("-----BEGIN CERTIFICATE-----\nhalf")
        server.wait_for_text(r"the former certificate stays in use")
        served = crowd.served
        wait_until(lambda: crowd.served > served + 20 or bool(crowd.failed), 10.0)
        certificates.server(folder, ["localhost", "fourth"], issuer=authority)
        crowd.wait_for("fourth")
    finally:
        crowd.end()
    assert crowd.names == {"first", "second", "third", "fourth"}
    assert server.console_text().count("the former certificate stays in use") <= int(processes)


def test_a_reload_takes_another_certificate_or_stays(serve_conf: Serve, folder: Path) -> None:
    authority = certmaking.authority()
    certificates.write(folder, "ca", authority)
    certificates.server(folder, ["localhost", "first"], issuer=authority)
    certificates.server(folder, ["localhost", "second"], stem="second", issuer=authority)
    server = serve_conf(SERVER + ROUTES)
    conf = folder / "test.conf"
    crowd = Crowd(server, client_context(folder / "ca.pem"))
    try:
        crowd.wait_for("first")
        conf.write_text((SERVER + ROUTES).replace("server.key", "second.key"))
        server.send_signal(signal.SIGHUP)
        server.wait_for_text("reload failed: the former workers go on", 15.0)
        conf.write_text((SERVER + ROUTES).replace("server.", "second."))
        server.send_signal(signal.SIGHUP)
        server.wait_for_text(r"reloaded; processes 1", 15.0)
        crowd.wait_for("second")
        time.sleep(0.2)
    finally:
        crowd.end()
    assert "the key in" in server.console_text()
