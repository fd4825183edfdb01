"""What is noted about a request: its id, its trace, and for whom it waited."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.live.program import LiveServer, Serve

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"traceparent: 00-{TRACE}-{SPAN}-01"
ALL = "request_id, trace, queue, upstream"

CONF = """
[@c]
members = {member}
[server]
{server}
[routes:line]
/ = tests.live.apps.edges:app
/slow = tests.live.apps.blocking:app
/broken = tests.live.apps.breakers:app
/c = @c
"""


@pytest.fixture
def site(serve: Serve, serve_conf: Serve) -> Serve:
    """``site(*lines)``: a server with these lines in [server], and behind it, at /c, one that sleeps."""

    def begin(*lines: str) -> LiveServer:
        member = serve("tests.live.apps.edges:app")
        text = CONF.format(member=f"127.0.0.1:{member.port}", server="\n".join(lines))
        return serve_conf(text)

    return begin


def ask(server: LiveServer, target: str, *fields: str) -> tuple[Any, str | None]:
    """The environ that an application was called with, and the id that the client is told."""
    with server.connect() as wire:
        reply = wire.get(target, *fields)
    return json.loads(reply.body), reply.get("X-Request-ID")


@pytest.mark.parametrize("path", ["/environ", "/c/environ"])
def test_an_id_is_made_for_who_is_not_trusted(site: Serve, path: str) -> None:
    server = site("request_id = answer")
    forged = ("X-Request-ID: of-another", "X_Request_ID: of-another")
    seen, told = ask(server, path, *forged, "Connection: x-request-id")
    again, _ = ask(server, path, *forged)
    assert re.fullmatch("[0-9a-f]{32}", seen["HTTP_X_REQUEST_ID"])
    assert told == seen["HTTP_X_REQUEST_ID"] != again["HTTP_X_REQUEST_ID"]
    assert path != "/environ" or seen["skitai.request_id"] == told
    assert "of-another" not in json.dumps(seen)


def test_the_id_of_a_trusted_proxy_is_taken(site: Serve) -> None:
    server = site("request_id = yes", "trusted_proxies = 127.0.0.1")
    seen, told = ask(server, "/environ", "X-Request-ID: 1-67891233-abcdef012345678912345678")
    assert seen["skitai.request_id"] == "1-67891233-abcdef012345678912345678"
    assert told is None
    for bad in ("", "two words", "a\tb", "x" * 129, "-leading", '"quoted"'):
        seen, _ = ask(server, "/environ", f"X-Request-ID: {bad}")
        assert re.fullmatch("[0-9a-f]{32}", seen["skitai.request_id"]), bad
        assert seen["HTTP_X_REQUEST_ID"] == seen["skitai.request_id"]


def test_without_the_key_nothing_is_added(site: Serve) -> None:
    server = site()
    seen, told = ask(server, "/environ", "X-Request-ID: mine", PARENT)
    assert seen["HTTP_X_REQUEST_ID"] == "mine"
    assert "skitai.request_id" not in seen
    assert told is None
    server.wait_for_text(r"GET /environ HTTP/1\.1 200 \d+ \d+ms \d+ms$")


def test_every_answer_says_the_id(site: Serve) -> None:
    """Of files, pages of errors, redirects and /ping, too: none is answered where it would be left out."""
    server = site("request_id = answer")
    with server.connect() as wire:
        ids = [wire.get(path).get("X-Request-ID") for path in ("/ping", "/broken/raise", "/ping", "/none")]
    assert len(set(ids)) == 4
    assert None not in ids
    server.wait_for_text(rf"\[expt\] GET /broken/raise request_id={ids[1]}")


def test_a_line_ends_with_what_is_asked_for(site: Serve) -> None:
    server = site(f"log_fields = {ALL}", "threads = 1")
    seen, told = ask(server, "/environ", PARENT)
    assert told is None
    request_id = seen["skitai.request_id"]
    words = rf"\d+ms \d+ms request_id={request_id} trace={TRACE} span={SPAN} queue=\d+ms$"
    server.wait_for_text(rf"GET /environ HTTP/1\.1 200 \d+ {words}")
    ask(server, "/c/environ")
    server.wait_for_text(
        r"GET /c/environ HTTP/1\.1 200 \d+ \d+ms \d+ms request_id=[0-9a-f]{32} upstream=\d+ms$"
    )
    with server.connect() as wire:
        assert wire.get("/ping").status == 200
    server.wait_for_text(r"GET /ping HTTP/1\.1 200 \d+ \d+ms \d+ms request_id=[0-9a-f]{32}$")


def entry(server: LiveServer, target: str) -> dict[str, Any]:
    line = server.wait_for_text(rf'^.*"target": "{re.escape(target)}".*$')[0]
    found: dict[str, Any] = json.loads(line)
    return found


def test_json_has_times_of_waiting(site: Serve) -> None:
    server = site(f"log_fields = {ALL}", "log_format = json", "threads = 1")
    server.host, server.port = "127.0.0.1", int(server.wait_for_text(r"on http://127\.0\.0\.1:(\d+)")[1])
    with server.connect() as first, server.connect() as second:
        first.request("GET", "/slow/sleep?1", PARENT)
        server.wait_for_text("begun 1")
        second.request("GET", "/slow/sleep?0", PARENT)
        assert first.read_reply().status == 200
        assert second.read_reply().status == 200
    waited, held_up = entry(server, "/slow/sleep?0"), entry(server, "/slow/sleep?1")
    assert 100 < waited["queue_ms"] <= waited["execution_ms"] < 5000
    assert held_up["queue_ms"] < 500 < held_up["execution_ms"]
    assert (waited["trace"], waited["span"]) == (TRACE, SPAN)
    assert len(waited["request_id"]) == 32
    assert "upstream_ms" not in waited
    ask(server, "/c/environ")
    passed_on = entry(server, "/c/environ")
    assert 0 < passed_on["upstream_ms"] < 5000
    assert "queue_ms" not in passed_on
    assert "trace" not in passed_on


def test_a_request_that_no_thread_came_for(site: Serve) -> None:
    server = site("log_fields = queue", "threads = 1", "queue_timeout = 300ms")
    with server.connect() as first, server.connect() as second:
        first.request("GET", "/slow/sleep?1.5")
        server.wait_for_text("begun 1.5")
        assert second.get("/slow/shed").status == 503
    line = server.wait_for_text(r"GET /slow/shed HTTP/1\.1 503 .* queue=(\d+)ms$")
    assert 250 <= int(line[1]) < 1500
