"""The reverse proxy as it is installed: nginx, httpbin and our own server behind it, killed and frozen ones
too; clients that others wrote in front of it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import requests
from websockets.sync.client import connect

from tests.live.clustersite import Member
from tests.live.program import LiveServer, Serve
from tests.live.test_readme_samples import CHROMIUM
from tests.live.upstreams import Authority, Upstream

Nginx = Callable[..., Upstream]

CONF = "[@c]\nmembers = {members}\n{cluster}\n[routes:line]\n/c = @c\n"


def passing_on(serve_conf: Serve, *members: str, cluster: str = "", mount: str = "") -> LiveServer:
    text = CONF.format(members=", ".join(members), cluster=cluster)
    return serve_conf(text + (f"[mount /c]\n{mount}\n" if mount else ""))


def place(upstream: Upstream) -> str:
    return f"127.0.0.1:{upstream.port}"


def test_files_of_nginx(
    serve_conf: Serve, serve_nginx: Nginx, tmp_path: Path, session: requests.Session
) -> None:
    data = bytes(range(256)) * 40_000
    (tmp_path / "large.bin").write_bytes(data)
    server = passing_on(serve_conf, place(serve_nginx(tmp_path)))
    url = f"{server.url}/c/large.bin"
    whole = session.get(url)
    assert hashlib.sha256(whole.content).digest() == hashlib.sha256(data).digest()
    assert whole.headers["Server"].startswith("nginx")
    assert session.head(url).headers["Content-Length"] == str(len(data))
    assert session.get(url, headers={"Range": "bytes=5-9"}).content == data[5:10]
    assert session.get(url, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert session.get(f"{server.url}/c/missing").status_code == 404
    assert session.get(f"{server.url}/c/closes").text == "closes\n"
    assert session.get(f"{server.url}/c/hello").text == "hello\n"


def test_members_that_speak_tls(
    serve_conf: Serve, serve_nginx: Nginx, tmp_path: Path, authority: Authority, session: requests.Session
) -> None:
    nginx = serve_nginx(certificate=authority.certificate("127.0.0.1"))
    server = passing_on(
        serve_conf,
        place(nginx),
        cluster=f"ssl = yes\ncafile = {authority.cafile}",
        mount="preserve_host = no",
    )
    assert session.get(f"{server.url}/c/hello").text == "hello\n"
    strangers = passing_on(serve_conf, place(nginx), cluster="ssl = yes")
    assert session.get(f"{strangers.url}/c/hello").status_code == 502
    strangers.wait_for_text("answered 502: GET /c/hello: @c at 127.0.0.1:.*certificate")


def test_what_httpbin_sees(serve_conf: Serve, httpbin_url: str, session: requests.Session) -> None:
    server = passing_on(serve_conf, httpbin_url.removeprefix("http://"))
    url = f"{server.url}/c"
    seen = session.post(f"{url}/post?a=1", data=b"x" * 300_000).json()
    assert seen["args"] == {"a": "1"}
    assert len(seen["data"]) == 300_000
    assert seen["headers"]["Host"] == f"127.0.0.1:{server.port}"
    for verb in ("put", "patch", "delete"):
        assert session.request(verb, f"{url}/{verb}", data="text").json()["data"] == "text"
    assert session.post(f"{url}/post", data=iter([b"one", b"two"])).json()["data"] == "onetwo"
    assert session.get(f"{url}/gzip").json()["gzipped"] is True
    moved = session.get(f"{url}/redirect-to?url=http://a/", allow_redirects=False)
    assert (moved.status_code, moved.headers["Location"]) == (302, "http://a/")
    assert session.get(f"{url}/status/418").status_code == 418
    lines = session.get(f"{url}/stream/20").text.splitlines()
    assert len(lines) == 20


def test_our_own_server_behind_it(
    serve: Serve, serve_conf: Serve, tmp_path: Path, session: requests.Session
) -> None:
    path = tmp_path / "member.sock"
    serve("tests.live.apps.echo:app", "--bind", f"unix:{path}", "--trusted-proxies", "unix")
    server = passing_on(serve_conf, f"unix:{path}")
    told = session.post(f"{server.url}/c/a%20b?q", data=b"body").json()
    assert (told["path"], told["query"], told["length"]) == ("/a b", "q", 4)
    assert told["headers"]["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert told["host"] == f"127.0.0.1:{server.port}"


def test_websockets_of_the_library(serve: Serve, serve_conf: Serve) -> None:
    member = serve("tests.live.apps.sockets:app")
    server = passing_on(serve_conf, f"127.0.0.1:{member.port}")
    with connect(f"ws://127.0.0.1:{server.port}/c/echo") as websocket:
        for message in ("text", "ünï", "x" * 1_000_000):
            websocket.send(message)
            assert websocket.recv(timeout=10) == message
        assert websocket.ping().wait(10)


PAGE = """<!doctype html><title>echo</title><script>
const socket = new WebSocket(`ws://${location.host}/c/echo`);
let size = 1;
socket.onopen = () => socket.send("x");
socket.onmessage = (event) => {
  if (event.data !== "x".repeat(size)) fetch("/wrong");
  else if (size > 1000000) fetch("/right");
  else socket.send("x".repeat(size *= 10));
};
</script>"""


def test_websockets_of_chromium(
    serve: Serve, serve_conf: Serve, tmp_path: Path, require_program: Callable[[str], str]
) -> None:
    program = require_program("chromium")
    member = serve("tests.live.apps.sockets:app")
    (tmp_path / "page.html").write_text(PAGE)
    text = CONF.format(members=f"127.0.0.1:{member.port}", cluster="") + f"/ = {tmp_path}\n"
    server = serve_conf(text)
    browser = subprocess.Popen(
        [program, *CHROMIUM, f"--user-data-dir={tmp_path}/profile", f"{server.url}/page.html"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        server.wait_for_text(r"GET /right HTTP/1\.1 404 ", timeout=60)
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait(10)


def ask_for(url: str, seconds: float, threads: int = 4) -> list[tuple[int, float]]:
    """Status and time of each request; 0: the connection broke."""
    until = monotonic() + seconds

    def ask() -> list[tuple[int, float]]:
        answers = []
        with requests.Session() as session:
            session.trust_env = False
            while (began := monotonic()) < until:
                try:
                    status = session.get(url, timeout=10).status_code
                except requests.RequestException:
                    status = 0
                answers.append((status, monotonic() - began))
        return answers

    with ThreadPoolExecutor(threads) as pool:
        return [answer for future in [pool.submit(ask) for _ in range(threads)] for answer in future.result()]


def test_a_member_is_killed_in_mid_load(serve_conf: Serve) -> None:
    members = [Member() for _ in range(3)]
    try:
        server = passing_on(serve_conf, *(f"127.0.0.1:{member.port}" for member in members))
        timer = threading.Timer(0.7, members[1].kill)
        timer.start()
        answers = ask_for(f"{server.url}/c/", 2.5)
        timer.join()
        assert {status for status, _ in answers} == {200}
        assert max(elapsed for _, elapsed in answers) < 2.0
    finally:
        for member in members:
            member.close()


def test_a_member_is_frozen_in_mid_load(serve_conf: Serve) -> None:
    members = [Member() for _ in range(3)]
    try:
        server = passing_on(
            serve_conf,
            *(f"127.0.0.1:{member.port}" for member in members),
            cluster="per_try_timeout = 0.3\nconsecutive_gateway_failure = 2",
        )
        timer = threading.Timer(0.7, members[1].freeze)
        timer.start()
        answers = ask_for(f"{server.url}/c/", 3.0)
        timer.join()
        members[1].thaw()
        assert {status for status, _ in answers} == {200}
        assert max(elapsed for _, elapsed in answers) < 2.0
    finally:
        for member in members:
            member.close()
