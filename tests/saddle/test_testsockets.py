"""WebSockets of the test client."""

from __future__ import annotations

import threading

import pytest

import skitai
from examples.websocket.saddlestyle import app as samples
from skitai.errors import LocalProtocolError
from skitai.saddle import Saddle
from skitai.saddle.testclient import TestClient, WebSocketClosed, WebSocketRefused
from tests.live.apps.sockets import app as plain
from tests.waiting import wait_until


@pytest.fixture
def client():
    with TestClient(plain) as client:
        yield client


def threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("http://localhost")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    wait_until(lambda: not threads())


# -- REQDATA


@pytest.mark.parametrize("application", ["saddle", "flask"])
def test_echo_of_the_samples(application):
    if application == "flask":
        client = TestClient(pytest.importorskip("examples.websocket.flaskstyle").app)
    else:
        client = samples.test_client()
    with client.websocket("/websocket/echo") as ws:
        for text in ("hi", "", "a=1&b=%41 +", "Grüße \N{SNOWMAN}"):
            ws.send(text)
            assert ws.receive(timeout=5) == f"ECHO:{text}"
        assert ws.close_code is None
    assert ws.close_code == 1000


def test_a_message_calls_the_application_in_this_thread():
    seen = []
    app = Saddle(__name__)

    @app.before_request
    def before(was):
        seen.append(("before", threading.get_ident()))

    @app.route("/echo")
    def echo(was, message=None, name=None):
        if "websocket_init" in was.env:
            was.env["websocket_init"] = (skitai.WEBSOCKET_REQDATA, 60, "message")
            was.env["kept"] = object()  # of the handshake, for the calls
            return ""
        seen.append((name, message, was.env["kept"] is not None, was.cookie.get("user")))
        return was.env["skitai.websocket.message"]

    client = app.test_client()
    client.set_cookie("user", "hans")
    with client.websocket("/echo", params={"name": "Maria"}) as ws:
        ws.send("one")
        assert ws.receive() == "one"
        ws.send(b"\x00\xff")
        assert ws.receive() == b"\x00\xff", "it is no text"
    here = ("before", threading.get_ident())
    assert seen[:3] == [here, here, ("Maria", "one", True, "hans")]


def test_messages_as_under_the_server(client):
    with client.websocket("/raw") as ws:
        for message in ("text", b"\x00\xff bytes", b""):
            ws.send(message)
            assert ws.receive() == message
    with client.websocket("/pieces") as ws:
        ws.send("three")
        assert ws.receive() == "one two three"
    with client.websocket("/first", headers={"X-Name": "Hans"}) as ws:
        ws.send("x")
        assert ws.receive() == "/first Hans []"


def test_nothing_to_receive_is_said_at_once(client):
    with client.websocket("/fails") as ws:
        ws.send("nothing")
        with pytest.raises(TimeoutError):
            ws.receive(timeout=3600)


@pytest.mark.parametrize(("message", "code"), [("500", 1011), ("503", 1013), ("404", 1008)])
def test_a_call_that_fails_closes(client, message, code):
    with client.websocket("/fails") as ws:
        ws.send("200")
        ws.send(message)
        assert ws.receive() == "status 200"
        with pytest.raises(WebSocketClosed) as closed:
            ws.receive()
        assert closed.value.code == ws.close_code == code
        with pytest.raises(WebSocketClosed):
            ws.send("more")


def test_what_a_call_raises_comes_out_of_send(client):
    with client.websocket("/fails") as ws:
        with pytest.raises(LookupError, match="a secret"):
            ws.send("raise")
        assert ws.close_code == 1011


def test_or_it_only_closes():
    client = TestClient(plain, raise_exceptions=False)
    with client.websocket("/fails") as ws:
        ws.send("raise")
        assert ws.close_code == 1011
    with client.websocket("/dedicated") as ws:
        ws.send("fail")
        with pytest.raises(WebSocketClosed, match="1011"):
            ws.receive()


def test_what_is_no_message(client):
    with client.websocket("/raw") as ws, pytest.raises(TypeError, match="str or bytes"):
        ws.send(5)


# -- the handshake


@pytest.mark.parametrize(
    ("path", "headers", "status", "text"),
    [
        ("/plain", {}, 200, "plain"),
        ("/broken", {}, 500, "must be a tuple"),
        ("/echo", {"Origin": "https://evil.example"}, 403, "may not connect"),
        ("/room", {}, 400, "?id="),
    ],
)
def test_refusals(client, path, headers, status, text):
    with pytest.raises(WebSocketRefused) as refused:
        client.websocket(path, headers=headers)
    assert refused.value.response.status_code == status
    assert text in refused.value.response.text
    assert text in str(refused.value)


@pytest.mark.parametrize(
    ("path", "origin"), [("/echo", "http://localhost"), ("/anywhere", "https://friend.example")]
)
def test_pages_that_may_connect(client, path, origin):
    with client.websocket(path, params={"x": 1}, headers={"Origin": origin}) as ws:
        ws.send("friend")
        assert ws.receive() == "friend"


def test_a_handshake_that_raises():
    with pytest.raises(KeyError):
        TestClient(plain).websocket("/nowhere")
    with pytest.raises(WebSocketRefused) as refused:
        TestClient(plain, raise_exceptions=False).websocket("/nowhere")
    assert refused.value.response.status_code == 500
    assert isinstance(refused.value.__cause__, KeyError)


def test_cookies_of_a_refusal_are_kept():
    app = Saddle(__name__)

    @app.before_request
    def before(was):
        was.cookie.set("seen", "yes")
        was.response.set_status("401 Unauthorized")
        return "who are you?"

    @app.route("/")
    def index(was):
        return "nobody comes here"

    client = app.test_client()
    with pytest.raises(WebSocketRefused, match="who are you"):
        client.websocket("/")
    assert client.cookie("seen") == "yes"


# -- DEDICATE


def test_talk_of_the_samples():
    with samples.test_client() as client:
        ws = client.websocket("/websocket/talk?name=Member")
        ws.send("hello")
        assert ws.receive(timeout=5) == "Hello, Member"
        ws.send("bye")
        assert ws.receive() == "Bye, have a nice day.bye"
        with pytest.raises(WebSocketClosed):
            ws.receive()
        assert ws.close_code == 1000


def test_a_loop_of_its_own(client):
    with client.websocket("/dedicated", subprotocols=["v1", "v2"]) as ws:
        assert ws.subprotocol == "v1"
        ws.send("protocol")
        assert ws.receive() == "v1"
        ws.send("idle")
        assert ws.receive() == "[]"
        ws.send(b"\x00")
        assert ws.receive() == b"\x00"
        with pytest.raises(TimeoutError):
            ws.receive(timeout=0.01)
        ws.send("close")
        with pytest.raises(WebSocketClosed):
            ws.receive()
        assert (ws.close_code, ws.close_reason) == (4001, "as you say")


def test_the_client_closes(client):
    ws = client.websocket("/dedicated")
    ws.send("before")
    with pytest.raises(LocalProtocolError, match="1006"):
        ws.close(1006)
    ws.close(4000, "enough")
    ws.close(4001, "again")
    assert (ws.close_code, ws.close_reason) == (4000, "enough")
    assert not threads(), "close() waits for the handler"


@pytest.mark.parametrize("told_by", ["receive", "close", "send"])
def test_what_a_loop_raises(client, told_by):
    ws = client.websocket("/dedicated")
    ws.send("fail")
    wait_until(lambda: ws.close_code == 1011)
    with pytest.raises(LookupError, match="a secret"):
        {"receive": ws.receive, "close": ws.close, "send": lambda: ws.send("more")}[told_by]()
    ws.close()  # it is told once


def test_a_loop_that_goes_on_is_a_failure(client, monkeypatch):
    go = threading.Event()

    def stubborn(environ, start_response):
        if "websocket_init" in environ:
            environ["websocket_init"] = (skitai.WEBSOCKET_DEDICATE, 60, None)
        else:
            go.wait(30)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b""]

    monkeypatch.setattr("skitai.saddle.testsockets._PATIENCE", 0.05)
    ws = TestClient(stubborn).websocket("/stubborn")
    with pytest.raises(AssertionError, match="has not returned"):
        ws.close()
    go.set()


def test_writing_to_one_that_has_left_is_no_failure():
    app = Saddle(__name__)

    @app.route("/late")
    def late(was):
        if "websocket_init" in was.env:
            was.env["websocket_init"] = (skitai.WEBSOCKET_DEDICATE, 60, None)
            return ""
        ws = was.env["websocket"]
        for _ in ws:
            "until it has gone"
        ws.send("too late")

    with app.test_client().websocket("/late") as ws:
        ws.send("hi")


def test_async_handlers():
    app = Saddle(__name__)

    @app.route("/async")
    async def talk(was):
        if "websocket_init" in was.env:
            was.env["websocket_init"] = (skitai.WEBSOCKET_DEDICATE, 60, None)
            return ""
        async for message in was.env["websocket"]:
            was.env["websocket"].send(message.upper())

    with app.test_client().websocket("/async") as ws:
        ws.send("hi")
        assert ws.receive() == "HI"


# -- MULTICAST


def test_chat_of_the_samples():
    client, other = samples.test_client(), samples.test_client()
    with (
        client.websocket("/websocket/chat?roomid=1") as hans,
        other.websocket("/websocket/chat?roomid=1") as maria,
        client.websocket("/websocket/chat?roomid=2") as elsewhere,
    ):
        hans.send("Is anybody here?")
        said = hans.receive()
        assert maria.receive() == said
        assert said.endswith("Said: Is anybody here?")
        elsewhere.send("alone")
        assert elsewhere.receive().endswith("Said: alone")
        maria.close()
        hans.send("gone")
        assert hans.receive().endswith("Said: gone")
    with client.websocket("/websocket/chat?roomid=1") as again:
        again.send("again")
        assert again.receive().endswith("Said: again")


def test_one_and_all(client):
    with client.websocket("/room?id=a") as first, client.websocket("/room?id=a") as second:
        assert first.receive().endswith(" +1")
        assert first.receive() == second.receive()
        first.send("me")
        assert first.receive().startswith("you are ")
        first.send("who")
        assert first.receive() == second.receive() == "2 here"
        second.close()
        assert first.receive().endswith(" -1")


@pytest.mark.parametrize("message", ["end", "fail"])
def test_a_room_whose_loop_ends_sends_all_away(client, message):
    ws, other = client.websocket("/room?id=b"), client.websocket("/room?id=b")
    other.send(message)
    assert other.receive().endswith(" +1"), "all that was sent before the end comes before it"
    assert [str(ws.receive())[-3:] for _ in range(2)] == [" +1", " +1"]
    for one in (ws, other):
        with pytest.raises(WebSocketClosed if message == "end" else LookupError):
            one.receive()
        assert one.close_code == (1000 if message == "end" else 1011)
    with client.websocket("/room?id=b") as again:
        assert again.receive().endswith(" +1")
