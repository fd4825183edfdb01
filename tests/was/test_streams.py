"""Answers that are read while they come: their clocks, and members that fail in the midst of one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from skitai import was
from skitai._kernels import engine
from skitai.core.config import load
from skitai.errors import NetworkTimeout, RemoteProtocolError
from skitai.limits import Limits
from skitai.was import _provider
from tests.core.outbound.peers import Client, Peer

#: ``site(*scripts)``: the URL of one that serves them, and a cluster ``@c`` of as many members.
Site = Callable[..., str]
PAUSE = 0.1


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Where a call may take half a second."""
    monkeypatch.setattr(_provider, "_provider", _provider._Provider())
    reports: list[str] = []
    loop = engine.EventLoop(reports.append)
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    peers: list[Peer] = []

    def start(*scripts: Callable[[Client], None], keys: str = "") -> str:
        peers.extend(Peer(script) for script in scripts)
        members = ", ".join(f"127.0.0.1:{peer.port}" for peer in peers)
        was.provide(
            loop,
            report=reports.append,
            warn=lambda text: None,
            limits=Limits(call_timeout=0.5),
            clusters=load(None, text=f"[@c]\nmembers = {members}\n{keys}").clusters,
        )
        return f"http://127.0.0.1:{peers[0].port}/"

    yield start
    was.withdraw(5)
    loop.stop()
    thread.join(5)
    for peer in peers:
        peer.close()
    assert reports == []


def drip(client: Client, *pieces: bytes) -> None:
    for piece in pieces:
        client.send(piece)
        time.sleep(PAUSE)


def long_body(client: Client) -> None:
    client.request()
    drip(client, b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n", *(b"%d" % place for place in range(8)))


def long_head(client: Client) -> None:
    client.request()
    drip(client, b"HTTP/1.1 200 OK\r\n", *(b"X-%d: y\r\n" % place for place in range(60)))


def stops(client: Client) -> None:
    client.request()
    client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n0")
    time.sleep(3)


def breaks(client: Client) -> None:
    client.request()
    drip(client, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n012")
    client.sock.close()


# -- clocks -----------------------------------------------------------------------------------------


def test_a_body_may_take_longer_than_a_call(site: Site) -> None:
    result = was.get(site(long_body), stream=True).getwait()
    assert b"".join(result) == b"01234567"


def test_whoever_asks_for_the_result_late_has_it_all(site: Site) -> None:
    call = was.get(site(long_body), stream=True)
    time.sleep(0.6)
    assert b"".join(call.getwait()) == b"01234567"


def test_a_head_may_not(site: Site) -> None:
    began = time.monotonic()
    call = was.get(site(long_head), stream=True)
    time.sleep(0.7)  # nobody waits meanwhile
    assert isinstance(call.getwait().error, NetworkTimeout)
    assert time.monotonic() - began < 4  # of the 6 that the head takes


def test_who_waits_longer_gives_the_head_more_time(site: Site) -> None:
    def script(client: Client) -> None:
        client.request()
        time.sleep(0.7)
        client.answer()

    assert list(was.get(site(script), stream=True).getwait(3)) == [b"hello"]


def test_what_is_said_of_the_whole_call_is_for_the_body_too(site: Site) -> None:
    result = was.get(site(long_body), stream=True, timeout=0.5).getwait()
    with pytest.raises(NetworkTimeout) as raised:
        list(result)
    assert raised.value.limit == "timeout"


def test_between_two_pieces_there_is_the_time_of_a_call(site: Site) -> None:
    result = was.get(site(stops), stream=True).getwait()
    with pytest.raises(NetworkTimeout) as raised:
        list(result)
    assert raised.value.limit == "between_bytes_timeout"


# -- asyncio ----------------------------------------------------------------------------------------


def read(url: str) -> bytes:
    """All of it, in a coroutine, beside another one that shall not be held up."""

    async def all_of_it() -> bytes:
        ticks = asyncio.create_task(tick())
        body = b"".join([piece async for piece in await was.get(url, stream=True)])
        assert not ticks.done()  # it would have failed
        ticks.cancel()
        return body

    async def tick() -> None:
        began = time.monotonic()
        for count in range(1000):
            await asyncio.sleep(0.01)
            assert time.monotonic() - began < 0.01 * count + 1

    return asyncio.run(all_of_it())


def test_coroutines_read_pieces_as_they_come(site: Site) -> None:
    assert read(site(long_body)) == b"01234567"


def test_coroutines_hear_of_the_error_that_ends_it(site: Site) -> None:
    with pytest.raises(NetworkTimeout):
        read(site(stops))


def test_a_large_answer_waits_for_its_coroutine(site: Site) -> None:
    size = 4 << 20

    def script(client: Client) -> None:
        client.request()
        client.answer(bytes(size))

    assert read(site(script)) == bytes(size)


# -- clusters ---------------------------------------------------------------------------------------


def test_a_member_that_breaks_off_is_not_replaced(site: Site) -> None:
    site(breaks, breaks)
    result = was.get("@c/", stream=True).getwait()
    pieces = iter(result)
    assert next(pieces) == b"012"
    with pytest.raises(RemoteProtocolError, match="3 bytes of the body to come"):
        next(pieces)


def test_a_try_ends_with_the_head(site: Site) -> None:
    site(long_body, long_body, keys="per_try_timeout = 400ms")
    assert b"".join(was.get("@c/", stream=True).getwait()) == b"01234567"


def test_a_member_that_does_not_answer_is_replaced(site: Site) -> None:
    def silent(client: Client) -> None:
        client.request()
        time.sleep(2)

    site(silent, long_body, keys="per_try_timeout = 500ms")
    for _ in range(3):
        assert b"".join(was.get("@c/", stream=True, timeout=5).getwait()) == b"01234567"
