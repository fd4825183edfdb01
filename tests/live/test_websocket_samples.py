"""README's samples of WebSockets, as files of ``examples/websocket``, through the running server; the client
is the library websockets, which we did not write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import requests
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import ClientConnection, connect

from tests.live.program import REPO, LiveServer, Serve
from tests.live.test_parking_live import only_parked

EXAMPLES = REPO / "examples" / "websocket"

Dial = Callable[[str], ClientConnection]


@pytest.fixture(scope="module", params=[0, 4], ids=["threads=0", "threads=4"])
def server(serve_conf_module: Serve, request: pytest.FixtureRequest) -> LiveServer:
    return serve_conf_module(
        f"[server]\nip = 127.0.0.1\nthreads = {request.param}\n[routes:line]\n"
        f"/ = {EXAMPLES}/saddlestyle:app\n/flask = {EXAMPLES}/flaskstyle:app\n"
        f"/was = {EXAMPLES.parent}/was/messaging:app\n"
    )


@pytest.fixture
def dial(server: LiveServer) -> Iterator[Dial]:
    with ExitStack() as stack:
        yield lambda path: stack.enter_context(
            connect(f"ws://{server.host}:{server.port}{path}", open_timeout=10, close_timeout=5)
        )


@pytest.mark.parametrize("mount", ["", "/flask"])
def test_echo(dial: Dial, mount: str) -> None:
    client = dial(f"{mount}/websocket/echo")
    for text in ("Hello", "", "a=1&b=%41 +", "Grüße \N{SNOWMAN}", "x" * 100_000):
        client.send(text)
        assert client.recv(10) == "ECHO:" + text


@only_parked
def test_a_handler_asks_us(server: LiveServer, session: requests.Session) -> None:
    """Without threads it can only be answered if the handler keeps nothing where it waits."""
    echo = f"ws://{server.host}:{server.port}/websocket/echo"
    for text in ("Hello", "a=1&b=%41 +", "x" * 1000):
        reply = session.get(f"{server.url}/was/say", params={"url": echo, "message": text})
        assert (reply.status_code, reply.text) == (200, "ECHO:" + text)
    talk = f"ws://{server.host}:{server.port}/websocket/talk?name=Hans"
    reply = session.get(f"{server.url}/was/talk", params={"url": talk, "words": "hello again"})
    assert (reply.status_code, reply.text) == (200, "Hello, Hans\nYou Said:again")


def test_echo_in_order(dial: Dial) -> None:
    client = dial("/websocket/echo")
    for number in range(200):
        client.send(str(number))
    assert [client.recv(10) for _ in range(200)] == [f"ECHO:{number}" for number in range(200)]


def test_talk(dial: Dial) -> None:
    client = dial("/websocket/talk?name=Member")
    client.send("hello")
    assert client.recv(10) == "Hello, Member"
    client.send("What time is it?")
    assert client.recv(10) == "You Said:What time is it?"
    client.send("bye")
    assert client.recv(10) == "Bye, have a nice day.bye"
    with pytest.raises(ConnectionClosedOK):
        client.recv(10)


def test_chat(dial: Dial) -> None:
    hans, maria, elsewhere = (
        dial("/websocket/chat?roomid=1"),
        dial("/websocket/chat?roomid=1"),
        dial("/websocket/chat?roomid=2"),
    )
    hans.send("Is anybody here?")
    said = hans.recv(10)
    assert maria.recv(10) == said
    assert isinstance(said, str)
    assert said.endswith("Said: Is anybody here?")
    maria.send("I am.")
    answer = hans.recv(10)
    assert answer == maria.recv(10)
    assert isinstance(answer, str)
    assert answer.split()[:2] != said.split()[:2], "two clients have one number"
    elsewhere.send("alone")
    assert str(elsewhere.recv(10)).endswith("Said: alone"), "a message came to another room"
    maria.close()
    hans.send("gone")
    assert str(hans.recv(10)).endswith("Said: gone"), "the room has ended with one of its clients"


def test_a_room_begins_again(dial: Dial) -> None:
    for text in ("one", "two"):
        client = dial("/websocket/chat?roomid=again")
        client.send(text)
        assert str(client.recv(10)).endswith(f"Said: {text}")
        client.close()
