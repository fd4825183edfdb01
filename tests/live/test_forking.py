"""A child that a handler forks serves nobody: not the client, and none of the parent's sockets."""

from __future__ import annotations

import re

import pytest

from skitai._forks import STATUS
from tests.core.outbound.peers import Peer, answers
from tests.live.apps.forking import KINDS
from tests.live.program import LiveServer, Serve
from tests.waiting import wait_until

ENDED = re.compile(r"process \d+, forked by a handler, has come back from it and was ended with status 70")


@pytest.fixture(params=["no", "yes"], ids=["", "parks"])
def park(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["0", "4"])
def server(serve_conf: Serve, request: pytest.FixtureRequest, park: str) -> LiveServer:
    conf = f"[routes:line]\n/ = tests.live.apps.forking:app\n[mount /]\npark = {park}\n"
    return serve_conf(conf, "--threads", request.param)


def ended(server: LiveServer) -> int:
    return len(ENDED.findall(server.console_text()))


def test_a_child_that_comes_back_is_ended(server: LiveServer) -> None:
    others = [server.connect() for _ in range(5)]
    for number, kind in enumerate(KINDS, 1):
        with server.connect() as wire:
            reply = wire.get(f"/{kind}", "Connection: close")
            assert (reply.status, reply.body[-2:]) == (200, b"%d" % STATUS), kind
            assert wire.read_rest() == b"", kind
        wait_until(lambda number=number: ended(server) == number, what=kind)  # type: ignore[misc]
        for wire in others:
            assert wire.get("/").body == b"plain"
    server.wait_for_text(r"^closed: 70$")
    server.wait_for_text(r"LookupError: in the child$")
    assert server.stop() == 0


def test_one_that_ends_by_itself_is_nobodys_affair(server: LiveServer) -> None:
    with server.connect() as wire:
        assert wire.get("/leaves").body == b"7"
        assert wire.get("/").body == b"plain"
    assert ended(server) == 0


def test_a_child_may_ask_others_and_wait_for_them(server: LiveServer) -> None:
    peer = Peer(answers())
    try:
        with server.connect() as wire:
            assert wire.get(f"/asks?http://127.0.0.1:{peer.port}/").body == b"2"
            assert wire.get("/").body == b"plain"
    finally:
        peer.close()
    assert ended(server) == 0
