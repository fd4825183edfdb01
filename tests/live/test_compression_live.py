"""Compressed responses through the real program, in both builds, with and without threads."""

from __future__ import annotations

import itertools
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skitai._kernels import implementation
from tests.decoding import decode, decoder
from tests.live.apps import coded
from tests.live.memory import resident
from tests.live.program import LiveServer, Serve
from tests.live.wire import Reply, Truncated, Wire
from tests.waiting import wait_until

BUILDS = [pytest.param({}, id="this build"), pytest.param({"SKITAI_PURE": "1"}, id="pure")]


@pytest.fixture(scope="module", params=["0", "4"], ids=["inline", "threads"])
def threads(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=BUILDS)
def server(request: pytest.FixtureRequest, threads: str, serve_module: Serve) -> LiveServer:
    return serve_module("tests.live.apps.coded:app", "--threads", threads, env=request.param)


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


def body_of(reply: Reply) -> bytes:
    return decode(reply.get("Content-Encoding"), reply.body)


@pytest.mark.parametrize("size", [1023, 1024, 5000, 70_000, 1_500_000])
@pytest.mark.parametrize("kind", [function.__name__ for function in coded.WHOLE])
def test_every_way_to_give_a_body(wire: Wire, kind: str, size: int) -> None:
    for accept in ("gzip", None, "br"):
        reply = wire.get(f"/{kind}?size={size}", *([f"Accept-Encoding: {accept}"] if accept else []))
        assert body_of(reply) == coded.body_of(size)
        if size < 1024 and kind not in ("stream", "memory_file", "async_stream"):
            assert reply.get("Content-Encoding") is None
            assert "Accept-Encoding" not in (reply.get("Vary") or "")
        else:
            assert reply.get("Content-Encoding") == accept
            assert "Accept-Encoding" in (reply.get("Vary") or "")
        if kind in ("one", "announced", "tagged", "too_long", "coroutine") and size <= 1 << 20:
            assert reply.get("Content-Length"), "a body that is there has a length"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_each_coding(wire: Wire, coding: str) -> None:
    for kind in ("one", "stream"):
        reply = wire.get(f"/{kind}?size=20000", f"Accept-Encoding: {coding}")
        assert reply.get("Content-Encoding") == coding
        assert len(reply.body) < 4000
        assert body_of(reply) == coded.body_of(20_000)


@pytest.mark.parametrize("kind", [function.__name__ for function in coded.NEVER])
@pytest.mark.parametrize("accept", ["gzip", None])
def test_what_is_never_coded(wire: Wire, kind: str, accept: str | None) -> None:
    reply = wire.get(f"/{kind}", *([f"Accept-Encoding: {accept}"] if accept else []))
    assert reply.body == coded.body_of(5000)
    assert reply.get("Vary") == ("Accept-Encoding" if kind == "part" else None)


def test_a_tagged_answer(wire: Wire) -> None:
    reply = wire.get("/tagged", "Accept-Encoding: gzip")
    assert (reply.get("ETag"), reply.get_all("Vary")) == ('W/"x"', ["Cookie, Accept-Encoding"])
    assert reply.get("Accept-Ranges") is None
    reply = wire.get("/tagged")
    assert (reply.get("ETag"), reply.get_all("Vary")) == ('"x"', ["Cookie, Accept-Encoding"])
    assert reply.get("Accept-Ranges") == "bytes"


def test_a_304_has_the_tag_that_the_client_has(wire: Wire) -> None:
    reply = wire.get("/unchanged", "Accept-Encoding: gzip", 'If-None-Match: W/"x"')
    assert (reply.status, reply.get("ETag"), reply.get("Vary")) == (304, 'W/"x"', "Accept-Encoding")
    reply = wire.get("/unchanged", "Accept-Encoding: gzip", 'If-None-Match: "x"')
    assert (reply.status, reply.get("ETag")) == (304, '"x"')


@pytest.mark.parametrize("kind", ["announced", "announced_stream", "tagged", "file"])
def test_head_has_the_fields_of_get(wire: Wire, kind: str) -> None:
    got = wire.get(f"/{kind}", "Accept-Encoding: gzip")
    wire.request("HEAD", f"/{kind}", "Accept-Encoding: gzip")
    told = wire.read_reply("HEAD")
    for name in ("Content-Encoding", "Vary", "ETag", "Content-Type"):
        assert told.get(name) == got.get(name)
    assert told.get("Content-Length") is None
    assert body_of(wire.get("/one")) == coded.body_of(5000), "the connection goes on"


def test_a_body_that_is_too_short_is_cut_in_its_coded_form_too(server: LiveServer) -> None:
    with server.connect() as wire, pytest.raises(Truncated):
        wire.get("/too_short", "Accept-Encoding: gzip")


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_each_piece_is_there_before_the_next_is_made(server: LiveServer, threads: str, coding: str) -> None:
    if threads == "0":
        pytest.skip("the application waits in the loop")
    with server.connect() as wire, server.connect() as other:
        wire.request("GET", "/events", f"Accept-Encoding: {coding}")
        head, more = wire.read_head(), decoder(coding)
        assert head.get("Content-Encoding") == coding
        shown = b""
        while b"first" not in shown:
            shown += more(wire.read_chunk())
        assert shown == b"data: first\n\n"
        other.get("/opens")
        while chunk := wire.read_chunk():
            shown += more(chunk)
        assert shown == b"data: first\n\ndata: second\n\n"
        assert "events closed" in other.get("/closes").text


def test_who_goes_away_ends_the_stream_and_its_memory(server: LiveServer) -> None:
    for _ in range(20):
        wire = server.connect()
        wire.request("GET", "/endless?size=100000", "Accept-Encoding: gzip")
        assert wire.read_head().get("Content-Encoding") == "gzip"
        wire.read_exactly(2000)
        wire.reset()
    ended: list[str] = []

    def all_ended() -> bool:
        with server.connect() as other:
            ended.extend(item for item in other.get("/closes").text.split(", ") if item)
        return ended.count("endless closed") == 20

    wait_until(all_ended, 10)


def test_memory_is_flat_while_a_long_stream_runs(server: LiveServer) -> None:
    with server.connect() as wire:
        wire.request("GET", "/endless?size=200000", "Accept-Encoding: gzip")
        wire.read_head()
        for _ in range(100):
            wire.read_chunk()
        before = resident(server)
        for _ in range(500):  # 100 MB
            wire.read_chunk()
        assert resident(server) - before < 8 << 20


def test_http_1_0_gets_it_until_the_connection_ends(server: LiveServer) -> None:
    with server.connect() as wire:
        wire.request("GET", "/stream?size=20000", "Accept-Encoding: gzip", version="1.0")
        reply = wire.read_reply()
        assert reply.get("Transfer-Encoding") is None
        assert body_of(reply) == coded.body_of(20_000)


def test_pipelined_answers_keep_their_order(wire: Wire) -> None:
    sizes = [500, 3000, 100_000, 5000, 80_000, 1024]
    for size in sizes:
        wire.request("GET", f"/one?size={size}", "Accept-Encoding: gzip")
    for size in sizes:
        assert body_of(wire.read_reply()) == coded.body_of(size)


def test_several_fields_of_accept_encoding(wire: Wire) -> None:
    reply = wire.get("/one", "Accept-Encoding: gzip;q=0.5", "Accept-Encoding: br")
    assert reply.get("Content-Encoding") == "br"
    assert body_of(reply) == coded.body_of(5000)


def test_curl(server: LiveServer, require_program: Callable[[str], str]) -> None:
    program = require_program("curl")
    for kind in ("one", "stream"):
        command = [program, "-sS", "--compressed", "-D", "-", f"{server.url}/{kind}?size=30000"]
        said = subprocess.run(command, capture_output=True, timeout=20, check=True).stdout
        head, _, body = said.partition(b"\r\n\r\n")
        assert b"content-encoding: " in head.lower()
        assert body == coded.body_of(30_000)


# --- files

CONF = """
[server]
threads = {threads}
[routes:line]
/ = files
/plain = plain
[mount /plain]
compress = off
"""
STYLE = b"body { color: #123456; margin: 0 auto }\n" * 100
LOG = b"".join(b"%06d something has happened again\n" % number for number in range(100_000))
WHITE = bytes(range(256)) * 100
FILES = {
    "a.css": STYLE,
    "big.log": LOG,
    "mid.log": LOG[:500_000],
    "a.png": WHITE,
    "s.css": STYLE[:500],
}


@pytest.fixture(scope="module", params=BUILDS)
def site(
    request: pytest.FixtureRequest, threads: str, serve_conf_module: Serve, module_path: Path
) -> LiveServer:
    for name in ("files", "plain"):
        folder = module_path / name
        folder.mkdir(exist_ok=True)
        for file, content in FILES.items():
            (folder / file).write_bytes(content)
    return serve_conf_module(CONF.format(threads=threads), env=request.param)


@pytest.fixture
def browser(site: LiveServer) -> Iterator[Wire]:
    with site.connect() as wire:
        yield wire


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", None])
@pytest.mark.parametrize(("name", "content"), [("a.css", STYLE), ("big.log", LOG)])
def test_a_file(browser: Wire, name: str, content: bytes, coding: str | None) -> None:
    reply = browser.get(f"/{name}", *([f"Accept-Encoding: {coding}"] if coding else []))
    assert (reply.get("Content-Encoding"), reply.get("Vary")) == (coding, "Accept-Encoding")
    assert (reply.get("ETag") or "").startswith('W/"' if coding else '"')
    assert body_of(reply) == content
    if coding:
        assert len(reply.body) < len(content) / 4
    again = browser.get(
        f"/{name}", f"If-None-Match: {reply.get('ETag')}", *([f"Accept-Encoding: {coding}"] if coding else [])
    )
    assert (again.status, again.get("ETag"), again.get("Vary")) == (
        304,
        reply.get("ETag"),
        "Accept-Encoding",
    )
    part = browser.get(f"/{name}", "Range: bytes=0-9", *([f"Accept-Encoding: {coding}"] if coding else []))
    assert (part.status, part.body, part.get("Vary")) == (206, content[:10], "Accept-Encoding")
    parts = browser.get(
        f"/{name}", "Range: bytes=0-1,5-9", *([f"Accept-Encoding: {coding}"] if coding else [])
    )
    assert (parts.status, parts.get("Vary")) == (206, "Accept-Encoding")
    assert (parts.get("Content-Type") or "").startswith("multipart/byteranges")


@pytest.mark.parametrize("path", ["/a.png", "/s.css", "/plain/a.css", "/plain/big.log"])
def test_files_that_are_sent_as_they_are(browser: Wire, path: str) -> None:
    content = {"/a.png": WHITE, "/s.css": STYLE[:500], "/plain/a.css": STYLE}.get(path, LOG)
    for _ in range(3):
        reply = browser.get(path, "Accept-Encoding: gzip")
        assert reply.body == content
        assert reply.get("Vary") is None


@pytest.mark.parametrize("name", ["a.css", "big.log"])
def test_head_of_a_file(browser: Wire, name: str) -> None:
    browser.request("HEAD", f"/{name}", "Accept-Encoding: gzip")
    told = browser.read_reply("HEAD")
    got = browser.get(f"/{name}", "Accept-Encoding: gzip")
    for field in ("Content-Encoding", "Vary", "ETag", "Last-Modified"):
        assert told.get(field) == got.get(field)


def keeps_files(request: pytest.FixtureRequest) -> bool:
    """Not the pure build."""
    return implementation() == "compiled" and "pure" not in request.node.name


def test_files_that_are_kept_ready_are_not_mixed_up(
    browser: Wire, module_path: Path, request: pytest.FixtureRequest
) -> None:
    """Files are kept by the engine when they are two seconds old: before and after, in all forms."""
    seen: dict[tuple[str, str | None], list[tuple[str, str]]] = {}
    for name in ("a.css", "mid.log"):  # as if they had just been written
        (module_path / "files" / name).write_bytes(FILES[name])
    deadline = time.monotonic() + (3 if keeps_files(request) else 0.2)
    while time.monotonic() < deadline:
        for name, accept in itertools.product(("a.css", "mid.log"), ("gzip", None, "br", "identity")):
            fields = [f"Accept-Encoding: {accept}"] if accept else []
            reply = browser.get(f"/{name}", *fields)
            assert reply.get("Content-Encoding") == (accept if accept in ("gzip", "br") else None)
            assert body_of(reply) == FILES[name]
            # A long one is streamed until it is kept.
            framing = ("Date", "Content-Length", "Transfer-Encoding")
            told = [(key, value) for key, value in reply.headers if key not in framing]
            assert seen.setdefault((name, accept), told) == told
            again = browser.get(f"/{name}", f"If-None-Match: {reply.get('ETag')}", *fields)
            assert (again.status, again.get("ETag")) == (304, reply.get("ETag"))
            browser.request("HEAD", f"/{name}", *fields)
            assert browser.read_reply("HEAD").get("ETag") == reply.get("ETag")
        time.sleep(0.05)


def test_a_long_file_that_was_coded_is_kept(
    site: LiveServer, module_path: Path, request: pytest.FixtureRequest
) -> None:
    if not keeps_files(request):
        pytest.skip("the pure build keeps no files")
    made_at = (module_path / "files" / "mid.log").stat().st_ctime
    wait_until(lambda: time.time() - made_at > 2.1, what="its time is no longer too fresh")
    with site.connect() as wire:
        wait_until(lambda: wire.get("/mid.log", "Accept-Encoding: deflate").get("Content-Length"), 5)
        assert body_of(wire.get("/mid.log", "Accept-Encoding: deflate")) == LOG[:500_000]


def test_others_are_served_while_a_long_file_is_coded(site: LiveServer) -> None:
    with site.connect() as slow, site.connect() as quick:
        for _ in range(3):
            slow.request("GET", "/big.log", "Accept-Encoding: br")
        began = time.monotonic()
        for _ in range(10):
            quick.get("/s.css")
        assert time.monotonic() - began < 1
        for _ in range(3):
            assert body_of(slow.read_reply()) == LOG


def test_who_goes_away_from_a_long_file_leaves_nothing_open(site: LiveServer) -> None:
    def open_files() -> int:
        folder = Path(f"/proc/{site.process.pid}/fd")
        return sum(1 for entry in folder.iterdir() if "big.log" in str(entry.resolve()))

    for _ in range(10):
        wire = site.connect()
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.request("GET", "/big.log", "Accept-Encoding: deflate;q=0.1")
        wire.read_head()
        wire.reset()
    wait_until(lambda: open_files() == 0, 10)
