"""What an engine has learnt about routes, as it tells it, and as its service is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from skitai import _kernels
from tests.live.apps import lanes as kinds
from tests.pure.test_lanes import Server, request
from tests.waiting import wait_until

SLOW = 0.02

#: SK_SLOW of habits.h, and one whose strike comes too late to be seen.
CALLS_TO_KNOW = 9


def sleeps(environ: dict[str, Any], start: kinds.Start) -> Any:
    time.sleep(SLOW if environ["QUERY_STRING"] == "slow" else 0)
    start("200 OK", [])
    return [b"slept"]


def computes(environ: dict[str, Any], start: kinds.Start) -> Any:
    until = time.thread_time() + SLOW
    while time.thread_time() < until:
        continue
    start("200 OK", [])
    return [b"computed"]


kinds.KINDS.update({f"sleeps/{number}": sleeps for number in range(4)})
kinds.KINDS["computes/a/b/c"] = computes


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(_kernels.engine.Engine, threads=3)
    yield made
    made.stop()


def learned(server: Server) -> dict[str, str]:
    return {habit.route: habit.kind for habit in server.engine.learned()}


def is_learned(server: Server, kind: str) -> None:
    """Of the last call: behind its answer, by the thread that has made it."""
    wait_until(lambda: learned(server).get("GET h/sleeps/*") == kind, what=kind)


def told(server: Server) -> list[str]:
    return [line for line in server.words.told if "sleeps" in line]


def test_routes_that_last_are_named(server: Server) -> None:
    server.says(request("/sleeps/0?slow"))
    if _kernels.implementation() == "pure":
        assert server.engine.learned() == []
        return
    is_learned(server, "fast")
    server.says(request("/sleeps/1?slow"))
    is_learned(server, "lasts")
    server.says(request("/sleeps/2?slow"))
    is_learned(server, "waits")

    def computes_by_all_it_knows() -> bool:
        """A call that computes all the time may be measured to have had too little of the processor."""
        server.says(request("/computes/a/b/c", method="PUT", body=b"x"))
        return learned(server)["PUT h/computes/a/b/..."] in {"lasts", "burns", "waits"}

    # What is learnt of a call is known behind its answer only, and calls during which another thread computed
    # (the one before, which has answered and not come back) count as much as quick ones take back: habits.h.
    assert any(computes_by_all_it_knows() for _ in range(CALLS_TO_KNOW))
    [habit] = [habit for habit in server.engine.learned() if habit.route == "GET h/sleeps/*"]
    assert habit.elapsed >= SLOW > habit.burnt
    waits = (
        f"GET h/sleeps/* waits (a call took {habit.elapsed * 1000:.0f} ms, "
        f"{habit.burnt * 1000:.0f} of them on the processor): its calls go to worker threads"
    )
    wait_until(lambda: told(server) == [waits])

    def is_quick_again() -> bool:
        server.says(request("/sleeps/3"))
        return learned(server)["GET h/sleeps/*"] == "fast"

    wait_until(is_quick_again, timeout=20)  # after its pause of a second, or of more on a busy machine
    quick = "GET h/sleeps/* is quick by now: it is called in the thread that leads"
    wait_until(lambda: told(server)[-1] == quick)
