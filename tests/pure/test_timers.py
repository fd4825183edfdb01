"""Timers of the event loop, in the build that is installed: in their order, once each, and gone when they are
cancelled."""

from __future__ import annotations

import socket
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai._kernels import engine

MANY = 20_000


def ignored() -> None:
    """It is time."""


def run(loop: engine.EventLoop) -> None:
    """All of them are due."""
    loop.call_later(0.0, loop.stop)
    loop.run()


def failing(what: str) -> None:
    raise AssertionError(what)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=300))
def test_those_that_are_left_run_in_their_order(plan: list[tuple[int, bool]]) -> None:
    """Some are cancelled once all are made.  Times that have passed: how long the making takes is of no
    account."""
    loop = engine.EventLoop(failing)
    ran: list[int] = []
    timers = [loop.call_later(due - 10.0, lambda n=n: ran.append(n)) for n, (due, _) in enumerate(plan)]
    for timer, (_, is_cancelled) in zip(timers, plan, strict=True):
        if is_cancelled:
            timer.cancel()
    run(loop)
    left = [n for n, (_, is_cancelled) in enumerate(plan) if not is_cancelled]
    assert sorted(ran) == left
    assert [plan[n][0] for n in ran] == sorted(plan[n][0] for n in left)


def test_a_timer_may_cancel_the_others() -> None:
    """The heap is made anew while it is worked off."""
    loop = engine.EventLoop(failing)
    ran: list[str] = []
    others = [loop.call_later(-2.0, lambda: ran.append("other")) for _ in range(500)]
    loop.call_later(-1.0, lambda: ran.append("last"))

    def first() -> None:
        ran.append("first")
        for timer in others:
            timer.cancel()

    loop.call_later(-3.0, first)
    run(loop)
    assert ran == ["first", "last"]


def test_cancelling_what_has_run_and_cancelling_twice_does_nothing() -> None:
    loop = engine.EventLoop(failing)
    ran: list[int] = []
    timers = [loop.call_later(-9.0, lambda: ran.append(1)) for _ in range(300)]
    cancelled = [loop.call_later(-1.0, ignored) for _ in range(100)]

    def late() -> None:
        for timer in (*timers, *cancelled, *cancelled):
            timer.cancel()

    loop.call_later(-3.0, late)
    loop.call_later(-2.0, lambda: ran.append(2))
    run(loop)
    assert ran == [1] * 300 + [2]


def _each_at_once(loop: engine.EventLoop) -> None:
    for _ in range(MANY):
        loop.call_later(1e6, ignored).cancel()


def _all_behind(loop: engine.EventLoop) -> None:
    for timer in [loop.call_later(1e6, ignored) for _ in range(MANY)]:
        timer.cancel()


@pytest.mark.parametrize("cancel", [_each_at_once, _all_behind])
def test_those_that_are_cancelled_keep_no_memory(cancel: Callable[[engine.EventLoop], None]) -> None:
    loop = engine.EventLoop(failing)
    kept = [loop.call_later(1e6, ignored) for _ in range(10)]
    tracemalloc.start()
    try:
        cancel(loop)
        current, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert current < 8 * MANY  # less than a pointer each; Python itself keeps some tuples
    assert len(kept) == 10


def test_what_came_in_time_is_heard_before_a_clock_rings() -> None:
    """A machine that stands still, or a handler that holds the GIL, is not the peer's silence."""
    loop = engine.EventLoop(failing)
    order: list[str] = []
    ours, theirs = socket.socketpair()

    def heard(events: int) -> None:
        order.append("heard")
        loop.unwatch(ours)

    def stands_still() -> None:
        loop.watch(ours, engine.READ, heard)
        loop.call_later(0.02, lambda: order.append("rang"))
        loop.call_later(0.03, loop.stop)
        theirs.send(b"in time")
        time.sleep(0.05)

    with ours, theirs:
        loop.call_soon(stands_still)
        loop.run()
    assert order == ["heard", "rang"]
