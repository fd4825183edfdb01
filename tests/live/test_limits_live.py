"""Each limit has a status of its own, and reaching one harms nobody else."""

from __future__ import annotations

import select
import time
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve

HELLO = "tests.live.apps.hello:app"
BLOCKING = "tests.live.apps.blocking:app"


@pytest.fixture(scope="module")
def small(serve_module: Serve) -> LiveServer:
    return serve_module(
        HELLO,
        *("--request-line-max", "200"),
        *("--header-block-max", "1000"),
        *("--header-fields-max", "20"),
        *("--body-max", "100"),
    )


def refused(server: LiveServer, data: bytes) -> int:
    """The status of the answer to ``data``; the connection must close after it."""
    with server.connect() as wire:
        wire.send(data)
        status = wire.read_reply().status
        assert wire.is_closed()
    with server.connect() as wire:
        assert wire.get("/").status == 200
    return status


def test_a_long_request_line_is_414(small: LiveServer) -> None:
    assert refused(small, b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nHost: x\r\n\r\n") == 414
    assert refused(small, b"GET /" + b"a" * 300) == 414, "also before the line is complete"


def test_a_long_header_block_is_431(small: LiveServer) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\n"
    assert refused(small, head + b"X-Long: " + b"a" * 1100 + b"\r\n\r\n") == 431
    assert refused(small, head + b"X-Long: " + b"a" * 1100) == 431, "also before it is complete"


def test_too_many_fields_are_431(small: LiveServer) -> None:
    fields = b"".join(b"X-%d: y\r\n" % number for number in range(30))
    assert refused(small, b"GET / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n") == 431


def test_a_long_body_is_413_sized_and_chunked(small: LiveServer) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\n"
    assert refused(small, head + b"Content-Length: 101\r\n\r\n") == 413
    chunk = b"3c\r\n" + b"a" * 60 + b"\r\n"
    assert refused(small, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 2) == 413


def test_a_full_queue_is_503_with_retry_after(serve: Serve, tmp_path: Path) -> None:
    server = serve(BLOCKING, "--threads", "1", "--queue-max", "1")
    enough = tmp_path / "enough"
    with server.connect() as running, server.connect() as one, server.connect() as other:
        running.request("GET", f"/until?{enough}")
        server.wait_for_text(f"begun {enough}")
        for wire in (one, other):
            wire.request("GET", "/")
        # The second one to come, which may be either.
        [shed], _, _ = select.select([one.sock, other.sock], [], [], 10)
        shed, queued = (one, other) if shed is one.sock else (other, one)
        reply = shed.read_reply()
        assert reply.status == 503
        assert int(reply.get("Retry-After") or "") > 0
        enough.touch()
        assert running.read_reply().status == 200
        assert queued.read_reply().status == 200


def test_a_long_wait_in_the_queue_is_503(serve: Serve, tmp_path: Path) -> None:
    server = serve(BLOCKING, "--threads", "1", "--queue-timeout", "300ms")
    enough = tmp_path / "enough"
    with server.connect() as running, server.connect() as queued:
        running.request("GET", f"/until?{enough}")
        server.wait_for_text(f"begun {enough}")
        asked = time.monotonic()
        reply = queued.get("/queued")
        assert reply.status == 503, "though the thread is still taken"
        assert int(reply.get("Retry-After") or "") > 0
        assert time.monotonic() - asked > 0.1
        enough.touch()
        assert running.read_reply().status == 200


def test_an_application_beyond_its_deadline_is_503(serve: Serve) -> None:
    server = serve(BLOCKING, "--response-timeout", "300ms")
    with server.connect() as wire:
        asked = time.monotonic()
        wire.request("GET", "/sleep?30")
        assert wire.read_reply().status == 503
        assert 0.1 < time.monotonic() - asked < 15


def test_connections_of_one_address_are_bounded(serve: Serve) -> None:
    server = serve(HELLO, "--connections-per-address-max", "2")
    with server.connect() as one, server.connect() as two:
        assert one.get("/").status == 200
        assert two.get("/").status == 200
        with server.connect() as three:
            three.sock.settimeout(3)
            try:
                three.request("GET", "/")
                answer = three.read_rest()
            except OSError:
                answer = b""
            assert answer == b"" or answer.startswith(b"HTTP/1.1 503")
        assert one.get("/").status == 200
