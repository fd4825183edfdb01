"""What a call may be told, and what is refused at the line that says it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from skitai import was
from tests.core.outbound.peers import Client, Peer, answers


@pytest.fixture
def url() -> Iterator[str]:
    peer = Peer(answers())
    yield f"http://127.0.0.1:{peer.port}/"
    peer.close()


def silence(client: Client) -> None:
    while client.request():
        pass


TIMES = ("timeout", "connect_timeout", "first_byte_timeout", "between_bytes_timeout")


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", [-1, math.nan, "soon", "5"])
def test_what_is_no_time_is_refused_where_it_is_said(url: str, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match="number of seconds"):
        was.get(url, **{name: value})
    # Not in the loop, where the first call to a server would have kept all others from it.
    assert was.get(url).getwait(5).code == 200


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", [None, 5, 1e300, math.inf])
def test_what_is_one_is_taken(url: str, name: str, value: Any) -> None:
    assert was.get(url, **{name: value}).getwait(5).code == 200


@pytest.mark.parametrize("value", [-1, math.nan, "5", 1.5])
def test_what_is_no_size_is_refused_where_it_is_said(url: str, value: Any) -> None:
    with pytest.raises(ValueError, match="response_max is a number of bytes"):
        was.get(url, response_max=value)
    assert was.get(url, response_max=None).getwait(5).data == b"hello"


@pytest.mark.parametrize("seconds", [0, -1, math.nan, -math.inf])
def test_a_wait_of_no_time_gives_the_call_up(seconds: float) -> None:
    silent = Peer(silence)
    try:
        assert was.get(f"http://127.0.0.1:{silent.port}/").getwait(seconds).status == 1
    finally:
        silent.close()


@pytest.mark.parametrize("seconds", [1e300, math.inf])
def test_a_wait_may_be_for_ever(url: str, seconds: float) -> None:
    assert was.get(url).getwait(seconds).code == 200
