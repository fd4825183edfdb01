"""Questions over WebSockets: to the library websockets, and to servers that do not answer as they should."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from websockets.http11 import Request as Handshake
from websockets.http11 import Response as Refusal
from websockets.sync.server import ServerConnection

from skitai.core.outbound.request import Origin, Outcome, Request, TLSOptions
from skitai.errors import CallCancelled, ConnectError, NetworkTimeout, ReadError, TLSError
from tests import certificates
from tests.core.outbound.peers import PATIENCE, Asking, Client, Peer, Pending, until
from tests.core.outbound.wspeers import peer


@contextlib.contextmanager
def client(**limits: Any) -> Iterator[Asking]:
    asking = Asking(**limits)
    try:
        yield asking
        assert asking.reports == []
    finally:
        asking.close()


def begin(asking: Asking, origin: Origin, message: str | bytes, target: str = "/", **options: Any) -> Pending:
    return asking.begin(Request("GET", origin, target, message=message, **options))


def ask(asking: Asking, origin: Origin, message: str | bytes, target: str = "/", **options: Any) -> Outcome:
    return begin(asking, origin, message, target, **options).outcome()


def said(outcome: Outcome) -> str | bytes:
    assert outcome.response is not None, outcome.error
    return outcome.response.message


def test_text_and_bytes_over_one_connection() -> None:
    with peer() as server, client() as asking:
        for message in ("text é", b"\xff" * 200_000, "", b"", "a" * 100_000):
            outcome = ask(asking, server.origin, message)
            assert said(outcome) == message
            assert outcome.response.head.status == 200
            assert outcome.elapsed > 0
        assert len(server.connections) == 1
        assert asking.client.snapshot()["origins"] == {
            f"ws://127.0.0.1:{server.port}/": {"idle": 1, "busy": 0, "connecting": 0, "waiting": 0}
        }


def test_a_connection_is_for_one_path_and_set_of_fields() -> None:
    with peer() as server, client() as asking:
        for target, fields in (("/a", []), ("/a?q=1", []), ("/a", [("X-User", "hans")])):
            for _ in range(2):
                assert said(ask(asking, server.origin, "x", target, headers=list(fields))) == "x"
        assert [connection.request.path for connection in server.connections] == ["/a", "/a?q=1", "/a"]
        assert [server.field(place, "X-User") for place in range(3)] == [None, None, "hans"]
        assert server.field(0, "Host") == f"127.0.0.1:{server.port}"


def test_questions_wait_for_a_connection() -> None:
    with peer() as server, client(call_connections_per_host_max=2) as asking:
        asked = [begin(asking, server.origin, str(number)) for number in range(50)]
        assert [said(pending.outcome()) for pending in asked] == [str(number) for number in range(50)]
        assert len(server.connections) == 2


# -- connections that end -------------------------------------------------------------------------


def test_a_late_answer_costs_its_connection() -> None:
    go_on, heard = threading.Event(), []

    def script(connection: ServerConnection) -> None:
        for message in connection:
            heard.append(message)
            if message == "slow":
                go_on.wait(PATIENCE)
            connection.send(message)

    with peer(script) as server, client() as asking:
        outcome = ask(asking, server.origin, "slow", deadline=monotonic() + 0.5)
        assert isinstance(outcome.error, NetworkTimeout)
        assert outcome.error.limit == "timeout"
        go_on.set()
        assert said(ask(asking, server.origin, "next")) == "next"
        assert len(server.connections) == 2
        until(lambda: server.connections[0].close_code == 1000)
        assert heard == ["slow", "next"]


def test_a_connection_that_has_ended_meanwhile() -> None:
    with peer() as server, client() as asking:
        assert said(ask(asking, server.origin, "one")) == "one"
        server.connections[0].close(1001)
        assert said(ask(asking, server.origin, "two")) == "two"
        assert len(server.connections) == 2


def test_what_was_sent_is_not_sent_again() -> None:
    heard = []

    def script(connection: ServerConnection) -> None:
        for message in connection:
            heard.append(message)
            if message == "bye":
                connection.close(4000, "enough")
            elif message == "cut":
                connection.socket.close()
            else:
                connection.send(message)

    with peer(script) as server, client() as asking:
        for last, words in (("bye", "4000 enough"), ("cut", "without an answer")):
            assert said(ask(asking, server.origin, "hello")) == "hello"
            error = ask(asking, server.origin, last).error
            assert isinstance(error, ReadError)
            assert words in str(error)
        assert heard == ["hello", "bye", "hello", "cut"]


def test_nobody_gets_the_answer_to_another_question() -> None:
    def script(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)
            connection.send("and another thing")

    with peer(script) as server, client() as asking:
        for number in range(3):
            assert said(ask(asking, server.origin, str(number))) == str(number)
            until(lambda: server.connections[-1].close_code == 1000)
        assert len(server.connections) == 3


def test_idle_ones_are_closed() -> None:
    with peer() as server, client(call_keep_alive=0.1) as asking:
        ask(asking, server.origin, "x")
        until(lambda: server.connections[0].close_code == 1000)
        until(lambda: asking.client.snapshot()["connections"] == 0)


def test_nobody_wants_the_answer() -> None:
    def script(connection: ServerConnection) -> None:
        for _ in connection:
            """Never says anything."""

    with peer(script) as server, client() as asking:
        pending = begin(asking, server.origin, "x")
        until(lambda: bool(server.connections))
        pending.handle.cancel()
        assert isinstance(pending.outcome().error, CallCancelled)
        until(lambda: server.connections[0].close_code == 1000)


def test_the_client_ends() -> None:
    answering = threading.Event()

    def script(connection: ServerConnection) -> None:
        for message in connection:
            if message == "idle":
                connection.send("idle")
            else:
                answering.set()

    with peer(script) as server, client() as asking:
        assert said(ask(asking, server.origin, "idle", "/idle")) == "idle"
        pending = begin(asking, server.origin, "busy", "/busy")
        assert answering.wait(PATIENCE)
        asking.client.close()
        assert isinstance(pending.outcome().error, CallCancelled)
        until(lambda: [connection.close_code for connection in server.connections] == [1000, 1000])
        assert isinstance(ask(asking, server.origin, "late").error, CallCancelled)


# -- openings that fail ---------------------------------------------------------------------------


def test_no_websocket_there() -> None:
    def refuse(connection: ServerConnection, handshake: Handshake) -> Refusal:
        return connection.respond(HTTPStatus.NOT_FOUND, "no")

    with peer(process_request=refuse) as server, client() as asking:
        error = ask(asking, server.origin, "x", "/chat?key=1").error
        assert isinstance(error, ConnectError)
        assert str(error).startswith(
            f"no WebSocket at ws://127.0.0.1:{server.port}/chat: the server answered 404"
        )
        until(lambda: asking.client.snapshot()["connections"] == 0)


@contextlib.contextmanager
def silence() -> Iterator[tuple[Peer, threading.Event]]:
    """Reads the handshake, and says nothing; whether ours has gone."""
    gone = threading.Event()

    def script(client: Client) -> None:
        try:
            while client.request():
                """Never answers."""
        finally:
            gone.set()

    server = Peer(script)
    try:
        yield server, gone
    finally:
        server.close()


@pytest.mark.parametrize("limit", ["connect_timeout", "timeout"])
def test_an_opening_has_a_clock(limit: str) -> None:
    with silence() as (server, gone), client() as asking:
        times = {"connect_timeout": 0.1} if limit == "connect_timeout" else {"deadline": monotonic() + 0.1}
        error = ask(asking, server.origin, "x", **times).error
        assert isinstance(error, NetworkTimeout)
        assert error.limit == limit
        assert gone.wait(PATIENCE)
        until(lambda: asking.client.snapshot()["connections"] == 0)


def test_an_opening_that_nobody_wants() -> None:
    with silence() as (server, gone), client() as asking:
        pending = begin(asking, server.origin, "x", connect_timeout=PATIENCE)
        until(lambda: bool(server.requests))
        pending.handle.cancel()
        assert isinstance(pending.outcome().error, CallCancelled)
        assert gone.wait(PATIENCE)


def test_tls(tmp_path: Path) -> None:
    files = certificates.server(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certfile, files.keyfile)
    with peer(context=context) as server, client() as asking:
        origin = Origin("https", "127.0.0.1", server.port, TLSOptions(cafile=str(files.certfile)))
        for message in ("text", b"\x00" * 100_000):
            assert said(ask(asking, origin, message)) == message
        assert len(server.connections) == 1
        assert f"wss://127.0.0.1:{server.port}/" in asking.client.snapshot()["origins"]
        assert isinstance(ask(asking, origin._replace(tls=TLSOptions()), "x").error, TLSError)
