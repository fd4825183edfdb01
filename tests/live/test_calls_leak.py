"""Calls leave nothing behind, however they end: no connection, no parked handler, no object."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from functools import partial
from urllib.parse import urlencode

import pytest

from tests.live.badpeers import BadPeer, Connection
from tests.live.memory import blocks, resident, settled, sockets
from tests.live.misbehaviour import KINDS, answer
from tests.live.program import REPO, LiveServer, Serve
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

#: Of each kind in each of five rounds: a leak of one block for each call would be twice as many between the
#: least of the second and third round and the least of the last two.  By themselves rounds differ by up to
#: 200.
FEW = 250
SLACK = 10
#: Of a soak: bytes for each call.
GROWTH_MAX = 8.0
STRETCH = 10_000


def answers(client: Connection) -> None:
    while True:
        client.request()
        client.send(answer())


#: What ends soon, and how: by itself, or by the clock of the call.
ENDS = {
    "an answer": (answers, "answer"),
    "a new connection": (KINDS["kept, closed when idle"], "answer"),
    "nobody listens": (None, "ConnectError"),
    "a bomb": (KINDS["gzip bomb"], "ResponseTooLarge"),
    **{
        name: (KINDS[name], error)
        for name, error in {
            "no answer": "ReadError",
            "reset in the body": "ReadError",
            "cut head": "RemoteProtocolError",
            "truncated chunk": "RemoteProtocolError",
            "no gzip": "RemoteProtocolError",
            "endless field": "RemoteProtocolError",
            "body without end": "ResponseTooLarge",
            "silence": "NetworkTimeout",
            "half a body": "NetworkTimeout",
        }.items()
    },
}


@pytest.fixture(params=["park = yes", "park = no"])
def server(serve_conf: Serve, request: pytest.FixtureRequest) -> LiveServer:
    return serve_conf(
        "[server]\nmaster = no\nthreads = 2\nresponse_timeout = 100\ncall_keep_alive = 0.5\n"
        "call_connect_timeout = 0.5\n"
        f"[routes:line]\n/ = {REPO}/tests/live/apps/calling:app\n[mount /]\n{request.param}\n"
    )


@contextlib.contextmanager
def peers() -> Iterator[dict[str, BadPeer | None]]:
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(BadPeer(behave)) if behave else None
            for name, (behave, _) in ENDS.items()
        }


def call(server: LiveServer, name: str, peer: BadPeer | None, count: int) -> None:
    """``count`` calls of the kind ``name``, which all end as they should."""
    timeout = 0.02 if ENDS[name][1] == "NetworkTimeout" else 10
    url = peer.url if peer else "http://127.0.0.1:1"
    with server.connect(timeout=100) as wire:
        query = urlencode({"url": url, "count": count, "timeout": timeout})
        assert wire.get(f"/?{query}").text == f"{ENDS[name][1]}:{count}", name


def all_is_over(all_peers: dict[str, BadPeer | None]) -> None:
    """Also connections that are kept, and clocks that nobody needs any more, which the loop forgets when they
    would have rung."""
    wait_until(lambda: not any(peer.open for peer in all_peers.values() if peer))
    time.sleep(0.6)


def test_a_few_hundred_of_each_kind_leave_nothing_behind(server: LiveServer) -> None:
    with peers() as all_peers:
        sizes, connections = [], []
        for _ in range(5):
            for name, peer in all_peers.items():
                call(server, name, peer, FEW)
            all_is_over(all_peers)
            sizes.append(settled(partial(blocks, server), SLACK))
            connections.append(settled(partial(sockets, server)))
    assert min(sizes[3:]) - min(sizes[1:3]) < FEW, sizes
    assert min(connections[3:]) == min(connections[1:3]), connections


@pytest.mark.soak
def test_a_hundred_thousand_calls_leave_memory_flat(server: LiveServer) -> None:
    with peers() as all_peers:

        def stretch() -> int:
            for name, peer in all_peers.items():
                call(server, name, peer, STRETCH // len(ENDS))
            all_is_over(all_peers)
            settled(partial(blocks, server), SLACK)
            return resident(server)

        sizes = [stretch() for _ in range(13)][3:]
    print(f"KiB {sizes[0] // 1024} {[(size - sizes[0]) // 1024 for size in sizes]}")
    assert (min(sizes[5:]) - min(sizes[:5])) / (5 * STRETCH) < GROWTH_MAX
