"""Files that are asked for again: kept ready by the compiled build, and no client can tell.

A file is kept once it is older than two seconds, and looked up again after one: the server of this
module is asked when its files are old enough.  In the pure build nothing is kept, and the same must
hold.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from skitai._kernels import implementation
from tests.live.program import LiveServer, Serve
from tests.live.wire import Reply, Wire
from tests.waiting import wait_until

CONF = """
[routes:line]
/ = {home}/files
/ = {home}/application:app
/second = {home}/other
"""

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"app " + environ["PATH_INFO"].encode("latin-1")]
"""

#: Seconds after which files are kept, and after which what is kept is looked up again.
YOUNG, TRUST = 2.0, 1.0
BIG = os.urandom(1 << 20) * 5


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Old enough to be kept."""
    home = tmp_path_factory.mktemp("site")
    files = home / "files"
    for folder in (files / "sub", files / "second", home / "other"):
        folder.mkdir(parents=True)
    (home / "application.py").write_text(APP)
    (home / "outside.txt").write_text("outside")
    (files / "small.txt").write_text("small")
    (files / "empty.txt").write_text("")
    (files / "changing.txt").write_text("first")
    (files / "64k.bin").write_bytes(BIG[:65536])
    (files / "big.bin").write_bytes(BIG)
    (files / "sub" / "index.htm").write_text("second choice")
    (files / "second" / "page.html").write_text("of the first folder")
    (files / "link.txt").symlink_to("small.txt")
    (files / "astray.txt").symlink_to("small.txt")
    time.sleep(YOUNG + 0.1)
    return files


@pytest.fixture
def server(files: Path, serve_conf: Serve) -> LiveServer:
    return serve_conf(CONF.format(home=files.parent))


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


def ask(wire: Wire, method: str, target: str, *fields: str) -> Reply:
    wire.request(method, target, *fields)
    return wire.read_reply(method)


def without_date(reply: Reply) -> list[tuple[str, str]]:
    return [field for field in reply.headers if field[0] != "Date"]


def soon(wire: Wire, target: str, expected: bytes) -> None:
    """No later than what is kept is looked up again."""
    wait_until(lambda: wire.get(target).body == expected, TRUST + 1.0)


@pytest.mark.parametrize("target", ["/small.txt", "/empty.txt", "/64k.bin", "/big.bin", "/link.txt", "/ping"])
def test_the_second_answer_is_the_first(wire: Wire, target: str) -> None:
    first = wire.get(target)
    assert first.status == 200
    for query in ("", "", "?any=thing"):
        again = wire.get(target + query)
        assert (again.status, again.body, without_date(again)) == (200, first.body, without_date(first))
    head = ask(wire, "HEAD", target)
    assert (head.status, without_date(head)) == (200, without_date(first))
    assert [name for name, _ in head.headers][:2] == ["Date", "Server"]
    closed = ask(wire, "GET", target, "Connection: close")
    assert (closed.body, closed.get("Connection")) == (first.body, "close")
    assert without_date(closed)[:-1] == without_date(first)
    assert wire.sock.recv(1) == b""


def test_conditions_are_judged_as_ever(wire: Wire) -> None:
    etag = wire.get("/small.txt").get("ETag")
    since = wire.get("/small.txt").get("Last-Modified")
    for _ in range(3):
        same = wire.get("/small.txt", f"If-None-Match: {etag}")
        assert same.status == 304
        assert [name for name, _ in same.headers] == ["Date", "Server", "ETag", "Cache-Control"]
        assert wire.get("/small.txt", f"If-Modified-Since: {since}").status == 304
        both = ("If-None-Match: {}", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT")
        assert wire.get("/small.txt", *(field.format(etag) for field in both)).status == 304
        assert wire.get("/small.txt", *(field.format('"other"') for field in both)).status == 200
        assert wire.get("/small.txt", f'If-None-Match: "other", {etag}').status == 304
        assert wire.get("/small.txt", 'If-Match: "other"').status == 412
        assert ask(wire, "POST", "/small.txt").body == b"app /small.txt"


def test_a_change_is_seen(wire: Wire, files: Path) -> None:
    assert wire.get("/changing.txt").body == wire.get("/changing.txt").body == b"first"
    (files / "changing.txt").write_text("other")
    soon(wire, "/changing.txt", b"other")
    (files / "changing.txt").unlink()
    soon(wire, "/changing.txt", b"app /changing.txt")


@pytest.mark.skipif(
    sys.platform != "linux" or implementation() == "pure", reason="the system tells of changes: inotify"
)
def test_a_change_is_seen_at_once(wire: Wire, files: Path) -> None:
    """Not only after the second for which a look at the file is good."""
    path = files / "at-once.txt"
    for number in range(3):
        content = b"%d" % number
        path.write_bytes(content)
        os.utime(path, (1_000_000_000 + number, 1_000_000_000 + number))
        time.sleep(YOUNG + 0.1 if number == 0 else 0.02)
        for _ in range(3):
            assert wire.get("/at-once.txt").body == content


def test_a_file_that_is_made_in_front_of_another_is_seen(wire: Wire, files: Path) -> None:
    for _ in range(3):
        assert wire.get("/sub/").body == b"second choice"
        assert wire.get("/second/page.html").body == b"of the first folder"
    (files / "sub" / "index.html").write_text("first choice")
    assert wire.get("/sub/").body == b"first choice"
    (files.parent / "other" / "page.html").write_text("of the nearer folder")
    assert wire.get("/second/page.html").body == b"of the nearer folder"


def test_a_link_that_comes_to_lead_outside_is_seen(wire: Wire, files: Path) -> None:
    for _ in range(3):
        assert wire.get("/astray.txt").body == b"small"
    (files / "new").symlink_to("../outside.txt")
    (files / "new").rename(files / "astray.txt")
    soon(wire, "/astray.txt", b"app /astray.txt")


def test_answers_that_are_asked_for_together_come_in_order(wire: Wire) -> None:
    targets = ["/64k.bin", "/app", "/ping", "/big.bin", "/small.txt", "/app", "/empty.txt"] * 5
    bodies = {target: wire.get(target).body for target in targets}
    wire.send("".join(f"GET {target} HTTP/1.1\r\nHost: testserver\r\n\r\n" for target in targets))
    time.sleep(0.2)  # the client does not read; the server is full of what it would send
    for target in targets:
        assert wire.read_reply().body == bodies[target], target
    assert wire.get("/ping").body == b"pong"


def test_hundreds_of_requests_at_once(wire: Wire) -> None:
    wire.get("/small.txt")
    wire.send(
        "".join(f"GET /{name} HTTP/1.1\r\nHost: testserver\r\n\r\n" for name in ["small.txt", "ping"] * 500)
    )
    for _ in range(500):
        assert wire.read_reply().body == b"small"
        assert wire.read_reply().body == b"pong"


def test_access_lines(server: LiveServer, wire: Wire) -> None:
    lines = []
    for target in ("/small.txt?x", "/big.bin", "/ping"):
        first = len(wire.get(target).body)
        for _ in range(2):
            assert len(wire.get(target).body) == first
        lines.append((target, first))
    assert ask(wire, "HEAD", "/small.txt").status == 200

    def said() -> list[list[str]]:
        return [line.split()[4:] for line in server.stdout_text().splitlines() if " HTTP/1.1 " in line]

    wait_until(lambda: len(said()) == 10, 5.0)
    for place, (target, size) in enumerate(lines):
        three = said()[3 * place : 3 * place + 3]
        assert [words[:4] for words in three] == [["GET", target, "HTTP/1.1", "200"]] * 3
        assert len({words[4] for words in three}) == 1, "a line differs in the number of bytes"
        assert int(three[0][4]) > size
    assert said()[9][:4] == ["HEAD", "/small.txt", "HTTP/1.1", "200"]


def test_a_client_that_leaves_in_the_midst(server: LiveServer, wire: Wire) -> None:
    assert len(wire.get("/big.bin").body) == len(wire.get("/big.bin").body) == len(BIG)
    for _ in range(20):
        with server.connect() as rude:
            rude.request("GET", "/big.bin")
            rude.read_exactly(100000)
            rude.reset()
    assert wire.get("/big.bin").body == BIG


@pytest.mark.parametrize("key", ["file_cache_max", "file_cache_open_max"])
def test_nothing_is_kept_where_nothing_may_be(files: Path, serve_conf: Serve, key: str) -> None:
    server = serve_conf(f"[server]\n{key} = 0\n{CONF.format(home=files.parent)}")
    with server.connect() as wire:
        for _ in range(3):
            assert wire.get("/big.bin").body == BIG
            assert wire.get("/ping").body == b"pong"
