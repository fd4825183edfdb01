"""PEP 3333, broken applications: the request ends, the server and the protocol do not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.live.apps.breakers import ROUTES
from tests.live.program import LiveServer, Serve
from tests.live.wire import Truncated, Wire


@pytest.fixture(scope="module")
def server(serve_module: Serve) -> LiveServer:
    return serve_module("tests.live.apps.breakers:app", "--threads", "4")


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


def still_serves(server: LiveServer) -> bool:
    with server.connect() as wire:
        return wire.get("/fine").body == b"fine"


def test_a_body_shorter_than_content_length_is_seen_as_cut(server: LiveServer, wire: Wire) -> None:
    wire.request("GET", "/short")
    with pytest.raises(Truncated) as cut:
        wire.read_reply()
    assert cut.value.received == b"01234"
    server.wait_for_text(r"Content-Length")
    assert still_serves(server)


@pytest.mark.parametrize("path", ["/long", "/long/iterator", "/long/write"])
def test_a_body_longer_than_content_length_is_cut_there(server: LiveServer, wire: Wire, path: str) -> None:
    reply = wire.get(path)
    assert (reply.status, reply.body) == (200, b"01234")
    wire.sock.settimeout(2.0)
    if reply.get("Connection") == "close":
        assert wire.is_closed(), "a byte beyond the message"
    else:
        assert wire.get("/fine").body == b"fine", "a byte between two messages"
    server.wait_for_text(r"Content-Length")


@pytest.mark.parametrize("path", [path for path in ROUTES if path.startswith("/header/")])
def test_a_header_that_cannot_be_sent_is_a_500(wire: Wire, path: str) -> None:
    reply = wire.get(path)
    assert reply.status == 500
    assert reply.get("Injected") is None
    assert b"Injected" not in reply.body


@pytest.mark.parametrize("path", [path for path in ROUTES if path.startswith("/status/")])
def test_a_status_that_cannot_be_sent_is_a_500(wire: Wire, path: str) -> None:
    reply = wire.get(path)
    assert reply.status == 500
    assert reply.get("Injected") is None


@pytest.mark.parametrize(
    "path", ["/raise", "/raise/exit", "/raise/interrupt", "/raise/base", "/raise/memory"]
)
def test_an_exception_ends_the_request_and_not_the_server(server: LiveServer, wire: Wire, path: str) -> None:
    for _ in range(6):
        # More often than there are threads: an exception may not cost one.
        with server.connect() as each:
            assert each.get(path).status == 500
    assert still_serves(server)


@pytest.mark.parametrize("path", ["/raise/late", "/raise/late/exit"])
def test_an_exception_after_the_head_cuts_the_answer(server: LiveServer, wire: Wire, path: str) -> None:
    wire.request("GET", path)
    with pytest.raises(Truncated) as cut:
        wire.read_reply()
    assert cut.value.received == b"begun"
    assert still_serves(server)


@pytest.mark.parametrize("path", ["/no-start", "/none", "/number", "/numbers"])
def test_an_answer_that_is_no_wsgi_answer_is_a_500(server: LiveServer, wire: Wire, path: str) -> None:
    assert wire.get(path).status == 500
    assert still_serves(server)


def test_text_for_bytes_is_forgiven(wire: Wire) -> None:
    """The PEP wants bytes; the first sample of the README returns ``['Hello World']``."""
    assert wire.get("/text").text == "text of the README, süß"


def test_a_second_start_response_is_refused(wire: Wire) -> None:
    assert re.fullmatch(r"refused: \w+", wire.get("/started-twice").text)


def test_a_failing_close_is_logged_and_the_answer_whole(server: LiveServer, wire: Wire) -> None:
    assert wire.get("/close-raises").body == b"whole"
    server.wait_for_text(r"^\s*LookupError: close\(\) has failed")
    assert still_serves(server)


def test_a_client_never_sees_a_traceback_unless_debugging(server: LiveServer, wire: Wire) -> None:
    body = wire.get("/raise", "Accept: text/html").text
    assert "Traceback" not in body
    assert "before the head" not in body
    server.wait_for_text(r"^\s*LookupError: before the head")
