"""Real clients and their habits: curl, requests, HTTP/1.0, pipelining, Expect, slow senders.

The uploads here are refused before they are complete.  Whoever refuses early must go on
reading for a while (RFC 9112 section 9.6), or the client sees a reset and not the answer.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.live.program import LiveServer, Serve
from tests.live.wire import Wire

BODIES = "tests.live.apps.bodies:app"
PRIVATE = "tests.live.apps.private:app"
MIB = 1 << 20

Curl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def curl(require_program: Callable[[str], str]) -> Curl:
    """``curl(url, *options)``: the finished process; stdout ends with a line of the status."""
    program = require_program("curl")

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "-sS", "--noproxy", "*", "-w", "\n%{http_code}", "--max-time", "30", *options],
            capture_output=True,
            text=True,
            timeout=40,
        )

    return run


@pytest.fixture(scope="module")
def server(serve_module: Serve) -> LiveServer:
    return serve_module(BODIES, "--threads", "4", "--body-max", "1m")


@pytest.fixture(scope="module")
def private(serve_module: Serve) -> LiveServer:
    return serve_module(PRIVATE, "--threads", "4")


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


@pytest.fixture(scope="module")
def big_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("upload") / "50MiB"
    with path.open("wb") as file:
        file.truncate(50 * MIB)
    return path


def status_of(run: subprocess.CompletedProcess[str]) -> int:
    assert run.returncode == 0, f"curl ended with {run.returncode}: {run.stderr}"
    return int(run.stdout.rpartition("\n")[2])


# --- Expect: 100-continue (RFC 9110 section 10.1.1)


def test_continue_is_sent_when_the_body_is_welcome(wire: Wire) -> None:
    wire.request("POST", "/sha256", "Expect: 100-continue", "Content-Length: 5")
    assert wire.read_head().status == 100
    wire.send(b"hello")
    reply = wire.read_reply()
    assert json.loads(reply.body)["sha256"] == hashlib.sha256(b"hello").hexdigest()


def test_continue_is_not_sent_after_the_body_has_begun(wire: Wire) -> None:
    wire.request("POST", "/sha256", "Expect: 100-continue", body=b"hello")
    assert wire.read_head().status == 200


def test_a_body_too_large_is_refused_instead_of_continued(wire: Wire) -> None:
    wire.request("POST", "/sha256", "Expect: 100-continue", f"Content-Length: {2 * MIB}")
    assert wire.read_head().status == 413


def test_a_stranger_is_refused_instead_of_continued(private: LiveServer) -> None:
    with private.connect() as wire:
        wire.request("POST", "/upload", "Expect: 100-continue", "Content-Length: 100")
        reply = wire.read_head()
    assert reply.status == 401
    assert (reply.get("WWW-Authenticate") or "").startswith('Basic realm="Partners"')


def test_an_unknown_expectation_is_417(wire: Wire) -> None:
    wire.request("POST", "/sha256", "Expect: the-unexpected", "Content-Length: 5")
    assert wire.read_head().status == 417


def test_http_1_0_is_never_asked_to_continue(wire: Wire) -> None:
    wire.request("POST", "/sha256", "Expect: 100-continue", body=b"hello", version="1.0")
    assert wire.read_head().status == 200


def test_curl_waits_for_continue_and_sends(server: LiveServer, curl: Curl) -> None:
    options = ("-v", "-H", "Expect: 100-continue", "--data-binary", "hello")
    run = curl(*options, f"{server.url}/sha256")
    assert status_of(run) == 200
    assert "HTTP/1.1 100 Continue" in run.stderr


def test_curl_waits_for_continue_and_is_refused(server: LiveServer, curl: Curl, big_file: Path) -> None:
    run = curl("-v", "-H", "Expect: 100-continue", "-T", str(big_file), f"{server.url}/sha256")
    assert status_of(run) == 413
    assert "100 Continue" not in run.stderr


# --- refusals of large uploads are read, not lost in a reset


@pytest.mark.parametrize("coding", [(), ("-H", "Transfer-Encoding: chunked")])
def test_curl_reads_413(server: LiveServer, curl: Curl, big_file: Path, coding: tuple[str, ...]) -> None:
    options = ("-X", "POST", "-H", "Expect:", *coding, "-T", str(big_file))
    assert status_of(curl(*options, f"{server.url}/sha256")) == 413


def test_curl_reads_401(private: LiveServer, curl: Curl, big_file: Path) -> None:
    options = ("-X", "POST", "-H", "Expect:", "-T", str(big_file), f"{private.url}/upload")
    assert status_of(curl(*options)) == 401
    run = curl("-u", "app:iamyourpartnerapp", *options)
    assert status_of(run) == 200
    assert run.stdout.startswith(f"{50 * MIB} bytes")


def test_requests_reads_413(server: LiveServer, session: requests.Session, big_file: Path) -> None:
    with big_file.open("rb") as body:
        assert session.post(f"{server.url}/sha256", data=body).status_code == 413
    assert session.post(f"{server.url}/sha256", data=b"small").status_code == 200


def test_requests_reads_413_of_a_chunked_body(server: LiveServer, session: requests.Session) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(50):
            yield b"x" * MIB

    assert session.post(f"{server.url}/sha256", data=pieces()).status_code == 413


def test_requests_reads_401(private: LiveServer, session: requests.Session, big_file: Path) -> None:
    with big_file.open("rb") as body:
        assert session.post(f"{private.url}/upload", data=body).status_code == 401


def test_after_a_refusal_the_body_is_not_taken_for_requests(wire: Wire) -> None:
    wire.request("POST", "/sha256", f"Content-Length: {2 * MIB}")
    wire.send(b"GET /sha256 HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
    assert wire.read_reply().status == 413
    assert wire.is_closed()


# --- versions, persistence, pipelining (RFC 9112 sections 9.3, 9.3.2)


def test_http_1_0_closes(wire: Wire) -> None:
    wire.request("GET", "/terminated", version="1.0")
    reply = wire.read_reply()
    assert reply.status == 200
    assert reply.get("Transfer-Encoding") is None
    assert wire.is_closed()


def test_http_1_0_stays_when_asked_and_the_length_is_known(wire: Wire) -> None:
    wire.request("GET", "/terminated", "Connection: keep-alive", version="1.0")
    reply = wire.read_reply()
    if (reply.get("Connection") or "").lower() == "keep-alive":
        assert reply.get("Content-Length") is not None
        wire.request("GET", "/terminated", version="1.0")
        assert wire.read_reply().status == 200
    else:
        assert wire.is_closed()


def test_http_1_1_stays_until_told_to_close(wire: Wire) -> None:
    for _ in range(5):
        assert wire.get("/terminated").status == 200
    assert (wire.get("/terminated", "Connection: close").get("Connection") or "") == "close"
    assert wire.is_closed()


def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    bodies = [f"number {i}".encode() for i in range(20)]
    for body in bodies:
        wire.request("POST", "/sha256", body=body)
    for body in bodies:
        found = json.loads(wire.read_reply().body)["sha256"]
        assert found == hashlib.sha256(body).hexdigest()


def test_many_pipelined_requests_do_not_block_each_other(wire: Wire) -> None:
    """More than the server reads ahead: it stops reading and goes on when it has answered."""
    count = 5000
    request = b"GET /terminated HTTP/1.1\r\nHost: x\r\n\r\n"
    sender = threading.Thread(target=wire.send, args=(request * count,))
    sender.start()
    assert {wire.read_reply().status for _ in range(count)} == {200}
    sender.join(5)


def test_a_half_closed_client_gets_its_answer(wire: Wire) -> None:
    wire.request("POST", "/sha256", body=b"last words")
    wire.sock.shutdown(1)
    assert wire.read_reply().status == 200
    assert wire.is_closed()


def test_head_over_requests_and_curl(server: LiveServer, session: requests.Session, curl: Curl) -> None:
    assert session.head(f"{server.url}/terminated").status_code == 200
    assert session.get(f"{server.url}/terminated").status_code == 200
    assert status_of(curl("-I", f"{server.url}/terminated")) == 200


def test_options_asterisk_and_unknown_methods(wire: Wire) -> None:
    wire.request("OPTIONS", "*")
    assert wire.read_reply().status in (200, 204)
    wire.request("BREW", "/terminated")
    assert wire.read_reply().status == 200, "the application decides about methods"


# --- clients that are slow


def test_a_head_that_does_not_end_is_408(serve: Serve) -> None:
    server = serve(BODIES, "--header-timeout", "400ms")
    with server.connect() as wire:
        wire.send(b"GET /terminated HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        begun = time.monotonic()
        assert wire.read_reply().status == 408
        assert wire.is_closed()
    assert 0.2 < time.monotonic() - begun < 3


def test_a_head_in_drops_does_not_put_the_deadline_off(serve: Serve) -> None:
    server = serve(BODIES, "--header-timeout", "500ms")
    with server.connect() as wire:
        wire.send(b"GET /terminated HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        answered = threading.Event()

        def drip() -> None:
            while not answered.wait(0.05):
                try:
                    wire.send(b"x")
                except OSError:
                    return

        dripper = threading.Thread(target=drip)
        dripper.start()
        begun = time.monotonic()
        try:
            assert wire.read_reply().status == 408
            assert time.monotonic() - begun < 3
        finally:
            answered.set()
            dripper.join()


def test_a_body_below_the_slowest_rate_is_408(serve: Serve) -> None:
    server = serve(BODIES, "--body-rate-min", "10000", "--body-rate-grace", "300ms")
    with server.connect() as wire:
        wire.request("POST", "/sha256", "Content-Length: 100000")
        wire.send(b"far too little")
        assert wire.read_reply().status == 408
        assert wire.is_closed()
    with server.connect() as wire:
        assert wire.post("/sha256", b"x" * 100_000).status == 200


def test_an_idle_connection_is_closed_without_a_word(serve: Serve) -> None:
    """Before its first request a connection has header_timeout, between requests keep_alive."""
    server = serve(BODIES, "--keep-alive", "300ms", "--header-timeout", "300ms")
    with server.connect() as used, server.connect() as unused:
        assert used.get("/terminated").status == 200
        begun = time.monotonic()
        assert used.is_closed()
        assert unused.is_closed()
    assert time.monotonic() - begun < 3


def test_a_slow_reader_holds_up_nobody_and_is_cut_off(serve: Serve) -> None:
    server = serve("tests.live.apps.edges:app", "--threads", "1", "--send-stall-timeout", "500ms")
    with server.connect() as stalled, server.connect() as other:
        stalled.request("GET", "/close/endless?stalled")
        stalled.read_head()
        assert other.get("/sized").body == b"0123456789", "the only thread is not blocked"
        deadline = time.monotonic() + 5
        while json.loads(other.get("/closed?stalled").body) != 1:
            assert time.monotonic() < deadline, "the stalled answer is never given up"
            time.sleep(0.05)
