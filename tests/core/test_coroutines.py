"""The thread of coroutines by itself: wake-ups, places, the end.  Requests over sockets are in
tests/live/test_awaiting.py, answers beside those of other kinds in tests/pure/test_lanes.py."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from skitai.core import awaiting
from skitai.core.awaiting import AsyncThread
from skitai.core.coroutines import Coroutines, is_asynchronous, is_coroutine_function
from tests.waiting import wait_until

LOOPS = ["asyncio"] if sys.platform == "win32" else ["asyncio", "uvloop"]


class Threads:
    """Makes threads of coroutines, and ends them."""

    def __init__(self, make_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.make_loop = make_loop
        self.reports: list[str] = []
        self._made: list[AsyncThread] = []

    def thread(self) -> AsyncThread:
        made = AsyncThread(lambda: None, self._report, make_loop=self.make_loop)
        self._made.append(made)
        return made

    def _report(self, what: str) -> None:
        self.reports.append(f"{what}: {sys.exc_info()[1]!r}")

    def stop(self) -> None:
        for made in self._made:
            made.stop()
            assert made.loop.is_closed()


@pytest.fixture(params=LOOPS)
def threads(request: pytest.FixtureRequest) -> Iterator[Threads]:
    loops = {"asyncio": asyncio.new_event_loop, "uvloop": awaiting.new_loop}
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    made = Threads(loops[request.param])
    yield made
    made.stop()


def test_calls_that_come_together_cost_one_wake_up(threads: Threads) -> None:
    thread = threads.thread()
    wakes, real = [], thread.loop.call_soon_threadsafe
    thread.loop.call_soon_threadsafe = lambda call: (wakes.append(call), real(call))  # type: ignore[method-assign]
    blocked, is_blocked, called = threading.Event(), threading.Event(), []
    thread.call_soon(lambda: (is_blocked.set(), blocked.wait(5)))
    assert is_blocked.wait(5)
    wakes.clear()
    for number in range(1000):
        thread.call_soon(functools.partial(called.append, number))
    blocked.set()
    wait_until(lambda: len(called) == 1000)
    assert called == list(range(1000))
    assert len(wakes) == 1


def test_a_call_that_fails_is_told_and_the_others_are_made(threads: Threads) -> None:
    thread = threads.thread()
    done = threading.Event()
    thread.call_soon(lambda: 1 / 0)
    thread.call_soon(done.set)
    assert done.wait(5)
    assert threads.reports == ["a call in asyncio's thread: ZeroDivisionError('division by zero')"]


def test_an_exit_in_a_task_ends_nobody_else(threads: Threads) -> None:
    thread = threads.thread()

    async def leaves() -> None:
        raise SystemExit(3)

    tasks: list[Any] = []
    thread.call_soon(lambda: tasks.append(thread.loop.create_task(leaves())))
    wait_until(lambda: threads.reports)
    assert threads.reports == ["a task of asyncio: SystemExit(3)"]
    done = threading.Event()
    thread.call_soon(done.set)
    assert done.wait(5)


def test_the_end_cancels_tasks_that_nobody_waits_for(threads: Threads) -> None:
    thread = threads.thread()
    said: list[str] = []

    async def forever() -> None:
        try:
            said.append("begun")
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            said.append("ended")

    thread.call_soon(lambda: said.append(str(bool(thread.loop.create_task(forever())))))
    wait_until(lambda: "begun" in said)
    thread.stop()
    assert said[-1] == "ended"
    thread.call_soon(lambda: said.append("too late"))
    assert said[-1] == "ended"


def test_nothing_is_started_that_nobody_uses() -> None:
    Coroutines(1, pytest.fail).stop(5)
    assert "skitai-async" not in [thread.name for thread in threading.enumerate()]


async def _coroutine() -> None: ...


async def _generator() -> AsyncIterator[bytes]:
    yield b""


class _Object:
    async def __call__(self) -> None: ...


class _Class:
    """Calling the class makes an object of it, and no coroutine."""

    async def __call__(self) -> None: ...


class _Both:
    def __iter__(self) -> Iterator[bytes]:
        yield b""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _generator()


def _plain() -> list[bytes]:
    return []


@pytest.mark.parametrize(
    ("application", "expected"),
    [
        (_coroutine, True),
        (_generator, True),
        (_Object(), True),
        (functools.partial(_coroutine), True),
        (_Object().__call__, True),
        (_Class, False),
        (_plain, False),
        (lambda: _coroutine(), False),
    ],
)
def test_what_makes_a_coroutine_and_no_more(application: object, expected: bool) -> None:
    assert is_coroutine_function(application) is expected


def test_what_is_for_asyncio() -> None:
    coroutine = _coroutine()
    assert is_asynchronous(coroutine)
    coroutine.close()
    assert is_asynchronous(_generator())
    loop = asyncio.new_event_loop()
    assert is_asynchronous(loop.create_future()), "although it can be iterated"
    loop.close()
    assert not is_asynchronous(_Both()), "it is a plain iterable too"
    assert not is_asynchronous(iter([b""]))
    assert not is_asynchronous(None)
