"""Requests that are passed on while they come: who takes the body decides how fast it is read."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from skitai._kernels import engine
from skitai.limits import Limits
from tests.pure.engine_world import Handler, World, world
from tests.waiting import wait_until

MEGABYTE = b"x" * (1 << 20)


class Narrow:
    """A sink that has no room behind each piece until it is asked for the next one."""

    def __init__(self, exchange: engine.Exchange) -> None:
        self.exchange = exchange
        self.size = 0
        self.pieces = 0
        self.told: list[str] = []

    def write(self, data: bytes) -> bool:
        self.size += len(data)
        self.pieces += 1
        return False

    def finish(self) -> None:
        self.told.append(f"finish {self.exchange.trailers}")
        self.exchange.respond(200, [("Content-Length", "2")], b"ok")

    def close(self) -> None:
        self.told.append("close")


def taking(made: list[Narrow]) -> Handler:
    def admit(exchange: engine.Exchange) -> None:
        sink = Narrow(exchange)
        made.append(sink)
        exchange.is_passed_on = True
        exchange.sink = sink

    return admit


def never(exchange: engine.Exchange) -> None:
    pytest.fail("who has had the request from its head on is not asked to execute it")


def in_the_loop(running: World, call: Callable[[], None]) -> None:
    done = threading.Event()
    running.engine.loop.call_soon(lambda: (call(), done.set()))
    assert done.wait(5)


def fill(sock: socket.socket) -> int:
    """As much as the system takes."""
    sock.settimeout(0.3)
    sent = 0
    try:
        while True:
            sent += sock.send(MEGABYTE)
    except TimeoutError:
        return sent


def test_what_is_not_wanted_yet_stays_in_the_system() -> None:
    made: list[Narrow] = []
    with world(never, on_admit=taking(made)) as running:
        client = socket.create_connection(running.address)
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        sent = fill(client)
        wait_until(lambda: made and made[0].pieces)
        (sink,) = made
        assert sink.pieces == 1
        assert sink.size <= 65536 < sent
        for pieces in range(2, 9):
            in_the_loop(running, sink.exchange.resume_body)
            in_the_loop(running, lambda: None)
            in_the_loop(running, lambda: None)
            assert sink.pieces <= pieces
        assert sink.pieces > 2
        client.close()


def test_the_clock_of_slow_clients_stands_while_nobody_reads() -> None:
    made: list[Narrow] = []
    limits = Limits(body_rate_grace=0.3, body_rate_min=1000)
    with world(never, on_admit=taking(made), limits=limits) as running:
        client = running.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        threading.Event().wait(1.5)
        assert running.connections() == 1
        (sink,) = made
        client.send(b"def")
        in_the_loop(running, sink.exchange.resume_body)
        wait_until(lambda: sink.size == 6)
        in_the_loop(running, sink.exchange.resume_body)
        assert client.response()[0] == 200
        client.close()


def test_trailers_and_the_end_come_though_the_response_has_begun() -> None:
    made: list[Narrow] = []
    with world(never, on_admit=taking(made)) as running:
        client = running.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"0\r\nX-Sum: 1\r\n\r\n")
        assert client.response()[0] == 200
        running.ended()
        assert made[0].told[0] == "finish [('X-Sum', '1')]"
        client.close()


def test_100_is_for_whoever_passes_the_request_on() -> None:
    made: list[Narrow] = []
    with world(never, on_admit=taking(made)) as running:
        client = running.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
        wait_until(lambda: made)
        threading.Event().wait(0.1)  # of itself it says nothing
        in_the_loop(running, lambda: made[0].exchange.inform(103, [("Link", "</a>")]))
        in_the_loop(running, lambda: made[0].exchange.inform(100, []))
        expected = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        assert client.sock.recv(4096) == expected
        client.close()
