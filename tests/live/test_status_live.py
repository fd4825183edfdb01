"""was.status() in a running server: every part that is there has its section."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.upstreams import ManyServers

APP = """
from skitai.saddle import Saddle

app = Saddle(__name__)


@app.route("/ask")
def ask(was, url):
    return was.get(url).getwait(5).data


@app.route("/status")
def status(was):
    return was.status()


@app.route("/section")
def section(was, name=None):
    return was.tojson(was.status(name, fancy=False))
"""


@pytest.fixture(params=["compiled", "pure"])
def server(
    serve_conf: Serve,
    tmp_path: Path,
    many_servers: Callable[[int], ManyServers],
    request: pytest.FixtureRequest,
) -> tuple[LiveServer, ManyServers]:
    (tmp_path / "status_app.py").write_text(APP)
    two = many_servers(2)
    members = ", ".join(f"127.0.0.1:{port}" for port in two.ports)
    started = serve_conf(
        f"[server]\nthreads = 3\nmaster = no\n[@search]\nmembers = {members}\n"
        f"[routes:line]\n/ = {tmp_path}/status_app:app\n",
        env={"SKITAI_PURE": "1"} if request.param == "pure" else {},
    )
    return started, two


def test_sections_of_a_server(server: tuple[LiveServer, ManyServers]) -> None:
    started, two = server
    with started.connect() as wire:
        assert wire.get(f"/ask?url=http://127.0.0.1:{two.ports[0]}/").text == "0"
        assert wire.get("/ask?url=@search/").text in ("0", "1")
        sections = json.loads(wire.get("/section").text)
        assert {"CALLS", "CLUSTER:search", "PROCESS", "RCACHE", "SERVER", "WEBSOCKETS"} <= sections.keys()
        assert sections["PROCESS"]["process"] == started.process.pid
        assert sections["SERVER"]["threads"] == 3
        assert sections["SERVER"]["requests"] >= 2
        assert sections["CALLS"]["origins"][f"127.0.0.1:{two.ports[0]}"]["idle"] == 1
        assert len(sections["CLUSTER:search"]["members"]) == 2
        assert json.loads(wire.get("/section?name=SERVER").text).keys() == {"SERVER"}


def test_the_page_of_a_server(server: tuple[LiveServer, ManyServers]) -> None:
    started, two = server
    with started.connect() as wire:
        wire.get("/ask?url=@search/")
        reply = wire.get("/status")
    assert reply.get("Content-Type") == "text/html; charset=utf-8"
    assert '<a href="#CLUSTER:search">CLUSTER:search</a>' in reply.text
    assert all(str(port) in reply.text for port in two.ports)
