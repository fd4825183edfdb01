"""Saddle's forms, streams and XML-RPC through the running server, by clients that others wrote."""

from __future__ import annotations

import hashlib
import html
import json
import re
import subprocess
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.live.memory import MIB, resident
from tests.live.program import REPO, LiveServer, Serve
from tests.live.test_readme_samples import CHROMIUM
from tests.saddle.multipartbody import CONTENT_TYPE, body, file
from tests.waiting import wait_until

APP = "tests.live.apps.saddleforms:app"
SOURCE = REPO / "tests" / "live" / "apps" / "saddleforms.py"
BIG = bytes(range(256)) * (16 << 10)  # 4 MiB


@pytest.fixture(scope="module", params=["1", "0"], ids=["threads=1", "threads=0"])
def server(request: pytest.FixtureRequest, serve_module: Serve, module_path: Path) -> Iterator[LiveServer]:
    spool = module_path / f"spool{request.param}"
    spool.mkdir()
    server = serve_module(APP, "--threads", request.param, env={"SKITAI_SPOOL_DIR": str(spool)})
    server.spool = spool
    yield server
    wait_until(lambda: not list(spool.iterdir()), 5.0, "an empty spool")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# -- forms -------------------------------------------------------------------------------------


def test_requests_sends_a_form(server: LiveServer, session: requests.Session) -> None:
    form = {"userid": "Röh", "tag": ["a", "b"], "empty": ""}
    assert session.post(f"{server.url}/upload", data=form).json() == form


def test_requests_uploads(server: LiveServer, session: requests.Session) -> None:
    files = [("file", ("größe.bin", BIG, "image/png")), ("file", ("b", b"", "text/plain"))]
    told = session.post(f"{server.url}/upload", data={"name": "Röh"}, files=files).json()
    assert told.pop("name") == "Röh"
    big, small = told["file"]
    assert big == {
        "name": "größe.bin",
        "size": len(BIG),
        "mimetype": "image/png",
        "folder": str(server.spool),
        "sha256": sha256(BIG),
    }
    assert (small["name"], small["size"]) == ("b", 0)
    told = session.post(f"{server.url}/upload", files={"alone": b"small"}).json()
    assert told["alone"]["folder"] == str(server.spool)


def test_curl_uploads(server: LiveServer, tmp_path: Path, require_program: Callable[[str], str]) -> None:
    (tmp_path / "a b.txt").write_bytes(BIG)
    run = subprocess.run(
        [
            *(require_program("curl"), "-sS", "--noproxy", "*", f"{server.url}/save"),
            *("-F", f"into={tmp_path}/deep/er", "-F", f"file=@{tmp_path}/a b.txt;filename=../../../x.txt"),
        ],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert run.stdout == f"{tmp_path}/deep/er/x.txt", run.stderr
    assert (tmp_path / "deep" / "er" / "x.txt").read_bytes() == BIG


@pytest.mark.parametrize(
    ("kind", "file"),
    [("multi", {"name": '한글 "a".txt', "size": 6, "mimetype": "text/x-test"}), ("url", '한글 "a".txt')],
)
def test_a_browser_sends_a_form_in_the_charset_of_its_page(
    server: LiveServer, tmp_path: Path, require_program: Callable[[str], str], kind: str, file: object
) -> None:
    run = subprocess.run(
        [
            *(require_program("chromium"), *CHROMIUM, f"--user-data-dir={tmp_path}/profile"),
            *("--virtual-time-budget=10000", "--dump-dom", f"{server.url}/page/{kind}"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    shown = re.search("<pre>({.*})</pre>", run.stdout)
    assert shown, run.stdout + run.stderr
    told = json.loads(html.unescape(shown[1]))
    assert (told["_charset_"], told["이름"], told["none"]) == ("EUC-KR", "홍길동 & 100%", "")
    if isinstance(file, dict):
        assert {name: told["file"][name] for name in file} == file
    else:
        assert told["file"] == file


def test_an_upload_takes_no_memory(server: LiveServer, session: requests.Session) -> None:
    session.post(f"{server.url}/upload", files={"a": b"warm"})
    before = resident(server)
    files = [("file", (str(number), BIG, "text/plain")) for number in range(12)]
    assert len(session.post(f"{server.url}/upload", files=files).json()["file"]) == 12
    assert resident(server) - before < 8 * MIB


@pytest.mark.parametrize("encoding", ["sized", "chunked"])
def test_a_file_that_is_too_long_leaves_the_connection(server: LiveServer, encoding: str) -> None:
    data = body(file("file", "a", b"x" * (9 << 20)))
    with server.connect() as wire:
        for _ in range(2):
            if encoding == "sized":
                reply = wire.post("/upload", data, f"Content-Type: {CONTENT_TYPE}")
            else:
                wire.request("POST", "/upload", f"Content-Type: {CONTENT_TYPE}", "Transfer-Encoding: chunked")
                wire.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
                reply = wire.read_reply()
            assert (reply.status, "upload_file_max allows" in reply.text) == (413, True)
        assert wire.get("/closed").status == 200


def test_a_form_that_is_too_long_is_refused_before_it_comes(server: LiveServer) -> None:
    with server.connect() as wire:
        wire.request("POST", "/upload", f"Content-Type: {CONTENT_TYPE}", f"Content-Length: {101 << 20}")
        reply = wire.read_reply()
        assert (reply.status, "upload_max allows" in reply.text) == (413, True)


def test_a_client_that_leaves_in_the_middle_of_an_upload(server: LiveServer) -> None:
    with server.connect() as wire:
        wire.request("POST", "/upload", f"Content-Type: {CONTENT_TYPE}", "Content-Length: 2000000")
        wire.send(body(file("file", "a", b"x" * 1_000_000))[:-50])
        wire.reset()
    wait_until(lambda: not list(server.spool.iterdir()), 5.0, "an empty spool")


# -- streams -----------------------------------------------------------------------------------


def test_parts_come_in_order(server: LiveServer, session: requests.Session) -> None:
    assert session.get(f"{server.url}/mixed").content == b"# rows\n0\n1\n2\n" + SOURCE.read_bytes()
    reply = session.get(f"{server.url}/file")
    assert reply.content == SOURCE.read_bytes()
    assert reply.headers["Content-Type"] == "video/mp4"
    assert reply.headers["Content-Length"] == str(len(reply.content))


def test_slow_clients_hold_neither_threads_nor_memory(server: LiveServer) -> None:
    def closed() -> list[str]:
        with server.connect() as other:
            closed: list[str] = json.loads(other.get("/closed").body)["closed"]
            return closed

    before = resident(server)
    wires = [server.connect() for _ in range(5)]
    for number, wire in enumerate(wires):
        wire.request("GET", f"/endless/{number}")
        assert wire.read_head().status == 200
    assert not set("01234") & set(closed())
    assert resident(server) - before < 32 * MIB  # write_queue_max (1 MiB), what comes on top, and malloc
    for wire in wires:
        wire.reset()
    wait_until(lambda: len(closed()) >= 10, 5.0, "all streams to be closed")
    assert sorted(closed()) == sorted(f"{n}{rest}" for n in range(5) for rest in ("", " 2"))


# -- XML-RPC -----------------------------------------------------------------------------------


def test_the_sample_of_the_readme(serve_conf: Serve, session: requests.Session) -> None:
    server = serve_conf(
        f"[routes:line]\n/rpc = {SOURCE.with_suffix('')}:app\n/ = {SOURCE.with_suffix('')}:app\n"
    )
    for address in ("/rpc", "/rpc/", "", "/", "/RPC2"):
        with xmlrpc.client.ServerProxy(server.url + address) as proxy:
            assert proxy.add(10000, 5000) == 15000, address
            calls = xmlrpc.client.MultiCall(proxy)
            calls.add(1, 2)
            calls.add("a", "b")
            assert list(calls()) == [3, "ab"]
            with pytest.raises(xmlrpc.client.Fault, match="There is no method"):
                proxy.subtract(1, 2)
    call = xmlrpc.client.dumps((1, 2), "add")
    reply = session.post(
        f"{server.url}/rpc", call, headers={"Content-Type": "text/xml"}, allow_redirects=False
    )
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    assert session.get(f"{server.url}/rpc/add?num1=1&num2=2").text == "12"
