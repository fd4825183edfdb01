"""Files that nobody has asked for yet, while C code holds the GIL: they come at once, and no client can tell.

Each question goes to a server whose GIL is held, on a connection of its own, and to the pure build, which is
the truth.  What the first has answered before the GIL is free, the monitor has answered
(``skitai/_speedups/fetching.h``).
"""

from __future__ import annotations

import gzip
import os
import socket
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import pytest

from skitai._kernels import coders, implementation
from tests.live.program import LiveServer, Serve
from tests.live.static_site import MODIFIED, cases, write
from tests.live.test_static_paths import FILES, LINKS, PATHS
from tests.live.wire import Reply
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    implementation() != "compiled", reason="the pure build serves in Python, and so under the GIL"
)

CONF = """
[server]
threads = {threads}
cache_control = *.map: no-store, /assets/*.js: public max-age=60
[routes:line]
/ = www
/any = www
/dots = www
/behind = empty
/inner = www
/inner/site = other
/hashed = www
/plain = www
/guarded = other
/guarded = guarded:app
/program = tests.live.apps.holding:app

: example.com
/ = other

: .example.com
/files = other

: own.test
/ = www
[host own.test]
error_pages = pages
[mount /any]
follow_links = any
[mount /dots]
dotfiles = yes
[mount /hashed]
immutable = yes
cache_control =
[mount /plain]
compress = no
precompressed = no
index = none.html, page.html
"""

#: Seconds: how long the GIL is held, and what a client may wait for that does not wait for it.
HELD = 4.0
WAIT_MAX = 0.25
LONG = b"long " * 1000
MANY = 90
#: It has a word about the files in front of it, and says so when it is told of its start.
GUARDED = b"""
class Application:
    skitai_admit = None
    def skitai_started(self):
        self.skitai_admit = lambda environ: ("401 Unauthorized", [("Content-Type", "text/plain")], b"no")
app = Application()
"""
MORE_FILES = {
    "www/ten.txt": b"0123456789",
    "pages/404.html": b"<p>ours",
    "pages/4xx.html": b"<p>any of ours",
    "www/empty.txt": b"",
    "www/UPPER.PNG": b"png",
    "www/no-suffix": b"none",
    "www/odd.suffix-that-nobody-knows": b"odd",
    "www/long.txt": LONG,
    "www/long.png": LONG * 20,
    "www/large.bin": os.urandom(1 << 20) * 3,
    "www/app.map": b"{}",
    "www/assets/app.js": b"1;",
    "www/assets/deep/er.js": b"2;",
    "www/app.3f2a9c1b.js": b"3;",
    "www/index-BkX3a9fQ.js": b"4;",
    "www/photo-20240101.jpg": b"5;",
    "www/coded.css": b"a{}",
    "www/coded.css.gz": b"gz",
    "www/forms.js": LONG,
    "www/forms.js.br": b"brotli" * 200,
    "www/forms.js.zst": b"",
    "www/forms.png": LONG,
    "www/forms.png.gz": b"z" * 30_000,
    "www/assets/kept.no-transform": LONG,
    "www/assets/short.json": b"0" * 1023,
    "www/assets/just.json": b"0" * 1024,
    "www/all.json": b"[%s]" % b",".join(b"%d" % number for number in range(9000)),
    "www/later.css": LONG,
    "www/later.css.gz": LONG,
    "www/named.ping": b"6;",
    "www/ping": b"not this",
    "www/colon:2.txt": b"7;",
    "other/page.html": b"page of another host",
    "other/site/x.txt": b"inner",
    "empty/x.txt": b"x",
    "www/changing.bin": b"first",
    "guarded.py": GUARDED,
    **{f"www/many/{number}.bin": b"%d" % number for number in range(MANY)},
    "www/behind/page.html": b"of the second folder",
}


@dataclass(frozen=True)
class Question:
    target: str
    fields: tuple[str, ...] = ()
    method: str = "GET"
    host: str = "testserver"
    version: str = "1.1"

    def send(self, sock: socket.socket) -> None:
        lines = [f"{self.method} {self.target} HTTP/{self.version}", f"Host: {self.host}", *self.fields]
        sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))


ETAG_OF_ANOTHER = '"0123456789abcdef01234567"'
#: What the monitor answers by itself: target, further fields with bars between them.
AT_ONCE = """
/ten.txt
/
/index.html
/page.html?v=1
/%70age.html
/page%2ehtml
/sub/deep/x.txt
/a%20b+c.txt
/a%2520b.txt
/caf%C3%A9%20%E2%98%83.txt
/caf%c3%a9%20%e2%98%83.txt
/latin-%E9.txt
/semi;colon=1,2.txt
/~user/x.txt
/.well-known/acme
/any/out.txt
/any/up/secret.txt
/any/page.html
/dots/.env
/dots/.git/config
/dots/...
/behind/x.txt
/inner/page.html
/inner/site/page.html
/empty.txt
/UPPER.PNG
/no-suffix
/odd.suffix-that-nobody-knows
/long.txt
/long.png
/large.bin
/app.map
/assets/app.js
/assets/deep/er.js
/app.3f2a9c1b.js
/hashed/app.3f2a9c1b.js
/hashed/index-BkX3a9fQ.js
/hashed/photo-20240101.jpg
/hashed/app.map
/plain/coded.css
/plain/long.txt        Accept-Encoding: gzip
/plain/page.html       Accept-Encoding: gzip, br
/plain/long.png        Accept-Encoding: gzip
/any/ten.txt           Accept-Encoding: gzip
/any/long.txt          Accept-Encoding: identity
/any/empty.txt         Accept-Encoding: identity
/coded.css.gz          Accept-Encoding: gzip
/dots/long.txt         Accept-Encoding: gzip
/plain/coded.css       Accept-Encoding: gzip
/inner/long.txt        Accept-Encoding: gzip;q=0.5, deflate
/hashed/long.txt       Accept-Encoding: deflate
/behind/x.txt          Accept-Encoding: gzip, deflate
/any/long.txt          Accept-Encoding: gzip;q=0, *;q=0
/inner/forms.js        Accept-Encoding: gzip | If-None-Match: *
/hashed/all.json       Accept-Encoding: x-gzip;q=1.0
/assets/short.json     Accept-Encoding: gzip
/assets/just.json      Accept-Encoding: gzip
/dots/app.map          Accept-Encoding: gzip
/coded.css
/any/coded.css         Accept-Encoding: gzip, deflate, br, zstd
/dots/coded.css        Accept-Encoding: br
/inner/coded.css       Accept-Encoding: gzip | Range: bytes=0-0
/hashed/coded.css      Accept-Encoding: gzip | If-None-Match: *
/forms.js              Accept-Encoding: gzip, deflate, br, zstd
/any/forms.js          Accept-Encoding: gzip
/dots/forms.js
/hashed/forms.js       Accept-Encoding: identity | Range: bytes=5-9
/forms.png             Accept-Encoding: gzip
/any/forms.png
/later.css             Accept-Encoding: gzip
/none.txt
/none/none.txt         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8
/none.json             Accept: application/json
/sub/none              Accept-Encoding: gzip | Range: bytes=0-1 | If-None-Match: *
/.env
/.git/config           Accept: text/html
/sub/.htpasswd         Accept: */*
/none/../ten.txt
/sub//none.txt
/inside.txt
/folder/deep/x.txt
/chain                 Range: bytes=0-1
/hidden.txt            Accept-Encoding: gzip
/inner/chain           If-None-Match: *
/linked.css            Accept-Encoding: gzip
/out.txt
/up/secret.txt         Accept: text/html
/up/www/page.html
/beside/x.txt
/absolute.txt
/loop
/astray
/through
/page.html/x
/up/www-secret/x.txt
/UPPER.PNG             If-Match: "other"
/dots/UPPER.PNG        If-Match: "other" | Accept: text/html
/hashed/coded.css      If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT | Accept-Encoding: gzip
/inner/coded.css       If-Match: W/"other" | Accept: application/json | Accept-Encoding: identity
/dots/long.txt         If-Match: "other" | Accept-Encoding: gzip
/hashed/UPPER.PNG      Range: bytes=9-
/inner/UPPER.PNG       Range: bytes=3-,7- | Accept: text/html
/inner/forms.png       Range: bytes=30000- | Accept-Encoding: gzip
/inner/empty.txt       Range: bytes=0-
/dots/ten.txt          Range: bytes=0-0,5-5
/any/long.png          Range: bytes=-5, 0-9, 20-29
/plain/long.txt        Range: bytes=0-1, 5-9
/dots/long.txt         Range: bytes=0-1, 5-9 | Accept-Encoding: identity
/inner/forms.js        Range: bytes=0-1, 5-9
/dots/large.bin        Range: bytes=1000000-1000009, 5-9
/dots/forms.png        Range: bytes=0-1, 5-6 | Accept-Encoding: identity
/named.ping
/colon:2.txt
/inner/ten.txt         Range: bytes=0-3
/inner/long.png        Range: bytes=-1000
/inner/large.bin       Range: bytes=1000000-2000000
/inner/long.txt        Range: bytes=0-0,1-5
/hashed/ten.txt        If-None-Match: *
/hashed/long.txt       If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT
/hashed/long.png       If-Modified-Since: Sunday, 09-Sep-01 01:46:40 GMT
/hashed/empty.txt      If-None-Match: "other"
/hashed/page.html      If-Unmodified-Since: Sun, 09 Sep 2001 01:46:40 GMT
/hashed/large.bin      Range: bytes=5-9 | If-Range: Sun, 09 Sep 2001 01:46:40 GMT
/hashed/no-suffix      Range: bytes=0-1 | If-Range: "other"
"""

#: What it leaves to Python, or must.
LATER = """
/hashed/none           Accept: text/html
/none                  Accept: text/html;q=0.33333
/none/                 Accept: text/html
/dots/long.txt         Range: bytes=9999- | Accept-Encoding: gzip
/hashed/forms.png      Range: bytes=0-1, 5-6 | Accept-Encoding: gzip
/inner/large.bin       Range: bytes=0-200000, 300000-400000
/dots/long.txt         Accept-Encoding: gzip;q=0.1234
/astray.css            Accept-Encoding: gzip
/folder
/behind/page.html
/guarded/page.html
/plain/
/%70ing
/inner/site/none
/fifo
/any/fifo
/socket
/any/null
/any/zero
/null
/page.html%00
/page.html%2f
/sub%2fdeep%2fx.txt
/sub%5cdeep
/sub\\deep
/sub/deep
/sub/deep/
/page.html/
/.%00./secret.txt
/%00
/%
/%2
/%zz
/x.m%E2%84%AAv
"""


def parsed(table: str) -> list[Question]:
    return [Question(target, tuple(filter(None, fields.split(" | ")))) for target, fields in cases(table, 2)]


def questions_at_once() -> list[Question]:
    long_name = "/" + "a" * 250
    return [
        *parsed(AT_ONCE),
        Question("/page.html", method="HEAD"),
        Question("/dots/large.bin", method="HEAD"),
        Question("/dots/no-suffix", ("Range: bytes=0-1",), "HEAD"),
        Question("/dots/forms.js", ("Accept-Encoding: br",), "HEAD"),
        Question("/none", ("Accept: text/html",), "HEAD"),
        Question("/none.txt", ("Connection: close",)),
        Question("/none.txt", host="example.com"),
        Question("/files/none.txt", host="www.example.com"),
        Question("/dots/empty.txt", ('If-Match: "other"',), "HEAD"),
        Question("/dots/index.html", ("Range: bytes=0-0,2-2", "Connection: close")),
        Question("/page.html", ("Connection: close",)),
        Question("/page.html", host="TestServer:80"),
        Question("/page.html", host="Example.COM."),
        Question("/page.html", host="example.com:8080"),
        Question("/files/page.html", host="www.example.com"),
        Question("/files/page.html", host="a.b.example.com"),
        Question(long_name),
    ]


def questions_for_later() -> list[Question]:
    from_paths = [
        Question(target)
        for target, status, _ in cases(PATHS, 3)
        if status != "200" and target.startswith("/") and not target.startswith("//")
    ]
    return [
        *parsed(LATER),
        *from_paths,
        Question("//page.html"),
        Question("///page.html"),
        Question("//etc/passwd"),
        Question("/" + "a" * 300),
        Question("/" + "a" * 2000),
        Question("/" + "a/" * 400),
        Question("/" + "../" * 200 + "etc/passwd"),
        Question("/" + "%2e%2e/" * 20 + "etc/passwd"),
        Question("/page.html", host="www.example.com"),
        Question("/page.html", version="1.0"),
        Question("/none", ("Accept: text/html",), host="own.test"),
        Question("/none", host="own.test"),
        Question("/.env", ("Accept: text/html",), host="own.test"),
        Question("/page.html", ('If-Match: "other"', "Accept: text/html"), host="own.test"),
        Question("/none", ("Accept: text/html", "Accept: application/json")),
        Question("/dots/page.html", method="DELETE"),
        Question("/dots/page.html", ("Range: bytes=0-1", "Range: bytes=2-3")),
        Question("/dots/page.html", ("If-None-Match: *", 'If-None-Match: "other"')),
    ]


def lay_out(home: Path) -> None:
    """Files that are old enough to be kept."""
    for name, content in {**FILES, **MORE_FILES}.items():
        write(home / name, content)
    write(home / os.fsdecode(b"www/latin-\xe9.txt"), b"latin-1")
    write(home / f"www/{'a' * 250}", b"long name")
    os.utime(home / "www/later.css.gz", (MODIFIED - 1, MODIFIED - 1))
    write(home / "www/linked.css", b"b{}")
    (home / "www/linked.css.gz").symlink_to("coded.css.gz")
    write(home / "www/astray.css", b"c{}")
    (home / "www/astray.css.gz").symlink_to("../secret.txt")
    for name, target in {**LINKS, "www/null": "/dev/null", "www/zero": "/dev/zero"}.items():
        (home / name).symlink_to(target)
    os.mkfifo(home / "www/fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        os.chdir(home / "www")
        sock.bind("socket")
    time.sleep(2.1)


@pytest.fixture(scope="module")
def truth(serve_conf_module: Serve, module_path: Path) -> LiveServer:
    before = Path.cwd()
    lay_out(module_path)
    os.chdir(before)
    return serve_conf_module(CONF.format(threads=0), env={"SKITAI_PURE": "1"})


@pytest.fixture(params=[0, 4])
def server(request: pytest.FixtureRequest, truth: LiveServer, serve_conf_module: Serve) -> LiveServer:
    return serve_conf_module(CONF.format(threads=request.param))


class Held:
    """The GIL of a server is held, from now on until the end of this."""

    def __init__(self, server: LiveServer, seconds: float = HELD) -> None:
        times = server.stderr_text().count("holding")
        self._wire = server.connect()
        self._wire.request("GET", f"/program/hold?{seconds}")
        wait_until(lambda: server.stderr_text().count("holding") > times)
        self._until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return self._until - time.monotonic()

    def end(self) -> None:
        assert self._wire.read_reply().body == b"/hold"
        self._wire.close()


def read_whole(sock: socket.socket, method: str, until: float) -> Reply | None:
    """The reply, if it comes in time."""
    received = b""
    while True:
        sock.settimeout(max(until - time.monotonic(), 0.001))
        try:
            data = sock.recv(1 << 20)
        except TimeoutError:
            data = b""
        received += data
        reply = _reply(received, method)
        if reply is not None or not data:
            return reply


def _reply(received: bytes, method: str) -> Reply | None:
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return None
    status_line, *lines = head.decode("latin-1").split("\r\n")
    _, status, *reason = status_line.split(" ", 2)
    reply = Reply("1.1", int(status), " ".join(reason))
    reply.headers += [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    reply.body = body
    wanted = int(reply.get("Content-Length") or 0)
    is_whole = method == "HEAD" or reply.status in (204, 304) or len(body) >= wanted
    return reply if is_whole else None


def decoded(reply: Reply) -> bytes:
    """The content, where it was coded on its way: by which library may differ, and so its length."""
    coding, etag = reply.get("Content-Encoding"), reply.get("ETag") or ""
    if not etag.startswith("W/") or not reply.body:
        return reply.body
    return gzip.decompress(reply.body) if coding == "gzip" else zlib.decompress(reply.body)


def said(reply: Reply | None) -> tuple[int, list[tuple[str, str]], bytes] | None:
    if reply is None:
        return None
    fields = [field for field in reply.headers if field[0] != "Date"]
    boundary = next((v.rpartition("=")[2] for _, v in fields if v.startswith("multipart/")), "none")
    fields = [(name, value.replace(boundary, "-")) for name, value in fields]
    body = decoded(reply)
    if body is not reply.body:
        fields = [field for field in fields if field[0] != "Content-Length"]
    if reply.status == 206:
        fields.sort()  # on the shelf what is of the part comes last
    return reply.status, fields, body.replace(boundary.encode(), b"-")


def ask(server: LiveServer, question: Question) -> Reply | None:
    with server.connect() as wire:
        question.send(wire.sock)
        return read_whole(wire.sock, question.method, time.monotonic() + 5)


@pytest.fixture
def coding_in_c(missing: Callable[[str], NoReturn]) -> None:
    """What C codes is coded by zlib, for which setup.py looks."""
    if b"libz" not in Path(import_module("skitai._speedups.fetching").__file__ or "").read_bytes():
        missing("zlib with its header where Skitai was built (Debian: zlib1g-dev)")


@pytest.mark.usefixtures("coding_in_c")
def test_no_client_can_tell(server: LiveServer, truth: LiveServer) -> None:
    at_once, later = questions_at_once(), questions_for_later()
    kept = [server.connect() for _ in at_once[::2]]  # the others connect meanwhile
    held = Held(server)
    wires = [kept[place // 2] if place % 2 == 0 else server.connect() for place in range(len(at_once))]
    more = [server.connect() for _ in later]
    for question, wire in zip([*at_once, *later], [*wires, *more], strict=True):
        question.send(wire.sock)
    begun = time.monotonic()
    replies = [
        read_whole(wire.sock, question.method, time.monotonic() + held.left - 1)
        for question, wire in zip(at_once, wires, strict=True)
    ]
    elapsed = time.monotonic() - begun
    assert held.left > 0.5, "it came when the GIL was free"
    waited = [question for question, reply in zip(at_once, replies, strict=True) if reply is None]
    assert not waited
    assert elapsed < 1.0
    early = [read_whole(wire.sock, q.method, 0) for q, wire in zip(later, more, strict=True)]
    held.end()
    late = [
        reply or read_whole(wire.sock, question.method, time.monotonic() + 5)
        for question, wire, reply in zip(later, more, early, strict=True)
    ]
    for question, reply in zip([*at_once, *later], [*replies, *late], strict=True):
        assert said(reply) == said(ask(truth, question)), question
    assert not any(reply.status == 200 for reply in early if reply is not None)
    for wire in [*wires, *more]:
        wire.close()


def test_one_after_the_other(server: LiveServer) -> None:
    """The first time it is the leader that holds the GIL, later on another thread, where there is one."""
    before = server.stdout_text().count("/many/")
    kept = server.connect()
    waits = []
    for turn in range(3):
        held = Held(server, 2.0)
        for number in range(turn * 30, turn * 30 + 30):
            question = Question(f"/many/{number}.bin")
            with server.connect() as fresh:
                wire = kept if number % 2 else fresh
                at = time.monotonic()
                question.send(wire.sock)
                reply = read_whole(wire.sock, "GET", at + 1)
                waits.append(time.monotonic() - at)
                assert reply is not None
                assert reply.body == b"%d" % number
        assert held.left > WAIT_MAX, "it came when the GIL was free"
        held.end()
    assert sorted(waits)[len(waits) * 9 // 10] < WAIT_MAX, sorted(waits)[-5:]
    for number in range(MANY):
        assert kept.get(f"/many/{number}.bin").body == b"%d" % number
    kept.close()
    wait_until(lambda: server.stdout_text().count("/many/") == before + 2 * MANY)


@pytest.mark.usefixtures("coding_in_c")
def test_a_coding_for_now(server: LiveServer, truth: LiveServer) -> None:
    """Python may have a better library: then what the monitor has coded does not stay."""
    question = Question("/any/all.json", ("Accept-Encoding: gzip, deflate, br, zstd",))
    held = Held(server, 2.0)
    early = ask(server, question)
    assert held.left > WAIT_MAX, "it came when the GIL was free"
    held.end()
    assert early is not None
    assert early.get("Content-Encoding") == "gzip"
    assert early.get("Vary") == "Accept-Encoding"
    late, true = ask(server, question), ask(truth, question)
    assert late is not None
    assert true is not None
    assert late.get("Content-Encoding") == true.get("Content-Encoding") == next(iter(coders.CODINGS))
    assert gzip.decompress(early.body) == MORE_FILES["www/all.json"]
    if true.get("Content-Encoding") != "gzip":
        assert late.body == true.body


def test_what_is_not_there_may_come(server: LiveServer, module_path: Path) -> None:
    question, new = Question("/comes.txt"), module_path / "www/comes.txt"
    held = Held(server)
    first = ask(server, question)
    assert first is not None
    assert first.status == 404
    write(module_path / "www/new", b"here")
    (module_path / "www/new").rename(new)
    time.sleep(2.1)  # it is looked for again after a second, and believed after two
    second = ask(server, question)
    assert second is not None
    assert held.left > WAIT_MAX, "it came when the GIL was free"
    assert second.body == b"here"
    held.end()
    new.unlink()


def test_what_may_change_again_waits_for_python(server: LiveServer, module_path: Path) -> None:
    changing = module_path / "www/changing.bin"
    question = Question("/changing.bin")
    first = changing.read_bytes()
    held = Held(server)
    reply = ask(server, question)
    assert reply is not None
    assert reply.body == first
    write(module_path / "www/new", b"second")
    (module_path / "www/new").rename(changing)
    time.sleep(1.2)  # what is kept is looked at again after a second
    with server.connect() as wire:
        question.send(wire.sock)
        assert read_whole(wire.sock, "GET", time.monotonic() + held.left - 1) is None
        held.end()
        assert wire.read_reply().body == b"second"
    write(changing, first)
    time.sleep(2.1)
