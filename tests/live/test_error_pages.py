"""Error pages of a site in place of Skitai's own, in both builds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.static_site import BUILDS, cases, serve_site, write
from tests.live.wire import Wire
from tests.waiting import wait_until

APP = b"""
import time
from skitai.errors import HTTPError

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/fails":
        raise RuntimeError("a defect")
    if path == "/refuses":
        raise HTTPError(403, "not you")
    if path == "/late":
        time.sleep(1.5)
    start_response("404 Not Found", [("Content-Type", "text/html")])
    return [b"the application's own"]
"""
FILES = {
    "application.py": APP,
    "www/file.txt": b"0123456789",
    "server/404.html": b"404 of the server",
    "server/5xx.html": b"5xx of the server",
    "host/404.html": b"404 of the host",
    "mount/404.html": b"404 of the mount",
    "mount/40x.html": b"40x of the mount",
    "mount/4xx.html": b"4xx of the mount",
    "mount/50x.html": b"50x of the mount",
    "mount/503.html": b"503 of the mount",
    "mount/408.html": b"x" * 5000,
}
#: /app/late keeps one of four threads: were it half of them, the process would be replaced, and with it
#: the connections of the next test.
CONF = """
[server]
error_pages = server
error_page_max = 1k
threads = 4
[routes:line]
/ = www
/mount = www
/app = application:app
/broken = nowhere:app

: hosted
/ = www
/mount = www

[mount /mount]
error_pages = mount
[mount /app]
error_pages = mount
response_timeout = 500ms
body_max = 1k
[host hosted]
error_pages = host
"""
#: What is in the place of a page for 405, each in a folder and at a mount of its name.
NO_FILES: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "device": lambda page: page.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "loop": lambda page: page.symlink_to(page.name),
}
CONF = CONF.replace("/app =", "".join(f"/{kind} = www\n" for kind in NO_FILES) + "/app =", 1)
CONF += "".join(f"[mount /{kind}]\nerror_pages = {kind}\n" for kind in NO_FILES)
FILES |= {f"{kind}/40x.html": f"40x beside the {kind}".encode() for kind in NO_FILES}
HTML = "Accept: text/html"


@pytest.fixture(scope="module", params=BUILDS)
def server(request: pytest.FixtureRequest, serve_conf_module: Serve, module_path: Path) -> LiveServer:
    for kind, make in NO_FILES.items():
        page = module_path / kind / "405.html"
        if not os.path.lexists(page):  # for the other build
            page.parent.mkdir()
            make(page)
    return serve_site(serve_conf_module, module_path, request.param, CONF, FILES)


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


PAGES = """
# method  target                   status  page
GET       /none                    404     404 of the server
GET       http://hosted/none       404     404 of the host
GET       /mount/none              404     404 of the mount
GET       http://hosted/mount/none  404     404 of the mount
POST      /mount/file.txt          405     40x of the mount
GET       /broken/x                503     5xx of the server

# of applications: what they say is theirs, what we say for them is not
GET       /app/none                404     the application's own
GET       /app/fails               500     50x of the mount
GET       /app/refuses             403     40x of the mount
GET       /app/late                503     503 of the mount
"""


@pytest.mark.parametrize(("method", "target", "status", "page"), cases(PAGES, 4))
def test_a_page(wire: Wire, method: str, target: str, status: str, page: str) -> None:
    wire.request(method, target, HTML)
    reply = wire.read_reply()
    assert (reply.status, reply.text) == (int(status), page)
    assert (reply.get("Content-Type") or "").startswith("text/html")
    assert reply.get("Content-Security-Policy") is None
    if page != "the application's own":
        assert reply.get("Vary") == "Accept"
    if status[0] == "5":
        assert reply.get("Cache-Control") == "no-store"
    if status == "405":
        assert reply.get("Allow") == "GET, HEAD, OPTIONS"


def test_a_range_that_is_not_there(wire: Wire) -> None:
    reply = wire.get("/mount/file.txt", HTML, "Range: bytes=10-")
    assert (reply.status, reply.text) == (416, "4xx of the mount")
    assert reply.get("Content-Range") == "bytes */10"


def test_a_body_that_is_too_long(wire: Wire) -> None:
    reply = wire.post("/app/x", b"x" * 2000, HTML)
    assert (reply.status, reply.text) == (413, "4xx of the mount")


@pytest.mark.parametrize("accept", ["Accept: application/json", "Accept: */*", "Accept: text/plain", "X: y"])
def test_programs_get_what_they_always_got(wire: Wire, accept: str) -> None:
    reply = wire.get("/mount/none", accept)
    assert reply.status == 404
    assert "There is no such file." in reply.text


def test_where_the_folder_has_no_page_ours_is_sent(wire: Wire) -> None:
    reply = wire.get("http://hosted/file.txt", HTML, 'If-Match: "other"')
    assert (reply.status, "412" in reply.text) == (412, True)


def test_head_of_a_page(wire: Wire) -> None:
    wire.request("HEAD", "/none", HTML)
    reply = wire.read_reply("HEAD")
    assert (reply.status, reply.get("Content-Length")) == (404, str(len("404 of the server")))


def test_a_page_is_looked_at_again_after_a_second(wire: Wire, module_path: Path) -> None:
    page = module_path / "host" / "404.html"
    assert wire.get("http://hosted/none", HTML).text == "404 of the host"
    try:
        write(page, b"another one")
        wait_until(lambda: wire.get("http://hosted/none", HTML).text == "another one")
    finally:
        write(page, b"404 of the host")


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_no_page(wire: Wire, kind: str) -> None:
    wire.request("POST", f"/{kind}/file.txt", HTML)
    assert wire.read_reply().text == f"40x beside the {kind}"


def test_a_folder_that_is_not_there_stops_the_start(serve_conf: Serve) -> None:
    server = serve_conf("[server]\nerror_pages = none\n[routes:line]\n/ = .\n", ready=False)
    assert server.wait() != 0
    assert "test.conf:2: error_pages = none: there is no such folder" in server.stderr_text()
