"""Handshakes: those that come to nothing, by accident or by malice, cost nobody but themselves."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from skitai.limits import Limits
from tests.pure.certificates import Named, server_context
from tests.pure.engine_world import World, world
from tests.pure.test_secure import by_hand, get, reset, secure
from tests.pure.tls_by_hand import ByHand
from tests.waiting import wait_until


@contextmanager
def tls_world(**limits: float) -> Iterator[World]:
    with world(limits=Limits(**limits), secure=server_context) as w:  # type: ignore[arg-type]
        yield w


def connect(w: World) -> socket.socket:
    return socket.create_connection(w.address, timeout=5)


def asks_once(w: World) -> None:
    client = by_hand(w)
    client.raw.sendall(client.seal(get("/served")))
    assert client.open().endswith(b"/served")
    client.close()


@pytest.mark.parametrize("said", [0, 1, 100], ids=["nothing", "a byte", "a part"])
def test_who_is_late_is_cut(said: int) -> None:
    with tls_world(handshake_timeout=0.3) as w:
        began = time.monotonic()
        client = ByHand(w.address)
        client.raw.sendall(client.flight()[:said])
        assert client.raw.recv(1) == b""
        assert 0.25 < time.monotonic() - began < 2
        wait_until(lambda: w.connections() == 0)
        wait_until(lambda: w.service.limits_reached == ["handshake_timeout"])


def test_the_clock_does_not_begin_anew_with_each_byte() -> None:
    with tls_world(handshake_timeout=0.5) as w:
        client = ByHand(w.address)
        began = time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):
            for byte in client.flight():
                client.raw.sendall(bytes([byte]))
                time.sleep(0.02)
        assert time.monotonic() - began < 2
        wait_until(lambda: w.service.limits_reached == ["handshake_timeout"])


@pytest.mark.parametrize("size", [1, 60, 100_000])
def test_the_name_is_waited_for_where_it_is_needed(size: int) -> None:
    contexts = Named()
    with world(secure=contexts) as w:
        client = ByHand(w.address)
        flight = client.flight()
        for start in range(0, len(flight), size):
            assert contexts.asked == []
            client.raw.sendall(flight[start : start + size])
            time.sleep(0.002)
        client.raw.sendall(client.shake_hands())
        client.raw.sendall(client.seal(get("/named")))
        assert client.open().endswith(b"/named")
        assert contexts.asked == ["test.example"]


def test_who_says_no_name_that_can_be_read_gets_the_word_of_openssl() -> None:
    contexts = Named()
    with world(secure=contexts) as w:
        client = connect(w)
        client.sendall(b"\x16\x03\x01\x00\x05hello")
        assert client.recv(2) == b"\x15\x03"  # an alert
        assert contexts.asked == [""]
        wait_until(lambda: w.service.limits_reached == ["handshake"])


def test_behind_the_handshake_other_clocks_run() -> None:
    with tls_world(handshake_timeout=0.5, header_timeout=10) as w:
        client = by_hand(w)
        time.sleep(0.9)
        client.raw.sendall(client.seal(get("/later")))
        assert client.open().endswith(b"/later")
        assert w.service.limits_reached == []


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 400 "),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n" + b"x" * 100_000, b"HTTP/1.1 400 "),
        (b"OPTIONS", b"HTTP/1.1 400 "),
        (b"\x16\x03\x01\x00\x05hello", b"\x15\x03"),  # an alert
        (b"\x80\x2e\x01\x00\x02", b""),  # SSL 2
        (b"SSH-2.0-OpenSSH_9.2\r\n", b""),
        (b"\x00" * 1000, b""),
    ],
    ids=["http", "upload", "a part", "garbage", "ssl2", "ssh", "zeros"],
)
def test_what_is_no_tls(said: bytes, answer: bytes) -> None:
    with tls_world() as w:
        client = connect(w)
        client.sendall(said)
        got = b""
        try:
            while data := client.recv(65536):
                got += data
        except ConnectionResetError:
            assert not answer
        assert got[: len(answer)] == answer
        assert bool(got) == bool(answer)
        if answer.startswith(b"HTTP"):
            assert b"https://" in got
            assert b"connection: close" in got.lower()
        client.close()
        wait_until(lambda: w.connections() == 0)
        wait_until(lambda: w.service.limits_reached == ["handshake"])
        asks_once(w)
        assert w.service.limits_reached == ["handshake"]


def test_who_looks_only_whether_the_port_is_open_is_not_for_the_log() -> None:
    with tls_world() as w:
        for end in (socket.socket.close, reset):
            end(connect(w))
        asks_once(w)
        wait_until(lambda: w.connections() == 0)
        assert [limit for limit in w.service.limits_reached if limit != "handshake"] == []


def test_no_version_in_common() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with world(secure=secure(ssl.TLSVersion.TLSv1_3)) as w:
        client = ByHand(w.address, context=context)
        with pytest.raises(ssl.SSLError, match=r"(?i)version"):
            client.shake_hands()
        wait_until(lambda: w.service.limits_reached == ["handshake"])


def test_who_leaves_in_the_midst() -> None:
    with tls_world() as w:
        for end in (socket.socket.close, reset):
            client = ByHand(w.address)
            client.raw.sendall(client.flight())
            client.take()
            end(client.raw)
        wait_until(lambda: w.service.limits_reached == ["handshake"] * 2 and w.connections() == 0)
        asks_once(w)


# -- numbers -----------------------------------------------------------------------------------


def test_silent_clients_keep_nobody_waiting() -> None:
    with tls_world() as w:
        crowd = [connect(w) for _ in range(400)]
        for number, sock in enumerate(crowd):
            if number % 2:
                sock.sendall(b"\x16\x03\x01\x02\x00\x01")
        wait_until(lambda: w.connections() == 400)
        began = time.monotonic()
        for _ in range(5):
            asks_once(w)
        assert time.monotonic() - began < 2
        for sock in crowd:
            sock.close()
        wait_until(lambda: w.connections() == 0)


def test_the_silent_make_room() -> None:
    with tls_world(connections_max=5) as w:
        kept = by_hand(w)
        crowd = [connect(w) for _ in range(4)]
        wait_until(lambda: w.connections() == 5)
        kept.raw.sendall(kept.seal(get("/kept")))
        assert kept.open().endswith(b"/kept")
        asks_once(w)
        assert crowd[0].recv(1) == b""
        kept.raw.sendall(kept.seal(get("/still")))
        assert kept.open().endswith(b"/still")


def test_they_count_for_their_address() -> None:
    with tls_world(connections_per_address_max=2) as w:
        crowd = [connect(w) for _ in range(2)]
        wait_until(lambda: w.connections() == 2)
        assert connect(w).recv(1) == b""
        crowd[0].close()
        wait_until(lambda: w.connections() == 1)
        asks_once(w)
