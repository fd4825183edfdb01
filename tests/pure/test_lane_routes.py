"""For which hosts the engine keeps a route, and that those without one are answered all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from skitai import _kernels
from tests.pure.test_lanes import Server

#: ROUTES_EAGER and ROUTES_MAX of lane_routes.pyx.
EAGER, MOST = 256, 1024

pytestmark = pytest.mark.skipif(_kernels.implementation() == "pure", reason="the pure build has no lanes")


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(_kernels.engine.Engine)
    yield made
    made.stop()


@pytest.fixture
def asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts whose lane the service was asked for."""
    hosts: list[str] = []
    lane = server.service.lane

    def listens(host: str, *rest: object) -> object:
        hosts.append(host)
        return lane(host, *rest)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(server.service, "lane", listens)
    return hosts


def visit(server: Server, *hosts: str) -> None:
    requests = [f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for host in hosts]
    answers, _, _ = server.says(b"".join(requests))
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == len(hosts)


def test_of_many_hosts_those_that_come_again_get_a_route(server: Server, asked: list[str]) -> None:
    first = [f"host{number}" for number in range(EAGER)]
    visit(server, *first)
    assert asked == first
    further = [f"further{number}" for number in range(2 * MOST)]
    visit(server, *further)
    assert asked == first
    for _ in range(3):
        visit(server, "again", "first.example", "again", "first.example", *first)
    assert sorted(asked) == sorted([*first, "again", "first.example"])


def test_a_full_table_begins_again(server: Server, asked: list[str]) -> None:
    visit(server, *(f"host{number}" for number in range(EAGER)))
    for number in range(EAGER, MOST + 1):
        for _ in range(2):  # on two connections: what is no plain request at once stays with the general one
            visit(server, f"host{number}")
    assert len(asked) == MOST + 1
    visit(server, "host0", f"host{MOST}")
    assert asked[MOST + 1 :] == ["host0"]
