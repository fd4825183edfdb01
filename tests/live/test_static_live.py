"""Static files through the whole server, raw targets included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.wire import Wire

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"app " + environ["PATH_INFO"].encode("latin-1")]
"""

CONF = """
[server]
static_max_age = 77
[routes:line]
/ = files
/ = application:app
/only = files
"""

SECRET = "only the server may read this"
BIG = bytes(range(256)) * 16384  # 4 MiB


def lay_out(home: Path) -> None:
    """The folder ``files``, and beside it what must not be served."""
    files = home / "files"
    for folder in ("sub", "empty", ".hidden", ".well-known"):
        (files / folder).mkdir(parents=True)
    (home / "application.py").write_text(APP)
    (home / "secret.txt").write_text(SECRET)
    (files / "page.html").write_text("<p>page")
    (files / "ünï code.txt").write_text("unicode")
    (files / "big.bin").write_bytes(BIG)
    (files / "sub" / "index.html").write_text("<p>index of sub")
    (files / ".hidden" / "x.txt").write_text(SECRET)
    (files / ".well-known" / "security.txt").write_text("Contact:")
    (files / "outside").symlink_to(home / "secret.txt")
    (files / "up").symlink_to(home)


@pytest.fixture
def site(tmp_path: Path) -> None:
    lay_out(tmp_path)


@pytest.fixture
def server(site: None, serve_conf: Serve) -> LiveServer:
    """One that has not yet sent any file, and so keeps none."""
    return serve_conf(CONF)


@pytest.fixture(scope="module")
def shared_server(module_path: Path, serve_conf_module: Serve) -> LiveServer:
    lay_out(module_path)
    return serve_conf_module(CONF)


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


def test_a_file_and_its_fields(wire: Wire) -> None:
    reply = wire.get("/page.html")
    assert (reply.status, reply.text) == (200, "<p>page")
    assert reply.get("Content-Type") == "text/html; charset=utf-8"
    assert reply.get("Content-Length") == "7"
    assert "max-age=77" in (reply.get("Cache-Control") or "")
    assert (reply.get("Last-Modified") or "").endswith(" GMT")
    assert (reply.get("ETag") or "").startswith('"')
    assert (reply.get("Date") or "").endswith(" GMT")


def test_a_large_file_and_a_name_beyond_ascii(wire: Wire) -> None:
    assert wire.get("/big.bin").body == BIG
    assert wire.get("/%C3%BCn%C3%AF%20code.txt").text == "unicode"


def test_conditional_requests(wire: Wire) -> None:
    first = wire.get("/page.html")
    for condition in (
        f"If-None-Match: {first.get('ETag')}",
        f'If-None-Match: "other", W/{first.get("ETag")}',
        "If-None-Match: *",
        f"If-Modified-Since: {first.get('Last-Modified')}",
    ):
        reply = wire.get("/page.html", condition)
        assert reply.status == 304, condition
        assert (reply.get("ETag") or "").removeprefix("W/") == first.get("ETag")
    for condition in (
        'If-None-Match: "other"',
        "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
        "If-Modified-Since: nonsense",
    ):
        assert wire.get("/page.html", condition).status == 200, condition


def test_head(wire: Wire) -> None:
    wire.request("HEAD", "/page.html")
    reply = wire.read_reply("HEAD")
    assert (reply.status, reply.get("Content-Length")) == (200, "7")
    assert wire.get("/page.html").text == "<p>page"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_405_where_there_are_only_files(site: None, serve_conf: Serve, method: str) -> None:
    with serve_conf("[routes:line]\n/ = files\n").connect() as wire:
        wire.request(method, "/page.html", body=b"x")
        reply = wire.read_reply()
    assert reply.status == 405
    assert reply.get("Allow") == "GET, HEAD, OPTIONS"


def test_a_directory_redirects_to_its_slash_and_shows_its_index(wire: Wire) -> None:
    reply = wire.get("/sub?a=b")
    assert reply.status in (301, 308)
    assert reply.get("Location") == "/sub/?a=b"
    assert wire.get("/sub/").text == "<p>index of sub"


def test_a_redirect_stays_on_this_site(wire: Wire) -> None:
    for target in ("//evil.example/../sub", "//sub", "/%2F/sub", "/\\sub"):
        location = wire.get(target).get("Location")
        assert location is None or not location.startswith(("//", "/\\", "http")), target


def test_the_file_comes_first_and_then_the_application(wire: Wire) -> None:
    assert wire.get("/page.html").text == "<p>page"
    assert wire.get("/nofile.html").text == "app /nofile.html"
    assert wire.get("/").text == "app /"
    assert wire.get("/empty/").text == "app /empty/"
    assert wire.post("/page.html", b"x").text == "app /page.html"


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/.%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/sub/%2e%2e/%2e%2e/secret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/%252e%252e/secret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "//../secret.txt",
        "/./../secret.txt",
        "/sub/..%00/../secret.txt",
        "/secret.txt%00.html",
        "/page.html%00",
        "/page.html/",
        "/page.html/../../secret.txt",
        "/%2fetc/passwd",
        "//etc/passwd",
        "/outside",
        "/up/secret.txt",
        "/up/application.py",
        "/.hidden/x.txt",
        "/only/../../secret.txt",
        "/only/%2e%2e/%2e%2e/secret.txt",
        "/only../secret.txt",
    ],
)
def test_nothing_outside_the_folder_is_served(shared_server: LiveServer, target: str) -> None:
    with shared_server.connect() as wire:
        reply = wire.get(target)
    assert reply.body.startswith(b"app ") or 300 <= reply.status < 500, reply
    assert SECRET not in reply.body.decode("latin-1")
    assert b"root:" not in reply.body


def test_well_known_is_not_hidden(wire: Wire) -> None:
    assert wire.get("/.well-known/security.txt").text == "Contact:"
