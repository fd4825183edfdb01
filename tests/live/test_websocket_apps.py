"""What applications with WebSockets may count on, through the running server."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.live.program import LiveServer, Serve

Dial = Callable[..., ClientConnection]

THREADS = [0, 4]
#: Messages of 20 KB, far more than sockets hold.
FLOOD = 1500


@pytest.fixture(scope="module", params=THREADS, ids=[f"threads={count}" for count in THREADS])
def server(serve_module: Serve, request: pytest.FixtureRequest) -> LiveServer:
    return serve_module("tests.live.apps.sockets:app", "--threads", str(request.param), "--ws-loops-max", "3")


@pytest.fixture
def dial(server: LiveServer) -> Iterator[Dial]:
    def dial(path: str, **options: Any) -> ClientConnection:
        url = f"ws://{server.host}:{server.port}{path}"
        return stack.enter_context(connect(url, open_timeout=10, close_timeout=5, **options))

    with ExitStack() as stack:
        yield dial


def refusal(dial: Dial, path: str, **options: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as failure:
        dial(path, **options)
    response = failure.value.response
    return response.status_code, bytes(response.body).decode()


def end(client: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as failure:
        client.recv(10)
    close = failure.value.rcvd
    assert close is not None, "the connection was cut"
    return close.code, close.reason


def read_all(client: ClientConnection, timeout: float) -> tuple[list[str], int | None]:
    """Until nothing comes for so long (None), or the end, with its code."""
    texts = []
    try:
        while True:
            texts.append(str(client.recv(timeout)))
    except TimeoutError:
        return texts, None
    except ConnectionClosed as error:
        return texts, error.rcvd and error.rcvd.code


# -- REQDATA


def test_a_message_is_an_argument_and_stands_raw(dial: Dial) -> None:
    client = dial("/raw")
    for message in ("text", "", "Grüße", b"\x00\xff bytes", b""):
        client.send(message)
        assert client.recv(10) == message


def test_a_body_in_pieces_is_one_message(dial: Dial) -> None:
    client = dial("/pieces")
    client.send("three")
    assert client.recv(10) == "one two three"


def test_one_call_at_a_time_and_in_order(dial: Dial) -> None:
    client = dial("/slow")
    numbers = [str(number) for number in range(100)]
    for number in numbers:
        client.send(number)
    assert [client.recv(10) for _ in numbers] == numbers
    client.send("?")
    seen = str(client.recv(10)).split()
    assert seen[: 2 * len(numbers)] == [mark + number for number in numbers for mark in "+-"]


def test_a_call_does_not_see_the_context_of_the_one_before(dial: Dial) -> None:
    client = dial("/marked")
    for number in range(5):
        client.send(str(number))
    assert [client.recv(10) for _ in range(5)] == ["unmarked"] * 5


@pytest.mark.parametrize("threads", THREADS)
def test_calls_that_end_in_asyncio_are_followed_by_the_next(serve: Serve, threads: int) -> None:
    server = serve("tests.live.apps.sockets:saddle", "--threads", str(threads))
    with connect(f"ws://{server.host}:{server.port}/awaited", open_timeout=10, close_timeout=5) as client:
        for number in range(20):
            client.send(str(number))
        assert [client.recv(10) for _ in range(20)] == [str(number) for number in range(20)]


@pytest.mark.parametrize(("message", "code"), [("raise", 1011), ("500", 1011), ("503", 1013), ("404", 1008)])
def test_a_call_that_fails_closes(dial: Dial, server: LiveServer, message: str, code: int) -> None:
    client = dial("/fails")
    client.send("nothing")
    client.send("200")
    assert client.recv(10) == "status 200", "204 was answered"
    client.send(message)
    assert end(client)[0] == code
    if message == "raise":
        server.wait_for_text("LookupError: a secret of the application")


def test_messages_see_the_environ_of_the_handshake(dial: Dial) -> None:
    client = dial("/first", additional_headers={"X-Name": "Hans"})
    client.send("x")
    assert client.recv(10) == "/first Hans []"


def test_a_client_that_leaves_in_the_midst_leaves_nothing(dial: Dial, server: LiveServer) -> None:
    for _ in range(20):
        client = dial("/slow")
        for number in range(10):
            client.send(str(number))
        client.socket.close()
    client = dial("/echo")
    client.send("still here")
    assert client.recv(10) == "still here"


@pytest.mark.parametrize("build", ["compiled", "pure"])
def test_who_stops_answers_first(serve: Serve, build: str) -> None:
    env = {"SKITAI_PURE": "1"} if build == "pure" else {}
    server = serve("tests.live.apps.sockets:app", "--threads", "4", env=env)
    with connect(f"ws://{server.host}:{server.port}/lasting", open_timeout=10, close_timeout=5) as client:
        client.send("one")
        client.send("two")
        assert client.ping().wait(10), "both messages have come"
        server.process.send_signal(signal.SIGTERM)
        assert read_all(client, 10) == (["one", "two"], 1001)


# -- the handshake


def test_who_does_not_want_it_answers_as_ever(dial: Dial) -> None:
    assert refusal(dial, "/plain") == (200, "plain")


def test_what_is_no_design_is_said(dial: Dial, server: LiveServer) -> None:
    assert refusal(dial, "/broken")[0] == 500
    server.wait_for_text(r"ValueError: environ\[.websocket_init.\] must be a tuple")


def test_pages_of_other_sites_may_not_connect(dial: Dial, server: LiveServer) -> None:
    assert refusal(dial, "/echo", origin="https://evil.example")[0] == 403
    assert refusal(dial, "/anywhere", origin="https://evil.example")[0] == 403
    assert refusal(dial, "/echo", origin="null")[0] == 403
    for path, origin in (
        ("/echo", f"http://{server.host}:{server.port}"),
        ("/anywhere", "https://friend.example"),
    ):
        client = dial(path, origin=origin)
        client.send("friend")
        assert client.recv(10) == "friend"


def test_a_bad_handshake_is_no_websocket(server: LiveServer) -> None:
    good = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    for name, value, status in (
        ("Sec-WebSocket-Version", "8", 426),
        ("Sec-WebSocket-Key", "short", 400),
        ("Connection", "keep-alive", 400),
    ):
        with server.connect() as wire:
            fields = {**good, name: value}
            wire.request("GET", "/echo", *(f"{key}: {text}" for key, text in fields.items()))
            reply = wire.read_reply()
            assert reply.status == status
            if status == 426:
                assert reply.get("Sec-WebSocket-Version") == "13"


# -- DEDICATE


def test_a_loop_of_its_own(dial: Dial) -> None:
    client = dial("/dedicated", subprotocols=["v1", "v2"])
    client.send("protocol")
    assert client.recv(10) in ("v1", "v2")
    client.send("idle")
    assert client.recv(10) == "[]"
    client.send("number")
    assert "json.dumps" in str(client.recv(10))
    client.send(b"\x00")
    assert client.recv(10) == b"\x00"
    client.send("close")
    assert end(client) == (4001, "as you say")


@pytest.mark.parametrize(("message", "code"), [("return", 1000), ("fail", 1011)])
def test_a_loop_that_ends_closes(dial: Dial, message: str, code: int) -> None:
    client = dial("/dedicated")
    client.send("before")
    client.send(message)
    assert client.recv(10) == "before"
    assert end(client)[0] == code


def test_loops_that_have_threads_are_bounded(dial: Dial) -> None:
    clients = [dial("/dedicated") for _ in range(3)]
    assert refusal(dial, "/dedicated")[0] == 503
    for client in clients:
        client.send("return")
        assert end(client)[0] == 1000
    wanted: list[int] = []
    for _ in range(50):
        try:
            dial("/dedicated").close()
            break
        except InvalidStatus as error:  # the last thread has not ended yet
            wanted.append(error.response.status_code)
            threading.Event().wait(0.1)
    else:
        pytest.fail(f"no thread was given back: {wanted}")


def test_joining_a_room_that_is_open_needs_no_thread(dial: Dial) -> None:
    first = dial("/room?id=full")
    assert str(first.recv(10)).endswith(" +1")
    loops = [dial("/dedicated") for _ in range(2)]
    assert refusal(dial, "/room?id=another")[0] == 503
    assert str(dial("/room?id=full").recv(10)).endswith(" +1")
    for client in loops:
        client.send("return")
        assert end(client)[0] == 1000


def test_one_that_has_left_takes_no_other_one_with_it(dial: Dial) -> None:
    """Its loop ends, and its own client is not left to a loop that is no more."""
    first, second = dial("/crossed"), dial("/crossed")
    first.send("here")
    assert first.recv(10) == "here"
    first.close()
    second.send("to the first")
    assert end(second)[0] == 1011


# -- MULTICAST


def test_who_joins_and_leaves_is_told_where_that_is_asked_for(dial: Dial) -> None:
    first = dial("/room?id=notices")
    said = str(first.recv(10))
    assert said.endswith(" +1")
    second = dial("/room?id=notices")
    joined = str(first.recv(10))
    assert joined.endswith(" +1")
    assert joined != said
    second.close()
    assert first.recv(10) == joined.replace("+1", "-1")


def test_one_and_all(dial: Dial) -> None:
    first = dial("/room?id=all")
    assert str(first.recv(10)).endswith(" +1")
    second = dial("/room?id=all")
    for client in (first, second):
        assert str(client.recv(10)).endswith(" +1")
    first.send("me")
    assert str(first.recv(10)).startswith("you are ")
    first.send("who")
    assert first.recv(10) == second.recv(10) == "2 here"
    second.send(b"\x01\x02")
    assert first.recv(10) == second.recv(10) == b"\x01\x02"
    first.send("send")
    assert "sendto(client_id, message)" in str(second.recv(10))


@pytest.mark.parametrize(("message", "code"), [("end", 1000), ("fail", 1011)])
def test_a_room_whose_loop_ends_sends_all_away(dial: Dial, message: str, code: int) -> None:
    first, second = dial(f"/room?id={message}"), dial(f"/room?id={message}")
    assert str(second.recv(10)).endswith(" +1")
    second.send(message)
    for client in (first, second):
        assert read_all(client, 10)[1] == code
    again = dial(f"/room?id={message}")
    assert str(again.recv(10)).endswith(" +1")


def test_a_room_must_be_named(dial: Dial) -> None:
    status, text = refusal(dial, "/room")
    assert status == 400
    assert "?id=" in text


@pytest.mark.parametrize("policy", ["close", "drop_oldest"])
def test_a_client_that_does_not_read_holds_up_nobody(dial: Dial, policy: str) -> None:
    lazy = dial(f"/room?id=lazy-{policy}&slow={policy}", max_queue=1)
    busy = dial(f"/room?id=lazy-{policy}&slow={policy}", max_queue=None)
    assert str(busy.recv(10)).endswith(" +1")
    busy.send("flood")
    numbers = [int(str(busy.recv(20))[:6]) for _ in range(FLOOD)]
    assert numbers == list(range(FLOOD)), "a client that reads has missed some"
    texts, code = read_all(lazy, 2)
    got = [int(text[:6]) for text in texts if len(text) > 100]
    assert got == sorted(set(got))
    assert len(got) < FLOOD
    if policy == "close":
        assert code == 1008
    else:
        assert code is None
        assert got[-1] == FLOOD - 1, "the newest were dropped"
