"""A browser's proxy: ``curl -x``, requests, tunnels with TLS in them, and what it does not do."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests import certificates
from tests.live.program import LiveServer, Serve
from tests.live.test_readme_samples import CHROMIUM
from tests.waiting import wait_until

APP = """
def app(environ, start_response):
    lines = [f"{name}={value}" for name, value in sorted(environ.items()) if name.startswith("HTTP_")]
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    query = environ["QUERY_STRING"]
    return ["\\n".join([environ["PATH_INFO"], query, *lines, ""]).encode(), body]
"""


@pytest.fixture(scope="module")
def site(serve_conf_module: Serve, module_path: Path) -> LiveServer:
    (module_path / "seen.py").write_text(APP)
    return serve_conf_module("[server]\nip = 127.0.0.1\n[routes:line]\n/ = seen:app\n")


@pytest.fixture(scope="module")
def secure_site(serve_conf_module: Serve, module_path: Path) -> LiveServer:
    (module_path / "seen.py").write_text(APP)
    certificates.server(module_path)
    return serve_conf_module(
        "[server]\nip = 127.0.0.1\nssl = yes\ncertfile = server.pem\nkeyfile = server.key\n"
        "[routes:line]\n/ = seen:app\n"
    )


@pytest.fixture(scope="module")
def proxy(
    serve_conf_module: Serve, module_path: Path, site: LiveServer, secure_site: LiveServer
) -> LiveServer:
    return serve_conf_module(
        f"[server]\nip = 127.0.0.1\nenable_proxy = yes\nproxy_requests_per_client_max = 8\n"
        f"proxy_allow = localhost:{site.port}, localhost:{secure_site.port}, 127.0.0.9\n"
        "[routes:line]\n/ = seen:app\n"
    )


@pytest.fixture
def curl(require_program: Callable[[str], str], proxy: LiveServer) -> Callable[..., str]:
    program = require_program("curl")

    def run(*arguments: str) -> str:
        command = [program, "-sS", "-m", "10", "-x", proxy.url, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return run


def test_a_page(curl: Callable[..., str], site: LiveServer) -> None:
    path, query, *fields = curl(f"http://localhost:{site.port}/a%20b?c=d").splitlines()
    assert (path, query) == ("/a b", "c=d")
    assert f"HTTP_HOST=localhost:{site.port}" in fields
    assert "HTTP_VIA=1.1 skitai" in fields
    assert not any("FORWARDED" in field or "PROXY" in field for field in fields)


def test_what_says_who_the_client_is_goes_no_further(curl: Callable[..., str], site: LiveServer) -> None:
    said = ("X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4", "Proxy-Authorization: Basic eDp5")
    text = curl(*(word for field in said for word in ("-H", field)), f"http://localhost:{site.port}/")
    assert "FORWARDED" not in text
    assert "PROXY" not in text


def test_a_body_of_megabytes(site: LiveServer, proxy: LiveServer) -> None:
    body = bytes(range(256)) * 16384
    reply = requests.put(f"http://localhost:{site.port}/", body, proxies={"http": proxy.url}, timeout=10)
    assert reply.content.endswith(body)


def test_tls_through_a_tunnel(secure_site: LiveServer, proxy: LiveServer, module_path: Path) -> None:
    for _ in range(2):
        reply = requests.get(
            f"https://localhost:{secure_site.port}/secret",
            proxies={"https": proxy.url},
            verify=str(module_path / "server.pem"),
            timeout=10,
        )
        assert reply.text.startswith("/secret\n")
        assert "HTTP_VIA" not in reply.text
    where = f"CONNECT tunnel://localhost:{secure_site.port} HTTP/1.1 200"
    line = proxy.wait_for_text(rf"127\.0\.0\.1:\d+ {re.escape(where)} (\d+)/(\d+) (\d+)ms (\d+)ms")
    up, down, life, again = map(int, line.groups())
    assert up > 500
    assert down > 1000
    assert life == again


def test_a_network_says_nothing_of_ports(proxy: LiveServer) -> None:
    with socket.create_server(("127.0.0.9", 0)) as listening, proxy.connect() as wire:
        port = listening.getsockname()[1]
        wire.send(f"CONNECT 127.0.0.9:{port} HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.read_reply("CONNECT").status == 403


def test_a_tunnel_from_end_to_end(proxy: LiveServer, site: LiveServer) -> None:
    with proxy.connect() as wire:
        target = f"localhost:{site.port}"
        # What comes behind the request is for the other side already.
        wire.send(f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\nGET /early HTTP/1.1\r\nHost: y\r\n\r\n")
        head = wire.read_head()
        assert head.status == 200
        assert head.get("Content-Length") is None
        assert head.get("Transfer-Encoding") is None
        assert wire.read_reply().body.startswith(b"/early\n")
        assert wire.get("/again", "Connection: close").body.startswith(b"/again\n")
        assert wire.has_ended()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET http://127.0.0.1:{port}/ HTTP/1.1", 403),
        ("GET http://[::ffff:127.0.0.1]:{port}/ HTTP/1.1", 403),
        ("GET http://0:{port}/ HTTP/1.1", 502),
        ("GET http://2130706433:{port}/ HTTP/1.1", 502),
        ("GET http://169.254.169.254/latest/meta-data HTTP/1.1", 403),
        ("GET http://localhost:1/ HTTP/1.1", 403),
        ("GET http://localhost:0/ HTTP/1.1", 400),
        pytest.param(f"GET http://localhost:{'1' * 5000}/ HTTP/1.1", 400, id="a port of 5000 digits"),
        ("GET ftp://localhost:{port}/ HTTP/1.1", 400),
        ("TRACE http://localhost:{port}/ HTTP/1.1", 405),
        ("CONNECT localhost:22 HTTP/1.1", 403),
        ("CONNECT 127.0.0.1:443 HTTP/1.1", 403),
        ("CONNECT localhost HTTP/1.1", 400),
        ("CONNECT localhost:443 HTTP/1.1\r\nContent-Length: 5", 400),
        ("CONNECT localhost:443 HTTP/1.1\r\nTransfer-Encoding: chunked", 400),
        ("GET http://user:password@localhost:{port}/ HTTP/1.1", 400),
    ],
)
def test_where_it_does_not_go(proxy: LiveServer, site: LiveServer, request_line: str, status: int) -> None:
    with proxy.connect() as wire:
        wire.send(f"{request_line.format(port=site.port)}\r\nHost: x\r\n\r\n")
        reply = wire.read_reply()
        assert reply.status == status
        if request_line.startswith("CONNECT"):
            assert wire.is_closed()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_browser(
    require_program: Callable[[str], str],
    proxy: LiveServer,
    site: LiveServer,
    secure_site: LiveServer,
    tmp_path: Path,
    scheme: str,
) -> None:
    url = f"{scheme}://localhost:{(site if scheme == 'http' else secure_site).port}/page?x"
    command = [
        require_program("chromium"),
        *CHROMIUM,
        f"--user-data-dir={tmp_path}/profile",
        f"--proxy-server=127.0.0.1:{proxy.port}",
        "--proxy-bypass-list=<-loopback>",
        "--ignore-certificate-errors",
        "--dump-dom",
        url,
    ]
    page = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    assert "/page\nx\nHTTP_ACCEPT=" in page
    assert ("HTTP_VIA=1.1 skitai" in page) == (scheme == "http")


def test_its_own_site_is_served_as_ever(proxy: LiveServer) -> None:
    with proxy.connect() as wire:
        assert wire.get("/own").body.startswith(b"/own\n")
        assert wire.get("/ping").body == b"pong"


def test_a_server_that_is_not_there(proxy: LiveServer, site: LiveServer, serve_conf: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    gone = serve_conf(f"[server]\nip = 127.0.0.1\nenable_proxy = yes\nproxy_allow = localhost:{port}\n")
    for line in (f"GET http://localhost:{port}/ HTTP/1.1", f"CONNECT localhost:{port} HTTP/1.1"):
        with gone.connect() as wire:
            wire.send(f"{line}\r\nHost: x\r\n\r\n")
            assert wire.read_reply().status == 502
    gone.wait_for_text(rf"localhost:{port}.*refused")


def test_one_client_has_only_so_much(proxy: LiveServer, site: LiveServer) -> None:
    tunnels = []
    try:
        for _ in range(8):
            wire = proxy.connect()
            tunnels.append(wire)
            wire.send(f"CONNECT localhost:{site.port} HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wire.read_head().status == 200
        with proxy.connect() as wire:
            wire.send(f"GET http://localhost:{site.port}/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wire.read_reply().status == 429
    finally:
        for wire in tunnels:
            wire.close()

    def has_room() -> bool:
        with proxy.connect() as wire:
            wire.send(f"GET http://localhost:{site.port}/ HTTP/1.1\r\nHost: x\r\n\r\n")
            return wire.read_reply().status == 200

    wait_until(has_room, 5.0)


def test_strangers_and_those_without_a_password(serve_conf: Serve, tmp_path: Path, site: LiveServer) -> None:
    (tmp_path / "users").write_text("alice:secret\n")
    asks = serve_conf(
        "[server]\nip = 127.0.0.1\nenable_proxy = yes\nproxy_users_file = users\n"
        f"proxy_allow = localhost:{site.port}\n"
    )
    with asks.connect() as wire:
        wire.send(f"GET http://localhost:{site.port}/ HTTP/1.1\r\nHost: x\r\n\r\n")
        reply = wire.read_reply()
        assert reply.status == 407
        assert reply.get("Proxy-Authenticate") == 'Basic realm="proxy", charset="UTF-8"'
    known = f"http://alice:secret@127.0.0.1:{asks.port}"
    assert requests.get(f"http://localhost:{site.port}/", proxies={"http": known}, timeout=10).ok
    strangers = serve_conf(
        "[server]\nip = 127.0.0.1\nenable_proxy = yes\nproxy_clients = 10.0.0.0/8\n"
        f"proxy_allow = localhost:{site.port}\n"
    )
    for line in (f"GET http://localhost:{site.port}/ HTTP/1.1", f"CONNECT localhost:{site.port} HTTP/1.1"):
        with strangers.connect() as wire:
            wire.send(f"{line}\r\nHost: x\r\n\r\n")
            assert wire.read_reply().status == 403
