"""PEP 3333, the request's body: wsgi.input as a file, in memory and spooled, sized and chunked."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.wire import Wire
from tests.waiting import wait_until

APP = "tests.live.apps.bodies:app"
LINES = b"one\ntwo\n\nlast without newline"
LINES_READ = ["one\n", "two\n", "\n", "last without newline"]


@pytest.fixture(scope="module")
def server(serve_module: Serve) -> Iterator[LiveServer]:
    server = serve_module(APP, "--threads", "4")
    yield server
    assert "AssertionError" not in server.console_text(), "the validator has complained"


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


def post(wire: Wire, path: str, body: bytes = LINES) -> Any:
    reply = wire.post(path, body)
    assert reply.status == 200
    return json.loads(reply.body)


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n" + trailers + b"\r\n"


def digest(body: bytes) -> dict[str, Any]:
    return {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


# --- reading


def test_reading_past_the_end_gives_the_empty_string_and_does_not_wait(wire: Wire) -> None:
    assert post(wire, "/read-past-end", b"abcde") == ["ab", "", "cde", "", ""]


@pytest.mark.parametrize("path", ["/read-lines", "/readlines", "/iterate"])
def test_lines(wire: Wire, path: str) -> None:
    assert post(wire, path) == LINES_READ


def test_all_ways_of_reading_share_one_position(wire: Wire) -> None:
    assert post(wire, "/mixed") == ["one", "\n", "two\n", "\n", "last without newline"]


def test_wsgi_input_is_a_whole_file(wire: Wire) -> None:
    assert post(wire, "/whole").encode() == LINES


@pytest.mark.parametrize("path", ["/read-lines", "/iterate"])
def test_without_a_body_the_input_is_empty(wire: Wire, path: str) -> None:
    assert json.loads(wire.get(path).body) == []
    assert json.loads(wire.post(path, b"", "Content-Length: 0").body) == []


def test_a_body_left_unread_is_not_taken_for_a_request(wire: Wire) -> None:
    smuggled = b"GET /where HTTP/1.1\r\nHost: x\r\n\r\n" * 50
    assert post(wire, "/unread", smuggled) == "not read"
    assert post(wire, "/sha256", b"next") == digest(b"next")


# --- chunked


def test_a_chunked_body_is_read_like_any_other(wire: Wire) -> None:
    wire.request("POST", "/iterate", "Transfer-Encoding: chunked")
    wire.send(chunked(b"one\ntw", b"o\n", b"\nlast without newline", trailers=b"X-Sum: 1\r\n"))
    assert json.loads(wire.read_reply().body) == LINES_READ
    assert post(wire, "/sha256", b"next") == digest(b"next")


def test_chunked_coding_ends_at_the_server(wire: Wire) -> None:
    """The application gets the decoded body, so the field that says "coded" must be gone."""
    wire.request("POST", "/terminated", "Transfer-Encoding: chunked", "Content-Type: a/b")
    wire.send(chunked(b"x"))
    seen = json.loads(wire.read_reply().body)
    assert seen["wsgi.input_terminated"] is True
    assert seen["HTTP_TRANSFER_ENCODING"] is None
    assert seen["CONTENT_LENGTH"] in (None, "", "1")
    assert seen["CONTENT_TYPE"] == "a/b"


def test_a_sized_body_is_terminated_too(wire: Wire) -> None:
    seen = post(wire, "/terminated", b"12345")
    assert seen["wsgi.input_terminated"] is True
    assert seen["CONTENT_LENGTH"] == "5"


# --- large


@pytest.mark.parametrize("coding", ["sized", "chunked"])
def test_a_large_body_arrives_whole(wire: Wire, coding: str) -> None:
    body = bytes(range(256)) * (20 * 4096)
    if coding == "sized":
        assert post(wire, "/sha256", body) == digest(body)
    else:
        wire.request("POST", "/sha256", "Transfer-Encoding: chunked")
        wire.send(chunked(*(body[i : i + 100_000] for i in range(0, len(body), 100_000))))
        assert json.loads(wire.read_reply().body) == digest(body)


@pytest.fixture
def spooling(serve: Serve, tmp_path: Path) -> LiveServer:
    return serve(
        APP,
        *("--spool-dir", str(tmp_path)),
        *("--body-memory-max", "10k"),
        *("--spool-total-max", "100k"),
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/fd")
def test_a_body_beyond_body_memory_max_goes_to_spool_dir(spooling: LiveServer, tmp_path: Path) -> None:
    with spooling.connect() as wire:
        assert post(wire, "/where", b"x" * 1000) == "memory"
        assert post(wire, "/where", b"x" * 20_000).startswith(str(tmp_path))
    wait_until(lambda: list(tmp_path.iterdir()) == [], what="the spool file is removed")


def test_bodies_beyond_spool_total_max_are_refused_and_later_ones_taken(
    spooling: LiveServer, tmp_path: Path
) -> None:
    with spooling.connect() as wire:
        assert wire.post("/sha256", b"x" * 200_000).status == 507
    body = b"y" * 50_000
    for _ in range(3):
        # Each fits alone: what the first two took must have been given back.
        with spooling.connect() as wire:
            assert post(wire, "/sha256", body) == digest(body)
    wait_until(lambda: list(tmp_path.iterdir()) == [], what="the spool files are removed")


def test_a_client_that_leaves_inside_its_body_leaves_nothing_behind(
    spooling: LiveServer, tmp_path: Path
) -> None:
    for _ in range(3):
        with spooling.connect() as wire:
            wire.send(b"POST /sha256 HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n")
            wire.send(b"z" * 60_000)
    body = b"y" * 90_000

    def taken() -> bool:
        with spooling.connect() as wire:
            return wire.post("/sha256", body).status == 200

    wait_until(taken, what="the spool has room again")
