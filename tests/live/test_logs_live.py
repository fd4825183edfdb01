"""What the server writes down, and what it tells the client when something fails."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.wire import Truncated
from tests.waiting import wait_until

#: reference sheet, section 1, "Logs": bytes with the head, then execution and delivery time.
LINE = re.compile(
    r"^\d{4}\.\d\d\.\d\d \d\d:\d\d:\d\d \[info\] 127\.0\.0\.1:(?P<port>\d+) "
    r"(?P<request>\S+ \S+ HTTP/1\.[01]) (?P<status>\d{3}) (?P<bytes>\d+) "
    r"(?P<execution>\d+)ms (?P<delivery>\d+)ms$",
    re.MULTILINE,
)


def access_line(server: LiveServer, request: str) -> re.Match[str]:
    """The access line of this request; it is on stdout of ``skitai run``."""
    found: list[re.Match[str]] = []

    def look() -> bool:
        lines = LINE.finditer(server.stdout_text())
        found[:] = [line for line in lines if line["request"].startswith(request)]
        return bool(found)

    wait_until(look, what=f"an access line for {request!r} in {server.stdout_text()!r}")
    return found[0]


def test_an_access_line_says_who_what_and_how_much(serve: Serve) -> None:
    server = serve("tests.live.apps.hello:app")
    with server.connect() as wire:
        wire.request("GET", "/path?a=%20b", "Connection: close")
        sent = wire.read_rest()
        port = wire.sock.getsockname()[1]
    line = access_line(server, "GET /path?a=%20b HTTP/1.1")
    assert int(line["port"]) == port
    assert line["status"] == "200"
    assert int(line["bytes"]) == len(sent)


def test_an_access_line_tells_execution_from_delivery(serve: Serve) -> None:
    server = serve("tests.live.apps.blocking:app")
    with server.connect() as wire:
        wire.get("/sleep?0.3")
    line = access_line(server, "GET /sleep?0.3")
    assert 290 <= int(line["execution"]) < 1300
    assert int(line["delivery"]) < 290


def test_each_request_has_one_line_in_order(serve: Serve) -> None:
    server = serve("tests.live.apps.hello:app")
    with server.connect() as wire:
        for number in range(20):
            wire.get(f"/{number}")
    access_line(server, "GET /19")
    asked = [line["request"].split()[1] for line in LINE.finditer(server.stdout_text())]
    assert asked == [f"/{number}" for number in range(20)]


def test_a_refused_request_is_logged_with_its_reason(serve: Serve) -> None:
    server = serve("tests.live.apps.hello:app")
    with server.connect() as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: x\r\n\r\n")
        assert wire.read_reply().status == 400
    server.wait_for_text(r"127\.0\.0\.1:\d+ .*400")


def test_an_access_log_can_be_left_out(serve: Serve) -> None:
    server = serve("tests.live.apps.hello:app", "--no-access-log")
    with server.connect() as wire:
        wire.get("/")
    assert server.stop() == 0
    assert server.stdout_text() == ""


def test_an_exception_is_logged_whole_and_shown_to_nobody(serve: Serve) -> None:
    server = serve("tests.live.apps.breakers:app")
    with server.connect() as wire:
        page = wire.get("/raise")
    server.wait_for_text(r"^\s*LookupError: before the head")
    said = server.stderr_text()
    assert "Traceback (most recent call last)" in said
    assert "breakers.py" in said
    assert "Traceback" not in page.text


def test_debug_shows_the_traceback_to_the_client(serve: Serve) -> None:
    server = serve("tests.live.apps.breakers:app", "--debug")
    with server.connect() as wire:
        assert "LookupError: before the head" in wire.get("/raise", "Accept: text/html").text
        wire.request("GET", "/raise/late")
        with pytest.raises(Truncated):
            wire.read_reply()


@pytest.mark.parametrize(
    ("accept", "type_"),
    [
        ("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/json", "application/json"),
        ("application/json;q=0.5, text/html", "text/html"),
        ("text/html;q=0.5, application/json", "application/json"),
    ],
)
def test_an_error_page_is_html_or_json_as_the_client_likes(serve: Serve, accept: str, type_: str) -> None:
    server = serve("tests.live.apps.breakers:app")
    with server.connect() as wire:
        page = wire.get("/raise", f"Accept: {accept}")
    assert page.status == 500
    assert (page.get("Content-Type") or "").startswith(type_)
    if type_ == "application/json":
        assert json.loads(page.body)["status"] == 500
    else:
        assert "<h1" in page.text


def test_what_an_application_writes_to_wsgi_errors_and_logging_is_kept(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "talker.py").write_text(
        "import logging\n"
        "def app(environ, start_response):\n"
        "    print('through wsgi.errors', file=environ['wsgi.errors'])\n"
        "    logging.getLogger('shop').warning('through logging')\n"
        "    start_response('204 No Content', [])\n"
        "    return []\n"
    )
    server = serve("talker:app", cwd=tmp_path)
    with server.connect() as wire:
        assert wire.get("/").status == 204
    server.wait_for_text("through wsgi.errors")
    server.wait_for_text("through logging")


def test_log_files_of_an_instance(serve_conf: Serve, tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").write_text("x")
    conf = "[server]\nlog_path = logs\n[routes:line]\n/ = www\n"
    server = serve_conf(conf)
    with server.connect() as wire:
        wire.get("/")
    assert server.stop() == 0
    files = {path.name: path.read_text() for path in (tmp_path / "logs").rglob("*.log")}
    assert "GET / HTTP/1.1 200" in files["request.log"]
    assert "listening on" in files["server.log"]
