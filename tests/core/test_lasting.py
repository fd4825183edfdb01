"""Which handlers last, where they are and what they wait for."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from time import monotonic
from typing import Any

import pytest

from skitai._kernels import engine
from skitai._waiting import Future
from skitai.core.lasting import holds_thread, lasting_handlers
from tests.waiting import wait_until

knows_calls = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine not in ("x86_64", "aarch64"), reason="needs /proc"
)


class Exchange(engine.Exchange):
    def __init__(self) -> None:
        """No connection."""


class WebSocketStage:
    """Has no such frame."""


class FakeRun:
    """As a `Run`, of which no more is looked at."""

    def __init__(self, seconds: float = 2.0, exchange: Any = None) -> None:
        self.began_at = monotonic() - seconds
        self.name = "GET /a"
        self.thread = threading.get_ident()
        self.is_inside = self.holds_thread = True
        self.is_parked = False
        self.given: Any = None
        self.exchange = exchange or Exchange()


def lasting(*runs: Any) -> list[dict[str, Any]]:
    return lasting_handlers(runs, None)


def during(work: Callable[[], object], end: Callable[[], object], name: str = "") -> dict[str, Any]:
    """What is told of a run whose thread is in ``work()``, which ``end()`` ends."""
    run: Any = FakeRun()
    thread = threading.Thread(target=work, name=name or None)
    thread.start()
    run.thread = thread.ident
    try:
        wait_until(
            lambda: lasting(run) == [] or lasting(run)[0]["waits"] not in ("", "nothing: it computes"), 5
        )
        return lasting(run)[0] if lasting(run) else {}
    finally:
        end()
        thread.join()


def test_only_what_has_run_for_a_second_is_told_and_not_all_of_thousands() -> None:
    assert lasting(FakeRun(0.5)) == []
    told = lasting(*(FakeRun(2.0 + number / 10) for number in range(1000)))
    assert len(told) == 50
    assert told[0]["seconds"] == pytest.approx(101.9, abs=0.2)
    waiting: Any = FakeRun()
    waiting.began_at = 0.0  # for a thread
    assert lasting(waiting) == []


@knows_calls
def test_a_thread_waits_for_bytes_of_somebody() -> None:
    with ExitStack() as closing:
        server = closing.enter_context(socket.create_server(("127.0.0.1", 0)))
        here = closing.enter_context(socket.create_connection(server.getsockname()))
        there = closing.enter_context(server.accept()[0])
        address = f"127.0.0.1:{there.getsockname()[1]}"
        told = during(lambda: here.recv(1), lambda: there.sendall(b"a"))
    assert told["waits"] == f"bytes from {address}"
    assert __file__ in told["where"]


@knows_calls
def test_a_thread_waits_for_a_lock() -> None:
    event = threading.Event()
    assert during(event.wait, event.set)["waits"] == "a lock, or its turn at Python"


def test_a_thread_waits_in_a_service_of_ours() -> None:
    future = Future()
    told = during(lambda: future.wait(5), future.complete)
    assert told["waits"] == "skitai._waiting.wait"
    assert __file__ in told["where"]


def test_a_coroutine_is_told_by_the_innermost_that_it_awaits() -> None:
    async def inner(event: asyncio.Event) -> None:
        await event.wait()

    async def outer(event: asyncio.Event) -> None:
        await inner(event)

    async def look() -> list[dict[str, Any]]:
        event = asyncio.Event()
        run: Any = FakeRun()
        run.is_inside = False
        run.given = outer(event)
        task: asyncio.Task[None] = asyncio.create_task(as_coroutine(run.given))
        await asyncio.sleep(0.01)
        told = lasting(run)
        event.set()
        await task
        return told

    (told,) = asyncio.run(look())
    assert told["how"] == "asyncio"
    assert told["waits"] == "Event.wait"
    assert [line.rpartition(" ")[2] for line in told["stack"]] == ["wait", "inner", "outer"]


async def as_coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable


def test_loops_of_websockets_are_meant_to_last() -> None:
    event = threading.Event()
    thread = threading.Thread(target=event.wait, name="skitai-websocket-3")
    thread.start()
    loop: Any = FakeRun(exchange=WebSocketStage())
    loop.thread = thread.ident
    try:
        assert lasting(loop) == []
        assert not holds_thread(loop)
        message: Any = FakeRun(exchange=WebSocketStage())
        assert len(lasting(message)) == 1
        assert holds_thread(message)
    finally:
        event.set()
        thread.join()


def test_a_call_in_its_lane_is_told_too() -> None:
    call = engine.PresentCall("GET", "/" + "x" * 1000, monotonic() - 3, threading.get_ident())
    (told,) = lasting_handlers((), call)
    assert told["request"].startswith("GET /xxx")
    assert len(told["request"]) == 200
    assert lasting_handlers((), call._replace(since=time.monotonic())) == []
