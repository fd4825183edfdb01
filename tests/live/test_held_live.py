"""Answers of several connections that are kept for a moment and sent together (held.h): nobody may
see anything of it but speed.

A *gate* keeps the server from everything until several requests lie in its sockets: these come
to it in one batch of events.
"""

from __future__ import annotations

import random
import select
import socket
import sys
import time
from contextlib import ExitStack

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.wire import Wire

APP = "tests.live.apps.held:app"
#: Seconds for the requests of one batch to get into their sockets.
GATE = 0.15


@pytest.fixture(params=[0, 4], ids=lambda threads: f"threads{threads}")
def server(serve: Serve, request: pytest.FixtureRequest) -> LiveServer:
    return serve(APP, f"--threads={request.param}")


def get(target: str, *fields: str) -> str:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: h", *fields, "", ""])


def close_the_gate(server: LiveServer, gate: Wire, seconds: float) -> None:
    already = server.stderr_text().count(f"gate {seconds}")
    gate.send(get(f"/gate?{seconds}"))
    while server.stderr_text().count(f"gate {seconds}") == already:
        time.sleep(0.001)


def test_no_answer_waits_for_somebody_elses_application(server: LiveServer) -> None:
    with ExitStack() as stack:
        gate, other_gate, *clients = (stack.enter_context(server.connect()) for _ in range(7))
        # Accepted, all of them: a busy machine did so behind the gate, and read the other gate first.
        for client in (other_gate, *clients):
            assert client.get("/work/accepted").text == "accepted"
        close_the_gate(server, gate, GATE)
        for number, client in enumerate(clients):
            client.send(get(f"/{'closing' if number % 2 else 'work'}/token{number}"))
        other_gate.send(get("/gate?1.5"))
        began = time.monotonic()
        for number, client in enumerate(clients):
            assert client.read_reply().text == f"token{number}"
        assert not select.select([other_gate.sock], [], [], 0)[0], "they have waited for the second gate"
        assert other_gate.read_reply().status == 200
        assert time.monotonic() - began > GATE + 1.0, "the second gate was not closed meanwhile"


def test_each_gets_its_own_whatever_the_others_do(server: LiveServer) -> None:
    """Some ask twice, want the connection closed, go away rudely or read late."""
    dice = random.Random(20261123)
    with ExitStack() as stack:
        gate = stack.enter_context(server.connect())
        for turn in range(8):
            close_the_gate(server, gate, GATE)
            expected: list[tuple[Wire, list[str]]] = []
            for number in range(40):
                client = stack.enter_context(server.connect())
                token, size = f"t{turn}n{number}", dice.choice((1, 1, 1, 100, 3000))
                kind = dice.choice(("plain", "plain", "plain", "twice", "last", "rude"))
                target = f"/{dice.choice(('work', 'closing'))}/{token}?{size}"
                client.send(get(target, "Connection: close") if kind == "last" else get(target))
                if kind == "twice":
                    client.send(get(target))
                if kind == "rude":
                    client.reset()
                else:
                    expected.append((client, [token * size] * (2 if kind == "twice" else 1)))
            assert gate.read_reply().status == 200
            dice.shuffle(expected)
            for client, bodies in expected:
                assert [client.read_reply().text for _ in bodies] == bodies
                client.close()


@pytest.mark.skipif(sys.platform != "linux", reason="a receive buffer as small as this is Linux's")
def test_what_a_socket_does_not_take_is_sent_on(server: LiveServer) -> None:
    size = 16_000
    with ExitStack() as stack:
        gate, *clients = (stack.enter_context(server.connect()) for _ in range(2))
        for _ in range(3):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.settimeout(10)
            sock.connect((server.host, server.port))
            clients.append(stack.enter_context(Wire(sock)))
        for turn in range(3):
            close_the_gate(server, gate, GATE)
            for number, client in enumerate(clients):
                # As many answers as it takes to fill the socket's buffers, the last one held.
                client.send("".join(get(f"/work/{number}?{size}") for _ in range(1 if number == 0 else 8)))
            assert gate.read_reply().status == 200
            time.sleep(0.1 * turn)
            for number, client in enumerate(clients):
                for _ in range(1 if number == 0 else 8):
                    assert client.read_reply().text == str(number) * size


def test_lines_of_the_log_have_the_bytes_that_were_sent(server: LiveServer) -> None:
    with ExitStack() as stack:
        gate, *clients = (stack.enter_context(server.connect()) for _ in range(6))
        close_the_gate(server, gate, GATE)
        for number, client in enumerate(clients):
            client.send(get(f"/work/logged{number}?{number + 1}"))
        sizes = [len(client.sock.recv(65536)) for client in clients]
    for number, size in enumerate(sizes):
        server.wait_for_text(rf"GET /work/logged{number}\?{number + 1} HTTP/1\.1 200 {size} ")
