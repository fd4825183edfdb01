"""`was.ws`: what it is given, and what it gives."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.server import ServerConnection

from skitai import was
from skitai.errors import CallCancelled, ClientDisconnected, ConnectError, ResolveError
from skitai.was import _provider
from skitai.was._call import CallGroup
from skitai.was._ws import handshake
from skitai.was._wsconversation import Line
from tests.core.outbound.peers import until
from tests.core.outbound.wspeers import WebSocketPeer, peer


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process that has asked nobody yet."""
    fresh = _provider._Provider()
    monkeypatch.setattr(_provider, "_provider", fresh)
    yield
    for made in fresh.own:
        made.close(5)
        made.loop.stop()


@pytest.fixture
def server() -> Iterator[WebSocketPeer]:
    with peer() as made:
        yield made


def test_the_handshake_that_is_asked_for() -> None:
    request = handshake("ws://hans:secret@h:8080/a b?q=ü", params={"n": 1}, headers={"X": "1"})
    assert (request.method, request.target) == ("GET", "/a%20b?q=%C3%BC&n=1")
    assert (request.origin.scheme, request.origin.host, request.origin.port) == ("http", "h", 8080)
    assert [name for name, _ in request.headers] == ["User-Agent", "X", "Authorization"]
    assert dict(request.headers)["Authorization"] == "Basic aGFuczpzZWNyZXQ="
    assert request.after is None
    assert not request.repeatable
    tls = handshake("WSS://h/", verify=False, server_name="other").origin
    assert (tls.scheme, tls.port, tls.tls.verify, tls.tls.server_name) == ("https", 443, False, "other")
    assert ("Cookie", "a=1") in handshake("ws://h", cookies={"a": "1"}).headers


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (("http://h/", "x"), {}, ValueError, "asks ws://host/path"),
        (("http://hans:secret@h/", "x"), {}, ValueError, "//…@h/"),
        (("ws://", "x"), {}, ValueError, "URL"),
        (("ws://h/", {"a": 1}), {}, TypeError, "json.dumps"),
        (("ws://h/", "\ud800"), {}, ValueError, "surrogates"),
        (("ws://h/", "x"), {"data": 1}, TypeError, "no argument 'data'; it has auth, "),
        (("ws://h/", "x"), {"headers": {"upgrade": "h2c"}}, ValueError, "belongs to the handshake"),
        (("ws://h/", "x"), {"headers": {"Sec-WebSocket-Key": "k"}}, ValueError, "belongs to the handshake"),
        (("ws://h/", "x"), {"auth": ("u", "p", "digest")}, ValueError, "is basic"),
        (("ws://h/", "x"), {"timeout": "5"}, ValueError, "number of seconds"),
        (("@nobody/", "x"), {}, ValueError, "no cluster @nobody"),
    ],
)
def test_mistakes(arguments: Any, options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        was.ws(*arguments, **options)
    assert words in str(caught.value)


def test_lb_and_map_ask_clusters() -> None:
    for verb in (was.ws.lb, was.ws.map):
        with pytest.raises(ValueError, match="ask a cluster"):
            verb("ws://h/", "x")


def test_an_answer(server: WebSocketPeer) -> None:
    url = f"ws://hans:secret@127.0.0.1:{server.port}/echo"
    result = was.ws(url, '{"keyword": "Größe"}').getwait()
    assert (result.status, result.code, result.msg, result.error) == (3, 200, "OK", None)
    assert (result.data, result.json()) == ('{"keyword": "Größe"}', {"keyword": "Größe"})
    assert (result.text, result.headers, result.node) == (result.data, {}, ("127.0.0.1", server.port))
    assert result.elapsed > 0
    binary = was.ws(url, bytearray(b"\xff\x00")).getwait()
    assert (binary.data, binary.text) == (b"\xff\x00", "\N{REPLACEMENT CHARACTER}\x00")
    assert was.ws(url, "").getwait().data == ""
    assert len(server.connections) == 1
    assert server.field(0, "Authorization") == "Basic aGFuczpzZWNyZXQ="


def test_many_at_once(server: WebSocketPeer) -> None:
    calls = [was.ws(f"ws://127.0.0.1:{server.port}/", str(number)) for number in range(200)]
    assert [call.getwait(10).data for call in calls] == [str(number) for number in range(200)]


def test_failures(server: WebSocketPeer) -> None:
    server.close()
    result = was.ws(f"ws://127.0.0.1:{server.port}/", "x").getwait(5)
    assert (result.status, result.code, result.data) == (2, 700, b"")
    with pytest.raises(ConnectError):
        result.json()
    result = was.ws("ws://nobody.invalid/", "x").getwait(10)
    assert (result.status, result.code, type(result.error)) == (2, 704, ResolveError)


def test_a_timeout() -> None:
    with peer(lambda connection: list(connection) and None) as silent:
        for options, seconds in (({"timeout": 0.05}, None), ({}, 0.05)):
            result = was.ws(f"ws://127.0.0.1:{silent.port}/", "x", **options).getwait(seconds)
            assert (result.status, result.code) == (1, 702)
        until(lambda: len(silent.connections) == 2)


def test_clusters(server: WebSocketPeer) -> None:
    with peer() as gone:
        """Only its port is wanted."""
    with peer() as other:
        ports = [server.port, other.port]
        members = ", ".join(f"127.0.0.1:{port}" for port in [*ports, gone.port])
        was.configure(text=f"[@echo]\nmembers = {members}\n")
        results = was.ws.map("@echo/ws", "hello").getswait(5)
        assert [(result.status, result.data) for result in results] == [(3, "hello"), (3, "hello"), (2, b"")]
        assert [result.node[1] for result in results] == [*ports, gone.port]
        # A member that cannot be reached has not been asked, so another one is.
        for _ in range(10):
            for ask in (was.ws, was.ws.lb):
                result = ask("@echo/ws", b"x").getwait(5)
                assert (result.data, result.node[1] in ports) == (b"x", True)
        assert {connection.request.path for connection in server.connections} == {"/ws"}


# -- was.ws.connect -------------------------------------------------------------------------------


def test_a_conversation(server: WebSocketPeer) -> None:
    with was.ws.connect(f"ws://hans:secret@127.0.0.1:{server.port}/talk") as ws:
        for message in ("text é", b"\xff" * 100_000):
            ws.send(message)
            assert ws.getswait(5) == [message]
        assert ws.getswait(0.05) == []
        assert not ws.closed()
        assert ws.subprotocol is None
    assert ws.getswait(5) is None
    assert ws.closed()
    with pytest.raises(ClientDisconnected):
        ws.send("late")
    assert server.field(0, "Authorization") == "Basic aGFuczpzZWNyZXQ="
    until(lambda: server.connections[0].close_code == 1000)
    assert was.status(fancy=False)["CALLS"]["connections"] == 0


def test_it_can_be_used_while_it_opens(server: WebSocketPeer) -> None:
    ws = was.ws.connect(f"ws://127.0.0.1:{server.port}/")
    ws.send("hello")
    assert ws.getswait(5) == ["hello"]
    ws.close(4001, "enough")
    assert list(ws) == []
    until(lambda: server.connections[0].close_code == 4001)


def test_it_is_iterated_to_the_end_and_read_as_fast_as_it_is_taken() -> None:
    def script(connection: ServerConnection) -> None:
        for number in range(2000):
            connection.send(str(number))

    with peer(script) as server, was.ws.connect(f"ws://127.0.0.1:{server.port}/") as ws:
        assert list(ws) == [str(number) for number in range(2000)]


def test_it_is_nobody_elses(server: WebSocketPeer) -> None:
    url = f"ws://127.0.0.1:{server.port}/"
    assert was.ws(url, "a").getwait(5).data == "a"
    with was.ws.connect(url) as one, was.ws.connect(url) as other:
        one.send("one")
        other.send("other")
        assert was.ws(url, "b").getwait(5).data == "b"
        assert (one.getswait(5), other.getswait(5)) == (["one"], ["other"])
        assert len(server.connections) == 3


def test_where_asyncio_runs(server: WebSocketPeer) -> None:
    async def talk() -> list[Any]:
        async with was.ws.connect(f"ws://127.0.0.1:{server.port}/") as ws:
            ws.send("hello")
            heard = await ws.receives(5)
            ws.send("bye")
            async for message in ws:
                heard.append(message)
                ws.close()
            return heard

    assert asyncio.run(talk()) == ["hello", "bye"]


def test_it_cannot_be_opened(server: WebSocketPeer) -> None:
    server.close()
    url = f"ws://127.0.0.1:{server.port}/"
    ws = was.ws.connect(url)
    for use in (lambda: ws.getswait(5), lambda: ws.send("x"), lambda: list(ws), ws.__enter__):
        with pytest.raises(ConnectError):
            use()

    async def enter() -> None:
        async with was.ws.connect(url):
            """Never."""

    with pytest.raises(ConnectError):
        asyncio.run(enter())
    with pytest.raises(ValueError, match="one server"):
        was.ws.connect("@echo/")
    given_up = was.ws.connect("ws://192.0.2.1/", timeout=5)
    given_up.close()
    with pytest.raises(CallCancelled):
        given_up.getswait(5)


def test_it_ends_with_the_request_that_it_is_made_for(server: WebSocketPeer) -> None:
    group = CallGroup()
    line = Line(group)
    line.begin(handshake(f"ws://127.0.0.1:{server.port}/"), _provider.reach().converse)
    line.wait()
    group.cancel()
    assert line.inbox.take(5) is None
    until(lambda: [connection.close_code for connection in server.connections] == [1000])


def test_the_process_ends(server: WebSocketPeer) -> None:
    ws = was.ws.connect(f"ws://127.0.0.1:{server.port}/")
    ws.send("hello")
    assert ws.getswait(5) == ["hello"]
    _provider.withdraw(5)
    assert ws.getswait(5) is None
    until(lambda: server.connections[0].close_code == 1000)


def test_nobody_pays_who_does_not_ask() -> None:
    program = (
        "import sys; from skitai import was; was.get('http://127.0.0.1:1/').getwait(5)\n"
        "names = ('skitai.was._ws', 'skitai.core.outbound.messages', 'skitai.core.outbound.wsconnection')\n"
        "assert not [name for name in names if name in sys.modules]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20)
