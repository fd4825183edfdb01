"""``https_only`` and ``hsts``, in clear text: what came by https is what a trusted proxy says so of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.wire import Reply

SITE = """
[routes:line]
/ = www
/ = hsts_site:app
/app = hsts_site:app
: only.x.com told.x.com both.x.com old.x.com
/ = www
/ = hsts_site:app
/app = hsts_site:app
: quiet.x.com
/ = www
[host only.x.com]
https_only = yes
[host told.x.com]
hsts = 365d; includeSubDomains
[host both.x.com]
https_only = yes
hsts = 1d
[host old.x.com]
https_only = yes
redirect_to = https://new.x.com
[host quiet.x.com]
https_only = no
hsts = ""
"""
APP = """
def app(environ, start_response):
    if environ["PATH_INFO"] == "/raise":
        raise LookupError
    fields = [("Content-Type", "text/plain")]
    if environ["PATH_INFO"] == "/own":
        fields.append(("strict-transport-security", "max-age=7"))
    start_response("200 OK", fields)
    return [environ["wsgi.url_scheme"].encode()]
"""
HTTPS = "X-Forwarded-Proto: https"
HSTS = "Strict-Transport-Security"


@pytest.fixture(scope="module")
def folder(module_path: Path) -> Path:
    challenge = module_path / "www" / ".well-known" / "acme-challenge"
    challenge.mkdir(parents=True)
    (challenge / "token").write_text("proof")
    (module_path / "www" / "page").write_text("a page")
    (module_path / "hsts_site.py").write_text(APP)
    return module_path


@pytest.fixture(scope="module")
def plain(serve_conf_module: Serve, folder: Path) -> LiveServer:
    """Believes nobody: requests to applications have lanes, files are kept."""
    return serve_conf_module(f"[server]\nhttps_port = 8443\n{SITE}")


@pytest.fixture(scope="module")
def behind(serve_conf_module: Serve, folder: Path, plain: LiveServer) -> LiveServer:
    return serve_conf_module(f"[server]\ntrusted_proxies = 127.0.0.1\nhsts = 60\nhttps_only = yes\n{SITE}")


def ask(server: LiveServer, host: str, target: str, *fields: str, method: str = "GET") -> Reply:
    with server.connect() as wire:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, "", ""]
        wire.send("\r\n".join(lines))
        return wire.read_reply(method)


@pytest.mark.parametrize("target", ["/page", "/app", "/app/echo?a=b&c=%2F", "/nothing//%2e%2e/x%0d", "/"])
@pytest.mark.parametrize("host", ["only.x.com", "both.x.com", "ONLY.x.com:5000", "old.x.com"])
def test_clear_text_is_sent_to_https(plain: LiveServer, host: str, target: str) -> None:
    for _ in range(3):  # also where a lane or a file that was kept could answer
        reply = ask(plain, host, target)
        assert reply.status == 301
        assert reply.get("Location") == f"https://{host.lower().removesuffix(':5000')}:8443{target}"
        assert reply.get(HSTS) is None


def test_the_usual_port_is_not_named(behind: LiveServer) -> None:
    assert ask(behind, "only.x.com:80", "/page").get("Location") == "https://only.x.com/page"
    assert ask(behind, "[::1]", "/page").get("Location") == "https://[::1]/page"


def test_a_form_stays_a_form(plain: LiveServer) -> None:
    reply = ask(plain, "only.x.com", "/app", "Content-Length: 3", method="POST")
    assert (reply.status, reply.get("Location")) == (308, "https://only.x.com:8443/app")


def test_proofs_for_certificates_and_ping_are_answered(plain: LiveServer) -> None:
    assert ask(plain, "only.x.com", "/.well-known/acme-challenge/token").body == b"proof"
    assert ask(plain, "only.x.com", "/ping").body == b"pong"
    for other in (
        "/.well-known/other",
        "/.well-known/acme-challenge/../../app",
        "/.well-known/acme-challenge/",
    ):
        assert ask(plain, "only.x.com", other).status == 301


def test_without_a_host_there_is_no_place_to_send_to(behind: LiveServer) -> None:
    with behind.connect() as wire:
        wire.send("GET /page HTTP/1.0\r\n\r\n")
        assert wire.read_reply().status == 400


def test_other_hosts_are_served(plain: LiveServer, behind: LiveServer) -> None:
    for server in (plain, behind):
        reply = ask(server, "quiet.x.com", "/page")
        assert (reply.status, reply.body, reply.get(HSTS)) == (200, b"a page", None)
    assert ask(behind, "quiet.x.com", "/page", HTTPS).get(HSTS) is None
    assert ask(plain, "told.x.com", "/page").get(HSTS) is None


def test_what_came_by_https_is_served(behind: LiveServer) -> None:
    assert ask(behind, "only.x.com", "/page", HTTPS).body == b"a page"
    assert ask(behind, "old.x.com", "/page", HTTPS).get("Location") == "https://new.x.com/page"


@pytest.mark.parametrize(
    ("host", "value"),
    [
        ("told.x.com", "max-age=31536000; includeSubDomains"),
        ("both.x.com", "max-age=86400"),
        ("only.x.com", "max-age=60"),
        ("anybody.net", "max-age=60"),
    ],
)
def test_browsers_are_told_with_every_answer(behind: LiveServer, host: str, value: str) -> None:
    for target, status in {
        "/page": 200,
        "/any": 200,
        "/nothing%00": 400,
        "/raise": 500,
        "/app/": 301,
        "*": 200,
    }.items():
        reply = ask(behind, host, target, HTTPS, method="OPTIONS" if target == "*" else "GET")
        assert (target, reply.status) == (target, status)
        assert reply.get_all(HSTS) == [value]
    unchanged = ask(
        behind, host, "/page", HTTPS, f"If-None-Match: {ask(behind, host, '/page', HTTPS).get('ETag')}"
    )
    assert (unchanged.status, unchanged.get_all(HSTS)) == (304, [value])


def test_an_application_may_say_it_itself(behind: LiveServer) -> None:
    reply = ask(behind, "told.x.com", "/own", HTTPS)
    assert (reply.get_all(HSTS), reply.body) == (["max-age=7"], b"https")
