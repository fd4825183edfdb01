"""README's samples of Saddle, as files of ``examples/saddle``, through the running server."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.live.program import REPO, LiveServer, Serve
from tests.waiting import wait_until

EXAMPLES = REPO / "examples" / "saddle"
NAMES = ("chained", "parameters", "request", "responses", "rpc", "urls")

ROWS = "1,one\n2,two\n"
LINES = "1,one\r\n2,two\r\n"

#: README's list of what a function may return: the body, and what was closed behind it.
TYPES: list[tuple[str, str, list[str | int]]] = [
    ("string", ROWS, []),
    ("bytes", ROWS, []),
    ("unicode", "하나\n", []),
    *((name, ROWS, [name]) for name in ("file-like", "generator", "next", "_next", "__next__", "more")),
    ("simple_producer", ROWS, []),
    ("iter_producer", ROWS, ["iter_producer"]),
    ("list_producer", ROWS, []),
    ("lines_producer", LINES, []),
    *((f"{name}_producer", ROWS, [f"{name}_producer"]) for name in ("file", "composite", "globbing")),
    ("hooked_producer", ROWS, [len(ROWS), "hooked_producer"]),
    ("list", f"# rows\n#\n{ROWS * 4}", [f"list {number}" for number in range(1, 5)]),
    ("tuple", f"{ROWS}#\n", ["tuple 1"]),
]


@pytest.fixture(scope="module")
def server(serve_conf_module: Serve) -> LiveServer:
    routes = [f"/{name} = {EXAMPLES}/{name}:app" for name in NAMES]
    routes.append(f"/larger = {EXAMPLES}/larger/app:app")
    return serve_conf_module("[routes:line]\n" + "\n".join(routes) + "\n")


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


def test_access_request(server: LiveServer, session: requests.Session) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Samples/1.0"}
    told = session.post(f"{server.url}/request/show?a=%20b", data="c=d", headers=form).json()
    headers = dict(line.split(": ", 1) for line in told.pop("headers"))
    assert {name: headers[name] for name in form} == form
    assert headers["Host"] == server.url.removeprefix("http://")
    assert told == {
        "header": "application/x-www-form-urlencoded",
        "command": "post",
        "version": "1.1",
        "uri": "/request/show?a=%20b",
        "body": "c=d",
        "remote_addr": "127.0.0.1",
        "user_agent": "Samples/1.0",
    }
    with server.connect() as wire:
        wire.send(b"GET /request/show HTTP/1.0\r\n\r\n")
        assert '"command":"get","version":"1.0"' in wire.read_reply().text


def test_handle_response(server: LiveServer, session: requests.Session) -> None:
    def get(path: str) -> requests.Response:
        return session.get(f"{server.url}/responses/{path}")

    reply = get("hello")
    assert (reply.status_code, reply.reason, reply.text) == (200, "OK", "Hello")
    assert reply.headers["Content-Type"] == "text/plain"
    reply = get("error")
    assert (reply.status_code, reply.reason) == (500, "Server Error")
    assert "It's not my fault" in reply.text
    reply = get("video")
    assert reply.headers["Content-Type"] == "video/mp4"
    assert reply.content == (EXAMPLES / "responses.py").read_bytes()
    reply = get("csv")
    assert (reply.headers["Content-Type"], reply.text) == ("text/csv", ROWS)
    assert get("closed").json() == {"closed": ["generator"]}


@pytest.mark.parametrize(("name", "body", "closed"), TYPES)
def test_available_return_types(
    server: LiveServer, session: requests.Session, name: str, body: str, closed: list[str | int]
) -> None:
    reply = session.get(f"{server.url}/responses/types/{name}")
    reply.encoding = "utf-8"
    assert (reply.status_code, reply.text) == (200, body)
    assert session.get(f"{server.url}/responses/closed").json() == {"closed": closed}


def test_close_is_called_when_the_client_leaves(server: LiveServer, session: requests.Session) -> None:
    with server.connect() as wire:
        wire.request("GET", "/responses/endless")
        assert wire.read_head().status == 200
        wire.reset()
    closed: list[str] = []

    def is_closed() -> bool:
        closed.extend(session.get(f"{server.url}/responses/closed").json()["closed"])
        return bool(closed)

    wait_until(is_closed, 5)
    assert closed == ["endless"]


@pytest.mark.parametrize("debug", [True, False])
def test_templates_and_debug(serve_conf: Serve, session: requests.Session, debug: bool) -> None:
    conf = f"[routes:line]\n/pages = {EXAMPLES}/pages/app:app\n"
    server = serve_conf(conf, env={"DEBUG": "1"} if debug else {})
    where = " at /pages?name=%3Cb%3E" if debug else ""
    assert session.get(f"{server.url}/pages?name=%3Cb%3E").text == f"<h1>Hello, &lt;b&gt;{where}</h1>"
    reply = session.get(f"{server.url}/pages/fail", headers={"Accept": "text/html"})
    assert reply.status_code == 500
    assert ("KeyError: &#x27;&lt;fail&gt;&#x27;" in reply.text) is debug
    assert "<fail>" not in reply.text
    server.wait_for_text("KeyError: '<fail>'")


def test_xmlrpc(server: LiveServer) -> None:
    run = subprocess.run(
        [sys.executable, EXAMPLES / "rpcclient.py", f"{server.url}/rpc"],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert run.stdout == "15000\n", run.stderr


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
