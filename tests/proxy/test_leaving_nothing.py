"""A passage that is over leaves nothing to the collector, however it went."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

from skitai.proxy.inflow import Inflow
from skitai.proxy.passage import Passage
from tests.proxy.proxy_world import Client, Member, ProxyWorld, Talk, proxying
from tests.waiting import wait_until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"


def answered(client: Client, asked: Talk) -> None:
    asked.send(OK)
    client.until(b"ok")


def streamed(client: Client, asked: Talk) -> None:
    asked.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    client.until(b"a\r\n")
    asked.send(b"0\r\n\r\n")
    client.until(b"0\r\n\r\n")


def cut(client: Client, asked: Talk) -> None:
    asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na")
    client.until(b"\r\n\r\na")
    asked.close()
    with pytest.raises(ConnectionResetError):
        client.rest()


def refused(client: Client, asked: Talk) -> None:
    asked.close()
    assert client.head().startswith(b"HTTP/1.1 502 ")


def left(client: Client, asked: Talk) -> None:
    client.close()
    asked.close()


def late(client: Client, asked: Talk) -> None:
    assert client.head().startswith(b"HTTP/1.1 504 ")


def kept() -> list[object]:
    return [
        found
        for found in gc.get_objects()
        if isinstance(found, (Passage, Inflow)) or type(found).__name__ == "PlainPassage"
    ]


@pytest.mark.parametrize("end", [answered, streamed, cut, refused, left, late])
@pytest.mark.parametrize("body", [b"", b"body"], ids=["without a body", "with a body"])
def test_nothing_is_left(end: Callable[[Client, Talk], None], body: bytes, way: str) -> None:
    member = Member()
    gc.collect()
    gc.disable()
    try:
        seconds = 0.5 if way == "cold" else 1.0  # what is shorter is not plain
        with proxying(member, mount=f"response_timeout = {seconds}") as world:
            one_request(world, member, body, end)
            wait_until(lambda: not kept(), 5)
    finally:
        gc.enable()


def one_request(world: ProxyWorld, member: Member, body: bytes, end: Callable[[Client, Talk], None]) -> None:
    client = world.client()
    if body:
        client.send(POST + body)
    else:
        client.get()
    asked = member.accept()
    asked.head()
    asked.exactly(len(body))
    if end is refused:
        member.listener.close()  # nor is there another connection to it
    end(client, asked)
    client.close()
