"""Requests to names: the client and the resolver together."""

from __future__ import annotations

import queue
import socket
from collections.abc import Iterator

import pytest

from skitai.core.outbound.client import HttpClient
from skitai.core.outbound.request import Origin, Outcome, Request
from skitai.errors import NetworkTimeout, ResolveError
from skitai.limits import Limits
from tests.core.outbound.peers import Peer, answers
from tests.core.resolver.nameserver import only_from, silent
from tests.core.resolver.world import World


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer(answers(b"hello"))
    yield made
    made.close()


def ask(world: World, host: str, port: int, **limits: float) -> Outcome:
    """What becomes of a request to ``host``."""
    resolver = world.resolver(world.server.address, **limits)
    client = HttpClient(world.loop, Limits(**limits), resolver, world.errors.append)  # type: ignore[arg-type]
    outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    client.begin(Request("GET", Origin("http", host, port)), outcomes.put)
    try:
        return outcomes.get(timeout=10)
    finally:
        client.close()


def test_a_request_to_a_name(world: World, peer: Peer) -> None:
    world.server.add("web.test", "A", "127.0.0.1")
    outcome = ask(world, "web.test", peer.port)
    assert outcome.error is None
    assert outcome.response is not None
    assert outcome.response.body == b"hello"
    assert f"Host: web.test:{peer.port}".encode() in peer.requests[0]


def test_the_addresses_behind_one_that_refuses(world: World, peer: Peer) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.9", peer.port))  # and does not listen
        world.server.add("web.test", "A", "127.0.0.9", "127.0.0.1")
        outcome = ask(world, "web.test", peer.port)
    assert outcome.error is None


def test_servers_that_know_nothing_of_ipv6(world: World, peer: Peer) -> None:
    world.server.add("web.test", "A", "127.0.0.1")
    world.server.tricks["web.test"] = only_from("AAAA", silent)
    outcome = ask(world, "web.test", peer.port)
    assert outcome.error is None
    assert outcome.elapsed < 0.5


def test_a_name_of_nobody(world: World) -> None:
    outcome = ask(world, "nobody.test", 80)
    assert isinstance(outcome.error, ResolveError)
    assert "'nobody.test'" in str(outcome.error)


def test_nobody_answers(world: World) -> None:
    world.server.tricks["mute.test"] = silent
    outcome = ask(world, "mute.test", 80, dns_timeout=0.3)
    assert isinstance(outcome.error, NetworkTimeout)
    assert outcome.error.limit == "dns_timeout"
