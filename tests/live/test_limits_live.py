"""Each limit has a status of its own, and reaching one harms nobody else."""

from __future__ import annotations

import time

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


def test_a_full_queue_is_503_with_retry_after(serve: Serve) -> None:
    server = serve(BLOCKING, "--threads", "1", "--queue-max", "1")
    with server.connect() as running, server.connect() as queued, server.connect() as shed:
        running.request("GET", "/sleep?1")
        server.wait_for_text("begun 1")
        queued.request("GET", "/queued")
        time.sleep(0.2)  # the queue is invisible from outside: let the request reach it
        reply = shed.get("/shed")
        assert reply.status == 503
        assert int(reply.get("Retry-After") or "") > 0
        assert running.read_reply().status == 200
        assert queued.read_reply().status == 200


def test_a_long_wait_in_the_queue_is_503(serve: Serve) -> None:
    server = serve(BLOCKING, "--threads", "1", "--queue-timeout", "300ms")
    with server.connect() as running, server.connect() as queued:
        running.request("GET", "/sleep?2")
        server.wait_for_text("begun 2")
        asked = time.monotonic()
        reply = queued.get("/queued")
        assert reply.status == 503
        assert int(reply.get("Retry-After") or "") > 0
        assert 0.1 < time.monotonic() - asked < 1.5, "the thread is still taken"


def test_an_application_beyond_its_deadline_is_503(serve: Serve) -> None:
    server = serve(BLOCKING, "--response-timeout", "300ms")
    with server.connect() as wire:
        asked = time.monotonic()
        wire.request("GET", "/sleep?2")
        assert wire.read_reply().status == 503
        assert 0.1 < time.monotonic() - asked < 1.5


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
