"""README's samples of Saddle, as files of ``examples/saddle``, through the running server."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import requests

from tests.live.program import REPO, LiveServer, Serve
from tests.waiting import wait_until

EXAMPLES = REPO / "examples" / "saddle"


@pytest.fixture
def server(serve_conf: Serve) -> LiveServer:
    routes = [f"/{name} = {EXAMPLES}/{name}:app" for name in ("parameters", "urls", "chained")]
    routes.append(f"/larger = {EXAMPLES}/larger/app:app")
    return serve_conf("[routes:line]\n" + "\n".join(routes) + "\n")


@pytest.fixture
def ask(server: LiveServer, session: requests.Session):
    def ask(path: str, status: int = 200, **headers: str) -> str:
        reply = session.get(server.url + path, headers=headers)
        assert reply.status_code == status, reply.text
        return reply.text

    return ask


def test_parameters(ask) -> None:
    assert ask("/parameters/hello") == "8"
    assert ask("/parameters/hello?num=100") == "100"
    assert ask("/parameters/hello/100") == "100"
    assert ask("/parameters/download/1/version/1.1/win32") == "1 version/1.1/win32"
    assert ask("/parameters/environ") == "no content type"


def test_urls(ask) -> None:
    assert ask("/urls").split("\n") == [
        "/urls/add?num1=10&num2=40",
        "/urls/add?num1=10&num2=40",
        "/urls/add?num1=10&num2=60",
        "/urls/hello/Your_Name",
    ]
    assert ask("/urls/add?num1=10&num2=60") == "70"
    assert ask("/urls/hello/Your_Name") == "Hello, Your Name"


def test_chained_execution(ask) -> None:
    assert ask("/chained/view-account?userid=jerry") == "Not Authorized"
    assert ask("/chained/view-account?userid=jerry", **{"X-Login": "1"}) == "account of jerry"
    ask("/chained/view-account?userid=tom", 500, **{"X-Login": "1"})
    assert ask("/chained/steps", **{"X-Login": "1"}).split(", ") == [
        "closed",
        *("ok jerry", "after jerry active", "end jerry", "closed"),
        *("except jerry", "failed jerry active", "end jerry", "closed"),
    ]


def test_the_larger_application(ask) -> None:
    assert ask("/larger?num1=1&num2=2") == "/larger/hello/Hans_Roh"
    assert ask("/larger/hello/Hans_Roh") == "/larger?num1=1&num2=2"
    assert "&#x27;num2&#x27;" in ask("/larger?num1=1", 400, Accept="text/html")


def test_startup_onreload_and_shutdown(tmp_path: Path, serve_conf: Serve, session: requests.Session) -> None:
    source = Path(shutil.copy(EXAMPLES / "life.py", tmp_path))
    server = serve_conf(f"[routes:line]\n/ = {tmp_path}/life:app\n")
    assert session.get(server.url).text == "0 resets"
    source.write_text(source.read_text().replace('%d resets" % was', '%d resets by now" % was'))
    wait_until(lambda: session.get(server.url).text == "1 resets by now", 5)
    assert server.stop() == 0
    assert "myobject is closed after 1 resets" in server.console_text()
