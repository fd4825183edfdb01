"""Clients of rooms that come back, and the script that does so in browsers."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import requests
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.live.program import LiveServer, Serve
from tests.live.test_master import has_workers
from tests.live.test_static_clients import shown_in
from tests.waiting import wait_until

ROOM = "/room?id=1&history=100"
PROCESSES = [1] if sys.platform == "win32" else [1, 2]

Dial = Callable[..., ClientConnection]


@pytest.fixture(params=PROCESSES, ids=[f"processes={count}" for count in PROCESSES])
def server(serve: Serve, request: pytest.FixtureRequest) -> LiveServer:
    server = serve("tests.live.apps.rooms:app", "--processes", str(request.param))
    if request.param > 1:
        has_workers(server, request.param)
    return server


@pytest.fixture
def dial(server: LiveServer) -> Iterator[Dial]:
    def dial(last: str = "") -> ClientConnection:
        url = f"ws://{server.host}:{server.port}{ROOM}{last and '&skitai-last=' + last}"
        protocols = [Subprotocol("skitai.room")]
        return stack.enter_context(connect(url, subprotocols=protocols, open_timeout=10, close_timeout=2))

    with ExitStack() as stack:
        yield dial


def publish(server: LiveServer, message: str, times: int = 1) -> None:
    asked = {"room": "/room?1", "m": message, "times": str(times)}
    assert requests.get(f"{server.url}/publish", asked, timeout=30).status_code == 200


def speech(client: ClientConnection) -> dict[str, Any]:
    said = str(client.recv(10))
    assert said.startswith("!"), said
    found = json.loads(said[1:])
    assert isinstance(found, dict)
    return found


def test_who_comes_back_gets_what_it_has_missed(server: LiveServer, dial: Dial) -> None:
    first = dial()
    assert first.subprotocol == "skitai.room"
    began = speech(first)
    assert began == {"state": "new", "epoch": began["epoch"], "number": 0}
    first.send("hi")
    assert first.recv(10) == "1:hi"
    first.close()
    # Nobody is there: it is kept all the same.
    publish(server, "missed N", times=5)
    again = dial(f"{began['epoch']}-1")
    assert speech(again) == {"state": "resumed", "epoch": began["epoch"], "number": 6}
    assert [again.recv(10) for _ in range(5)] == [f"{2 + n}:missed {n}" for n in range(5)]
    again.send("who")
    assert str(again.recv(10)).startswith(":["), "what is for one alone has no number"
    again.send("live")
    assert again.recv(10) == "7:live"


def test_who_has_missed_too_much_is_told_so(server: LiveServer, dial: Dial) -> None:
    first = dial()
    epoch = speech(first)["epoch"]
    publish(server, "N", times=150)
    assert [first.recv(10) for _ in range(150)] == [f"{1 + n}:{n}" for n in range(150)]
    assert speech(dial(f"{epoch}-49")) == {"state": "lost", "epoch": epoch, "number": 150}
    assert speech(dial("0123abcd-150")) == {"state": "lost", "epoch": epoch, "number": 150}
    assert speech(dial(f"{epoch}-50"))["state"] == "resumed"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")
def test_a_reload_loses_nothing(serve: Serve) -> None:
    server = serve("tests.live.apps.rooms:app", "--processes", "2")
    has_workers(server, 2)
    url = f"ws://{server.host}:{server.port}{ROOM}"
    protocols = [Subprotocol("skitai.room")]
    with connect(url, subprotocols=protocols) as client:
        epoch = speech(client)["epoch"]
        client.send("before")
        assert client.recv(10) == "1:before"
        server.send_signal(signal.SIGHUP)
        server.wait_for_text("reloaded; processes 2")
    publish(server, "meanwhile")
    with connect(f"{url}&skitai-last={epoch}-1", subprotocols=protocols) as client:
        assert speech(client)["state"] == "resumed"
        assert client.recv(10) == "2:meanwhile"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")
def test_a_browser_by_the_script(serve: Serve, tmp_path: Path, require_program: Callable[[str], str]) -> None:
    server = serve("tests.live.apps.rooms:app", "--processes", "2")
    has_workers(server, 2)

    def told() -> list[str]:
        return [unquote(path) for path in re.findall(r"GET /told/(\S+)", server.console_text())]

    def hears(*what: str) -> None:
        wait_until(lambda: set(what) <= set(told()), 30, str(what))

    url = f"ws://{server.host}:{server.port}{ROOM}"
    with shown_in(require_program("chromium"), f"{server.url}/page", tmp_path / "profile"):
        hears("open undefined")
        publish(server, "answer")
        hears("1 answer", "2 hello from the page")
        with connect(url) as client:
            client.send(b"\x01\x02")
            hears("3 1,2")
        server.send_signal(signal.SIGHUP)
        server.wait_for_text("reloaded; processes 2")
        hears("closed undefined")
        publish(server, "meanwhile")
        hears("4 meanwhile")
        publish(server, "close")
        hears("5 close", "ended undefined")
    assert not [what for what in told() if what.startswith("lost")]


def test_the_script_is_asked_for_once(server: LiveServer) -> None:
    got = requests.get(f"{server.url}/room.js", timeout=10)
    assert got.headers["Content-Type"].startswith("text/javascript")
    assert "class SkitaiRoom" in got.text
    again = requests.get(f"{server.url}/room.js", headers={"If-None-Match": got.headers["ETag"]}, timeout=10)
    assert (again.status_code, again.content) == (304, b"")
