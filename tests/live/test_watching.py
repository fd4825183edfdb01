"""Metrics, `skitai top` and the dashboard of a running instance: what they say is so, and comes in time."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from skitai._kernels import implementation
from tests.live.program import PACKAGE_HOME, LiveServer, Serve
from tests.live.test_admin import skitai
from tests.live.test_starting import unix_connect
from tests.live.test_static_clients import shown_in
from tests.live.wire import Wire
from tests.master.prometheus import Metric, parse
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")

CONF = """[server]
threads = 2
admin = 127.0.0.1:{port}
response_timeout = 60
[routes:line]
/ = tests.live.apps.blocking:app
/files = {folder}
"""
#: As what a client sends, which is shown to operators.
EVIL = "/sleep?9&<img/src=x/onerror=alert(1)>"


class Watched:
    def __init__(self, server: LiveServer, home: Path, port: int) -> None:
        self.server = server
        self.home = home
        self.port = port

    def get(self, path: str, **fields: str) -> Any:
        with Wire(socket.create_connection(("127.0.0.1", self.port), timeout=5)) as wire:
            return wire.get(path, headers=list(fields.items())) if fields else wire.get(path)

    def metrics(self) -> dict[str, Metric]:
        return parse(self.get("/metrics").text)

    def live(self) -> Any:
        with unix_connect(self.home / "run" / "test.control") as wire:
            return json.loads(wire.get("/live").text)

    def responses(self, mount: str, status: str) -> float:
        host = "default" if mount else ""
        return self.metrics()["skitai_responses_total"].value(host=host, mount=mount, status=status)

    def token(self) -> str:
        said = skitai(self.home, "dashboard")
        assert said.returncode == 0, said.stderr
        address, _, token = said.stdout.strip().partition("#")
        assert address == f"http://127.0.0.1:{self.port}/dashboard"
        return token

    def feed(self) -> ClientConnection:
        """After a login, as the page does it."""
        origin = f"http://127.0.0.1:{self.port}"
        with Wire(socket.create_connection(("127.0.0.1", self.port), timeout=5)) as wire:
            wire.send(
                f"POST /dashboard/login HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nOrigin: {origin}\r\n"
                f"Authorization: Bearer {self.token()}\r\n\r\n".encode()
            )
            cookie = str(wire.read_reply().get("Set-Cookie")).partition(";")[0]
        url = f"ws://127.0.0.1:{self.port}/dashboard/feed"
        return connect(url, origin=origin, additional_headers={"Cookie": cookie})  # type: ignore[arg-type]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def file_in(place: Path) -> Path:
    folder = place / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("a" * 100)
    return folder


@pytest.fixture
def watched(serve_conf: Serve, tmp_path: Path) -> Watched:
    folder = file_in(tmp_path)
    port = free_port()
    made = Watched(serve_conf(CONF.format(port=port, folder=folder)), tmp_path / "home", port)
    wait_until(lambda: made.metrics()["skitai_workers"].value(phase="serving") == 1, 10)
    return made


@pytest.fixture
def blocked(watched: Watched) -> Iterator[Watched]:
    """Every thread that may be inside applications is, outside the GIL."""
    wires = [watched.server.connect() for _ in range(6)]
    for wire in wires:
        wire.send(f"GET {EVIL} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    wait_until(lambda: len(watched.live()["handlers"]) >= 2, 10)
    yield watched
    for wire in wires:
        wire.close()


def quickest(ask: Callable[[], object]) -> float:
    """Seconds: the machine of the tests has other things to do."""
    times = []
    for _ in range(8):
        began = time.monotonic()
        ask()
        times.append(time.monotonic() - began)
    return min(times)


def test_all_requests_are_counted_and_stay_so_when_a_worker_is_killed(watched: Watched) -> None:
    for path, times in (("/", 3), ("/files/a.txt", 4), ("/files/none", 2), ("/ping", 1)):
        for _ in range(times):
            with watched.server.connect() as wire:
                wire.get(path)
    wait_until(lambda: watched.metrics()["skitai_requests_total"].value() == 10, 5)

    def seen() -> list[float]:
        return [
            watched.responses("/", "2xx"),
            watched.responses("/files", "2xx"),
            watched.responses("", "2xx"),
            watched.metrics()["skitai_app_seconds"].value("_count"),
            watched.metrics()["skitai_delivery_seconds"].value("_count"),
        ]

    # What is in no folder is asked of the application.
    before: list[float] = [5, 4, 1, 5, 5]
    wait_until(lambda: seen() == before)
    victim = watched.live()["workers"][0]["pid"]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: watched.metrics()["skitai_restarts_total"].value() == 1, 10)
    assert seen() == before, "nothing is lost"
    wait_until(lambda: watched.metrics()["skitai_workers"].value(phase="serving") == 1, 10)
    assert victim not in {worker["pid"] for worker in watched.live()["workers"]}


def test_all_answer_in_time_while_every_thread_is_blocked(blocked: Watched) -> None:
    live = blocked.live()
    assert {worker["answers"] for worker in live["workers"]} == {True}
    handler = live["handlers"][0]
    assert handler["request"].startswith("GET /sleep?9&<img")
    assert "blocking.py" in handler["stack"][0]
    if sys.platform == "linux" and os.uname().machine in ("x86_64", "aarch64"):
        assert handler["waits"] == "time to pass"
    assert quickest(blocked.metrics) < 0.05
    assert quickest(blocked.live) < 0.05

    def look() -> None:
        with blocked.feed() as feed:
            began = time.monotonic()
            assert json.loads(feed.recv(5))["name"] == "test"
            waits.append(time.monotonic() - began)

    waits: list[float] = []
    for _ in range(3):
        look()
    assert min(waits) < 0.05
    shown = skitai(blocked.home, "top", "--once", "--interval", "0.2")
    assert shown.returncode == 0, shown.stderr
    assert "blocking.py" in shown.stdout
    assert re.search(r"default /$", shown.stdout, re.MULTILINE) is None  # nobody was answered there
    assert len(re.findall(r"^ +\d+ serving", shown.stdout, re.MULTILINE)) == 1


def test_top_in_a_terminal(blocked: Watched, tmp_path: Path, require_program: Callable[[str], str]) -> None:
    tmux = [require_program("tmux"), "-S", str(tmp_path / "tmux"), "-f", "/dev/null"]
    command = f"{sys.executable} -m skitai top --interval 0.2 --home {blocked.home}"
    environ = {**os.environ, "PYTHONPATH": str(PACKAGE_HOME), "TERM": "xterm-256color"}

    def run(*args: str) -> str:
        return subprocess.run(
            [*tmux, *args], env=environ, check=True, capture_output=True, text=True, timeout=10
        ).stdout

    # Of a pane that has ended tmux does not always know how.
    run("new-session", "-d", "-x", "120", "-y", "30", f"{command}; echo ended with $?; read answer")
    try:
        wait_until(lambda: "RUNNING" in run("capture-pane", "-p"), 20)
        assert "/sleep?9" in run("capture-pane", "-p")
        for size in (("-x", "40", "-y", "5"), ("-x", "150", "-y", "40")):
            run("resize-window", *size)
            lines = int(size[3])
            wait_until(lambda: len(run("capture-pane", "-p").splitlines()) == lines, 20)  # noqa: B023
            wait_until(lambda: "skitai" in run("capture-pane", "-p"), 20)
        wait_until(lambda: "LAG" in run("capture-pane", "-p"), 20)
        run("send-keys", "q")
        wait_until(lambda: "ended with" in run("capture-pane", "-p"), 20)
        assert "ended with 0" in run("capture-pane", "-p")
    finally:
        run("kill-server")


@pytest.mark.skipif(implementation() != "compiled", reason="the pure build has no monitor")
def test_while_c_code_holds_the_gil_what_the_monitor_serves_is_counted_and_the_rest_is_told_as_it_was(
    serve_conf: Serve, tmp_path: Path
) -> None:
    folder = file_in(tmp_path)
    port = free_port()
    text = CONF.format(port=port, folder=folder).replace("blocking:app", "holding:app")
    watched = Watched(serve_conf(text), tmp_path / "home", port)
    wait_until(lambda: [worker["answers"] for worker in watched.live()["workers"]] == [True], 10)
    made_at = (folder / "a.txt").stat().st_ctime
    wait_until(lambda: time.time() - made_at > 2.1, 5)  # what may still change unseen is not kept
    with watched.server.connect() as holding, watched.server.connect() as wire:
        holding.send(b"GET /hold?4 HTTP/1.1\r\nHost: a\r\n\r\n")
        watched.server.wait_for_text("holding")
        for path in ("/files/a.txt", "/files/a.txt"):
            assert wire.get(path).status == 200
        wait_until(lambda: watched.responses("/files", "2xx") == 2, 2)
        assert quickest(watched.live) < 0.05
        wait_until(lambda: not watched.live()["workers"][0]["answers"], 4)
        assert watched.live()["workers"][0]["threads"] == 2
        assert watched.responses("/", "2xx") == 0
        assert holding.read_reply().status == 200
    wait_until(lambda: watched.responses("/", "2xx") == 1, 5)
    assert watched.responses("/files", "2xx") == 2
    assert watched.metrics()["skitai_requests_total"].value() == 3


class Page:
    """Of a Chromium, by its own protocol."""

    def __init__(self, profile: Path, closing: ExitStack) -> None:
        port = profile / "DevToolsActivePort"
        wait_until(lambda: port.exists() and len(port.read_text().splitlines()) == 2, 30)
        number = port.read_text().splitlines()[0]
        with Wire(socket.create_connection(("127.0.0.1", int(number)), timeout=10)) as wire:
            wire.send(f"GET /json HTTP/1.1\r\nHost: 127.0.0.1:{number}\r\n\r\n".encode())
            pages = json.loads(wire.read_reply().text)
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        self.wire = closing.enter_context(connect(address, max_size=None))
        self._last = 0

    def call(self, method: str, **params: Any) -> Any:
        self._last += 1
        self.wire.send(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            told = json.loads(self.wire.recv(20))
            if told.get("id") == self._last:
                return told.get("result", {})  # none of a page that is being left

    def value(self, expression: str) -> Any:
        return (
            self.call("Runtime.evaluate", expression=expression, returnByValue=True)
            .get("result", {})
            .get("value")
        )


def test_the_dashboard_in_a_browser(
    blocked: Watched, tmp_path: Path, require_program: Callable[[str], str]
) -> None:
    url = f"http://127.0.0.1:{blocked.port}/dashboard#{blocked.token()}"
    with shown_in(require_program("chromium"), url, tmp_path / "profile"), ExitStack() as closing:
        page = Page(tmp_path / "profile", closing)
        details = "document.querySelectorAll('#handlers details').length"
        wait_until(lambda: (page.value(details) or 0) >= 2, 30)
        assert page.value("location.href") == f"http://127.0.0.1:{blocked.port}/dashboard"
        assert page.value("document.cookie") == ""
        shown = page.value("document.getElementById('handlers').textContent")
        assert "<img/src=x/onerror=alert(1)>" in shown
        assert "blocking.py" in shown
        assert page.value("document.querySelectorAll('main img').length") == 0
        assert page.value("document.querySelectorAll('#workers tr').length") == 3
        assert page.value("document.getElementById('state').textContent") == "ready"
        with blocked.server.connect() as wire:
            wire.get("/files/a.txt")
        wait_until(lambda: "/files" in page.value("document.getElementById('mounts').textContent"), 10)
        drawn = "document.getElementById('requests').toDataURL().length"
        before = page.value(drawn)
        wait_until(lambda: page.value(drawn) != before, 10)
        # What somebody brings into the page does not run: the policy forbids it.
        page.value("var brought = document.createElement('script')")
        page.value("brought.textContent = 'window.ran = 1'; document.body.append(brought)")
        assert page.value("window.ran") is None
        picture = base64.b64decode(page.call("Page.captureScreenshot", format="png")["data"])
        assert len(picture) > 10_000
        page.value("document.getElementById('logout').click()")
        wait_until(lambda: page.value("!!document.getElementById('secret')"), 10)
