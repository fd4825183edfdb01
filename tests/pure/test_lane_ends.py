"""Calls in a lane whose end is not the usual one: the client has gone, or leaving the lane failed.

What such a call leaves behind, an operator finds in the log or nobody finds at all: these tests look
inside of the process.
"""

from __future__ import annotations

import gc
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from skitai import _kernels
from skitai.core.service import HttpService
from tests.live.apps import lanes as kinds
from tests.pure.test_lanes import Server, request
from tests.waiting import wait_until

#: Bytes of the answers that a lane puts together (``OUT`` in workspace.pxd).
TOGETHER = 65536


class Ends(Server):
    def __init__(self, threads: int) -> None:
        super().__init__(_kernels.engine.Engine, threads)
        self.reports: list[str] = []
        self.engine.report = self.reports.append

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=5)

    def serves_nobody(self) -> bool:
        return not self.engine.connections


@pytest.fixture(params=[0, 2])
def server(request: pytest.FixtureRequest) -> Iterator[Ends]:
    made = Ends(request.param)
    yield made
    made.stop()


victims: list[socket.socket] = []
is_asked, all_is_sent = threading.Event(), threading.Event()


def waits(environ: dict[str, Any], start: kinds.Start) -> Any:
    """Until the client has sent what it wants."""
    is_asked.set()
    assert all_is_sent.wait(5)
    start("200 OK", [])
    return [b"all is sent"]


def kills(environ: dict[str, Any], start: kinds.Start) -> Any:
    """The client is reset while the answer is made."""
    victim = victims.pop()
    victim.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    victim.close()
    start("200 OK", [])
    return [b"nobody"]


#: Bytes of the body of /fills.
filling = 0


def fills(environ: dict[str, Any], start: kinds.Start) -> Any:
    start("200 OK", [])
    return [b"f" * filling]


def lasts(environ: dict[str, Any], start: kinds.Start) -> Any:
    time.sleep(0.02)
    start("200 OK", [])
    return [b"at last"]


kinds.KINDS.update(kills=kills, fills=fills, waits=waits, lasts=lasts)


def test_a_client_that_has_gone_is_noticed_when_answers_do_not_fit_together(server: Ends) -> None:
    def was_closed_as_often_as_called() -> bool:
        return kinds.seen.count("close") == sum("GET /announced " in line for line in server.words.lines)

    global filling
    kinds.seen.clear()
    filling = 10_000
    with server.connect() as client:
        client.sendall(request("/fills"))
        head = len(client.recv(1 << 16)) - filling
    # The answer to /kills and four of these leave so few bytes that no further head fits.
    filling = TOGETHER // 4 - 40 - head
    for _ in range(3):
        client = server.connect()
        victims.append(client)
        is_asked.clear()
        all_is_sent.clear()
        client.sendall(request("/waits"))
        assert is_asked.wait(5)
        client.sendall(request("/kills") + request("/fills") * 4 + request("/announced"))
        all_is_sent.set()
        wait_until(server.serves_nobody)
        wait_until(was_closed_as_often_as_called)
        assert server.reports == []


@pytest.mark.parametrize(
    ("server", "path"), [(0, "/stream"), (2, "/stream"), (2, "/lasts")], indirect=["server"]
)
def test_a_call_that_cannot_leave_its_lane_ends_its_connection_only(
    server: Ends, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> Any:
        raise MemoryError("as it happens")

    if _kernels.implementation() == "pure":
        pytest.skip("the pure build has no lanes")
    monkeypatch.setattr(HttpService, "go_on", fail)
    with server.connect() as client, server.connect() as other:
        client.sendall(request(path))
        with pytest.raises(ConnectionResetError):
            client.recv(1 << 16)
        for _ in range(3):
            other.sendall(request("/one_list"))
            assert other.recv(1 << 16).endswith(b"plain")
    wait_until(lambda: server.reports and server.serves_nobody())


def test_nothing_of_a_call_that_left_its_lane_waits_for_the_collector(server: Ends) -> None:
    def ask() -> None:
        for path in ("/stream", "/announced", "/lasts", "/one_list"):
            with server.connect() as client:
                client.sendall(request(path))
                assert client.recv(1 << 16)
        wait_until(server.serves_nobody)

    def left() -> int:
        names = [type(thing).__name__ for thing in gc.get_objects()]
        return sum(name in ("Call", "Run", "GeneralConnection", "Connection") for name in names)

    for _ in range(3):
        ask()
    gc.collect()
    gc.disable()
    try:
        before = left()
        for _ in range(20):
            ask()
        # And one call that is kept for the next request by each thread that leads.
        wait_until(lambda: left() <= before + 2 + 4)
    finally:
        gc.enable()


CHUNKED = request("/echo", method="POST", fields="Transfer-Encoding: chunked\r\n")
#: What one client sends, and whether it hangs up in the midst of it.  All of it is beyond a lane.
BEYOND_A_LANE = {
    "chunks": ([CHUNKED + b"1\r\nx\r\n0\r\n\r\n"], False),
    "kept, and back in its lane": ([CHUNKED + b"1\r\nx\r\n0\r\n\r\n", request("/one_list")] * 3, False),
    "a response in pieces": ([request("/stream"), request("/stream")], False),
    "a failure": ([request("/raises")], False),
    "a bad head": ([b"GET / HTTP/1.1\nHost: h\n\n"], False),
    "a bad chunk": ([CHUNKED + b"zz\r\n"], False),
    "too large": ([request("/echo", method="POST", fields="Content-Length: 99999999999\r\n")], False),
    "cut in its body": ([CHUNKED + b"1\r\n"], True),
    "cut while it is answered": ([request("/stream") + CHUNKED], True),
}


@pytest.mark.parametrize("kind", BEYOND_A_LANE)
def test_nothing_of_a_connection_that_has_ended_waits_for_the_collector(server: Ends, kind: str) -> None:
    pieces, is_cut = BEYOND_A_LANE[kind]

    def ask() -> None:
        for _ in range(5):
            with server.connect() as client:
                for piece in pieces:
                    client.sendall(piece)
                    if not is_cut:
                        assert client.recv(1 << 16)
                if is_cut:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_until(server.serves_nobody)

    def left() -> int:
        general = ("GeneralConnection", "Connection", "ServerConnection", "Exchange", "Run")
        return sum(type(thing).__name__ in general for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = left()
        ask()
        wait_until(lambda: left() <= before)
    finally:
        gc.enable()


def test_an_answer_that_never_left_is_logged_as_such_and_not_as_another_connections(
    server: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something of ours breaks behind an answer that waits for the next one."""
    if _kernels.implementation() == "pure":
        pytest.skip("the pure build has no lanes")
    lane = HttpService.lane

    def breaks(self: HttpService, host: str, path: str, info: Any) -> Any:
        if host == "broken":
            raise RuntimeError("no lane")
        return lane(self, host, path, info)

    monkeypatch.setattr(HttpService, "lane", breaks)
    with server.connect() as client:
        client.sendall(request("/one_list") + b"GET /one_list HTTP/1.1\r\nHost: broken\r\n\r\n")
        assert client.recv(1 << 16) == b""
    wait_until(lambda: server.reports == ["answering a request"])
    server.words.lines.clear()
    with server.connect() as client:
        client.sendall(request("/announced"))
        assert client.recv(1 << 16)
    wait_until(lambda: len(server.words.lines) == 2)
    lost, sent = (line.split(" ")[2:6] for line in server.words.lines)
    assert lost == ["GET", "/one_list", "HTTP/1.1", "200"]
    assert server.words.lines[0].split(" ")[6] == "0"
    assert sent == ["GET", "/announced", "HTTP/1.1", "200"]
    assert server.words.lines[1].split(" ")[6] != "0"
