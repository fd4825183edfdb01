"""PEP 3333, the answer's side: a correct application under `wsgiref.validate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from wsgiref.util import request_uri

import pytest

from tests.live.apps.edges import BIG
from tests.live.program import LiveServer, Serve
from tests.live.wire import Truncated, Wire
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def server(serve_module: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    file: Path = tmp_path_factory.mktemp("edges") / "big"
    file.write_bytes(BIG)
    server = serve_module("tests.live.apps.edges:app", "--threads", "4", env={"EDGES_FILE": str(file)})
    yield server
    said = server.console_text()
    assert "AssertionError" not in said, "the validator has complained"
    assert "without being closed" not in said, "the validator has missed a close()"


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


def closed(server: LiveServer, name: str) -> int:
    with server.connect() as wire:
        return int(json.loads(wire.get(f"/closed?{name}").body))


# --- start_response and write


def test_write_comes_before_the_returned_items(wire: Wire) -> None:
    assert wire.get("/write").text == "one two three"
    assert wire.get("/write/only").text == "written"


def test_write_does_not_wait_for_the_rest_of_the_answer(server: LiveServer, wire: Wire) -> None:
    wire.request("GET", "/write/at-once")
    assert wire.read_head().get("Transfer-Encoding") == "chunked"
    assert wire.read_chunk() == b"first"
    with server.connect() as other:
        other.get("/go")
    assert wire.read_chunk() == b"second"
    assert wire.read_chunk() == b""


def test_exc_info_before_the_head_is_sent_replaces_the_answer(wire: Wire) -> None:
    reply = wire.get("/exc-info/before")
    assert (reply.status, reply.text) == (503, "the second answer")
    assert reply.get("X-First") is None
    assert reply.get("X-Second") == "yes"


def test_exc_info_after_the_head_is_sent_cuts_the_answer(server: LiveServer, wire: Wire) -> None:
    wire.request("GET", "/exc-info/after")
    with pytest.raises(Truncated) as cut:
        wire.read_reply()
    assert cut.value.received == b"sent before the error"
    server.wait_for_text(r"^\s*LookupError: too late to change")


def test_start_response_may_wait_for_the_first_item(wire: Wire) -> None:
    reply = wire.get("/late-start")
    assert (reply.status, reply.text) == (201, "late")


# --- iterables


def test_each_item_leaves_before_the_next_is_made(server: LiveServer, wire: Wire) -> None:
    wire.request("GET", "/stream")
    assert wire.read_head().status == 200
    assert wire.read_chunk() == b"first"
    with server.connect() as other:
        other.get("/go")
    assert wire.read_chunk() == b"second"
    assert wire.read_chunk() == b""


def test_an_empty_iterable_is_an_empty_body(wire: Wire) -> None:
    reply = wire.get("/empty")
    assert (reply.status, reply.body) == (200, b"")
    assert wire.get("/sized").status == 200


def test_an_empty_item_does_not_end_a_chunked_body(wire: Wire) -> None:
    assert wire.get("/empty-items").text == "ab"


def test_repeated_fields_stay_apart_and_in_order(wire: Wire) -> None:
    assert wire.get("/cookies").get_all("Set-Cookie") == ["a=1", "b=2"]


def test_every_answer_has_date_and_server(wire: Wire) -> None:
    reply = wire.get("/sized")
    assert reply.get("Server") == "Skitai"
    assert (reply.get("Date") or "").endswith(" GMT")


# --- bodies that must not be sent (RFC 9110 sections 9.3.2, 15.3.5, 15.4.5)


@pytest.mark.parametrize("path", ["/sized", "/unsized", "/write", "/file"])
def test_head_has_the_fields_and_no_body(wire: Wire, path: str) -> None:
    wire.request("HEAD", path)
    head = wire.read_reply("HEAD")
    assert head.status == 200
    assert head.get("Content-Type") == "text/plain; charset=utf-8"
    if path == "/sized":
        assert head.get("Content-Length") == "10"
    assert wire.get("/sized").text == "0123456789", "the connection is in step"


@pytest.mark.parametrize("path", ["/204", "/304"])
def test_no_content_and_not_modified_have_no_body_and_no_framing(wire: Wire, path: str) -> None:
    reply = wire.get(path)
    assert reply.status == int(path[1:])
    assert reply.get("Transfer-Encoding") is None
    assert path == "/304" or reply.get("Content-Length") is None
    assert wire.get("/sized").text == "0123456789", "the connection is in step"


# --- close()


def test_close_is_called_once_at_the_end(server: LiveServer, wire: Wire) -> None:
    assert wire.get("/close?end").text == "ab"
    wait_until(lambda: closed(server, "end") == 1)


def test_close_is_called_once_for_head(server: LiveServer, wire: Wire) -> None:
    wire.request("HEAD", "/close?head")
    assert wire.read_reply("HEAD").status == 200
    wait_until(lambda: closed(server, "head") == 1)


def test_close_is_called_once_after_an_error_in_the_body(server: LiveServer, wire: Wire) -> None:
    wire.request("GET", "/close/error?error")
    with pytest.raises(Truncated) as cut:
        wire.read_reply()
    assert cut.value.received == b"a"
    wait_until(lambda: closed(server, "error") == 1)


@pytest.mark.parametrize("path", ["/close/endless", "/close/ticking"])
@pytest.mark.parametrize("leave", ["close", "reset"])
def test_close_is_called_once_when_the_client_leaves(server: LiveServer, path: str, leave: str) -> None:
    name = f"{path}.{leave}"
    wire = server.connect()
    wire.request("GET", f"{path}?{name}")
    wire.read_head()
    assert wire.read_chunk()
    getattr(wire, leave)()
    wait_until(lambda: closed(server, name) > 0, what=f"close() after {name}")
    with server.connect() as other:
        other.get("/sized")
    assert closed(server, name) == 1


# --- wsgi.file_wrapper


def test_file_wrapper_sends_the_file(wire: Wire) -> None:
    assert wire.get("/file").body == BIG
    assert wire.get("/file/rest").body == BIG[-1000:]
    assert wire.get("/file/like").body == b"not a real file"


# --- the environment and the whole


def test_environ_has_what_the_pep_asks_for(server: LiveServer, wire: Wire) -> None:
    wire.request("GET", "/environ?a=%20b", "X-Two-Words: yes", "Cookie: c=1")
    environ = json.loads(wire.read_reply().body)
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["SCRIPT_NAME"] == ""
    assert environ["PATH_INFO"] == "/environ"
    assert environ["QUERY_STRING"] == "a=%20b"
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["SERVER_NAME"]
    assert environ["SERVER_PORT"].isdigit()
    assert request_uri(environ) == "http://testserver/environ?a=%20b"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["HTTP_HOST"] == "testserver"
    assert environ["HTTP_X_TWO_WORDS"] == "yes"
    assert environ["HTTP_COOKIE"] == "c=1"
    assert environ["wsgi.version"] == [1, 0]
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["wsgi.run_once"] is False
    assert environ["wsgi.multiprocess"] is False
    assert "CONTENT_TYPE" not in environ or environ["CONTENT_TYPE"] == ""


@pytest.mark.parametrize(("threads", "multithread"), [("4", True), ("1", False), ("0", False)])
def test_multithread_says_whether_the_application_is_called_by_several_threads(
    serve: Serve, threads: str, multithread: bool
) -> None:
    server = serve("tests.live.apps.edges:app", "--threads", threads)
    with server.connect() as wire:
        assert json.loads(wire.get("/environ").body)["wsgi.multithread"] is multithread
