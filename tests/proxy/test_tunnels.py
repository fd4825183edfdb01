"""Upgrades that are passed on: behind a 101 there are bytes, and nothing looks into them."""

from __future__ import annotations

import socket
import struct

import pytest

from tests.proxy.proxy_world import Client, Member, ProxyWorld, Talk, proxying
from tests.proxy.test_flow import MEGABYTE, SYSTEM, fill
from tests.waiting import wait_until


def upgraded(
    world: ProxyWorld, member: Member, *, left: bytes = b"", early: bytes = b""
) -> tuple[Client, Talk]:
    """``left`` comes right behind the request, ``early`` right behind the 101."""
    client = world.client()
    client.send(
        b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket, h2c\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + left
    )
    asked = member.accept()
    head = asked.head()
    assert b"\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n" in head
    assert b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" in head
    asked.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: abc\r\n\r\n" + early
    )
    head = client.head()
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Upgrade: websocket\r\n" in head
    assert b"Sec-WebSocket-Accept: abc\r\n" in head
    return client, asked


def test_bytes_go_both_ways_as_they_are() -> None:
    member = Member()
    with proxying(member) as world:
        client, asked = upgraded(world, member, left=b"left", early=b"early")
        assert client.exactly(5) == b"early"
        assert asked.exactly(4) == b"left"
        for _ in range(3):
            client.send(b"GET / HTTP/1.1\r\n\r\n\0\xff")
            assert asked.exactly(20) == b"GET / HTTP/1.1\r\n\r\n\0\xff"
            asked.send(b"\x88\x00")
            assert client.exactly(2) == b"\x88\x00"
        assert world.logged()[6] == 101
        client.close()
        assert asked.rest() == b""


def test_clients_that_speak_tls() -> None:
    member = Member()
    with proxying(member, secure=True) as world:
        client, asked = upgraded(world, member, left=b"left", early=b"early")
        assert client.exactly(5) == b"early"
        assert asked.exactly(4) == b"left"
        client.send(MEGABYTE)
        assert asked.exactly(1 << 20) == MEGABYTE
        asked.send(MEGABYTE)
        assert client.exactly(1 << 20) == MEGABYTE
        asked.close()
        assert client.rest() == b""


def test_one_side_may_end_before_the_other() -> None:
    member = Member()
    with proxying(member) as world:
        client, asked = upgraded(world, member)
        client.send(b"all")
        client.sock.shutdown(socket.SHUT_WR)
        assert asked.rest() == b"all"
        asked.send(b"answer")
        asked.close()
        assert client.rest() == b"answer"


def test_what_breaks_off_is_reset() -> None:
    member = Member()
    with proxying(member) as world:
        client, asked = upgraded(world, member)
        asked.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        asked.close()
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_who_does_not_take_stops_who_sends() -> None:
    member = Member()
    with proxying(member) as world:
        client, asked = upgraded(world, member)
        sent = fill(client.sock, 1 << 30)
        assert sent < SYSTEM
        asked.exactly(sent)
        asked.send(b"thanks")
        assert client.exactly(6) == b"thanks"
        client.close()


def test_nothing_for_too_long() -> None:
    member = Member()
    with proxying(member, server="tunnel_idle_timeout = 0.6") as world:
        client, asked = upgraded(world, member)
        for _ in range(4):
            assert client.is_silent()
            asked.send(b"x")
            assert client.exactly(1) == b"x"
        assert client.rest() == b""
        assert asked.rest() == b""
        wait_until(lambda: any("tunnel_idle_timeout" in line for line in world.words.lines))


def test_a_stop_ends_it() -> None:
    member = Member()
    with proxying(member) as world:
        client, asked = upgraded(world, member)
        world.engine.drain(lambda: None)
        assert client.rest() == b""
        assert asked.rest() == b""


@pytest.mark.parametrize(
    "upgrade", ["h2c", "HTTP/2.0", "TLS/1.0, h2c", "h2", '"h2c"', "h2c;q=1", "web socket", "web/so/cket"]
)
def test_some_protocols_are_not_passed_on(upgrade: str) -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get(
            extra=f"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAM\r\n"
        )
        asked = member.accept()
        head = asked.head().lower()
        assert b"\nupgrade:" not in head
        assert b"http2-settings" not in head
        asked.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
        assert client.head().startswith(b"HTTP/1.1 502 ")
        client.close()


def test_a_protocol_that_nobody_has_asked_for() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get(extra="Connection: Upgrade\r\nUpgrade: websocket\r\n")
        asked = member.accept()
        asked.head()
        asked.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
        assert client.head().startswith(b"HTTP/1.1 502 ")
        client.close()


def test_another_answer_than_101() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get(extra="Connection: Upgrade\r\nUpgrade: websocket\r\n")
        asked = member.accept()
        asked.head()
        asked.send(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno")
        assert client.head().startswith(b"HTTP/1.1 426 ")
        assert client.exactly(2) == b"no"
        client.get("/next")
        assert asked.head().startswith(b"GET /next ")
        asked.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert client.head().startswith(b"HTTP/1.1 204 ")
        client.close()


def test_other_methods_may_ask_too() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(b"POST /attach HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        asked = member.accept()
        assert asked.head().startswith(b"POST /attach ")
        asked.send(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        client.head()
        client.send(b"ls\n")
        assert asked.exactly(3) == b"ls\n"
        client.close()


def test_both_ends_count_among_the_connections() -> None:
    member = Member()
    with proxying(member, server="connections_max = 3") as world:
        client, asked = upgraded(world, member)
        busy = world.client()
        busy.get("/long")
        waiting = member.accept()
        waiting.head()
        turned_away = world.client()
        assert turned_away.rest() == b""
        client.close()
        asked.close()
        waiting.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        busy.head()
        wait_until(lambda: world.engine.far_ends == 0)
        after = world.client()
        after.get()
        waiting.head()
        after.close()
        busy.close()
        turned_away.close()
