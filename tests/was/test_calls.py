"""Calls as their callers hold them: given up, waited for again, and gone without the collector."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import http.cookiejar
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from skitai import was
from skitai._kernels import engine
from skitai.core.config import load
from skitai.core.outbound.request import Origin, Request
from skitai.was import _provider
from skitai.was._call import Call, CallGroup, MapCall, Timing
from skitai.was._provider import provide
from skitai.was._results import Result
from tests.core.outbound.peers import Peer, answers
from tests.was.fakes import Sent, Upstream, answered

TIMING = Timing(5.0)


# -- groups -----------------------------------------------------------------------------------------


def test_a_call_that_could_not_begin_is_none_of_its_request() -> None:
    def begin(request: Request, on_done: Callable[[Any], None]) -> Any:
        raise ValueError("there is nobody to ask")

    group = CallGroup()
    with pytest.raises(ValueError, match="nobody to ask"):
        Call(begin, Request("GET", Origin("http", "a", 80)), Result, TIMING, group)
    group.cancel()


def test_a_call_that_is_over_before_it_is_known_is_not_kept() -> None:
    def begin(request: Request, on_done: Callable[[Any], None]) -> Any:
        on_done(answered())
        return Upstream().begin(request, on_done)

    group = CallGroup()
    call = Call(begin, Request("GET", Origin("http", "a", 80)), Result, TIMING, group)
    assert call.done
    assert not group._calls


# -- several members --------------------------------------------------------------------------------


def ignore(outcome: Any) -> None:
    """It is over."""


class Members:
    """Three, who answer when they are told to."""

    def __init__(self, timing: Timing = TIMING) -> None:
        self._upstream = Upstream()
        self.call = MapCall(self._begin, Request("GET", Origin("http", "@c", 80)), Result, timing)

    @property
    def sent(self) -> list[Sent]:
        return self._upstream.sent

    def _begin(self, request: Request, on_member: Callable[[int, Any], None]) -> Any:
        self.on_member = on_member
        return [((f"host{place}", 80), self._upstream.begin(request, ignore)) for place in range(3)]

    def answer(self, place: int) -> None:
        self.on_member(place, answered())


def test_who_waits_for_one_and_then_for_all_gets_all() -> None:
    members = Members()
    threading.Timer(0.05, members.answer, [0]).start()
    assert next(iter(members.call)).status == 3
    threading.Timer(0.1, lambda: (members.answer(1), members.answer(2))).start()

    async def all_of_them() -> list[Result]:
        return await members.call

    assert [result.status for result in asyncio.run(all_of_them())] == [3, 3, 3]


# -- asyncio ----------------------------------------------------------------------------------------


def test_results_come_as_they_are_there_in_a_coroutine() -> None:
    members = Members()
    members.answer(2)
    seen: list[int] = []

    async def read() -> None:
        async for result in members.call:
            seen.append(result.status)
            if len(seen) < 3:
                threading.Timer(0.02, members.answer, [2 - len(seen)]).start()

    asyncio.run(read())
    assert seen == [3, 3, 3]
    assert members.call._arrived == [2, 1, 0]


def test_a_coroutine_gets_those_that_are_missing_last() -> None:
    members = Members(Timing(0.1))
    threading.Timer(0.02, members.answer, [1]).start()

    async def read() -> list[int]:
        return [result.status async for result in members.call]

    assert asyncio.run(read()) == [3, 1, 1]


def test_a_coroutine_that_is_cancelled_gives_the_call_up() -> None:
    members = Members()

    async def read() -> None:
        async for _ in members.call:
            raise AssertionError("nobody has answered")

    async def begin_and_cancel() -> None:
        task = asyncio.create_task(read())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(begin_and_cancel())
    assert [len(sent.cancelled) for sent in members.sent] == [1, 1, 1]


def test_an_asyncio_loop_that_has_ended_is_told_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    begun: list[Any] = []

    async def hurried() -> None:
        upstream = Upstream()
        call = Call(upstream.begin, Request("GET", Origin("http", "a", 80)), Result, Timing(0.05))
        begun.append(upstream.last)
        upstream.last.cancel = lambda error=None: None  # type: ignore[method-assign]
        assert (await call).status == 1

    asyncio.run(hurried())
    begun[0].answer()  # would raise in the loop that tells of it


# -- the collector ----------------------------------------------------------------------------------


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A URL, and a cluster ``@c``."""
    both = [Peer(answers()), Peer(answers())]
    monkeypatch.setattr(_provider, "_provider", _provider._Provider())
    reports: list[str] = []
    loop = engine.EventLoop(reports.append)
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    members = ", ".join(f"127.0.0.1:{peer.port}" for peer in both)
    clusters = load(None, text=f"[@c]\nmembers = {members}\n").clusters
    provide(loop, report=reports.append, warn=reports.append, clusters=clusters)
    yield f"http://127.0.0.1:{both[0].port}/"
    loop.stop()
    thread.join(5)
    for peer in both:
        peer.close()
    assert reports == []


KINDS: dict[str, Callable[[str, Path], Any]] = {
    "an answer": lambda url, path: was.get(url).getwait(5),
    "a form": lambda url, path: was.post(url, {"a": "b"}).getwait(5),
    "redirects": lambda url, path: was.get(url, redirects=True).getwait(5),
    "cookies": lambda url, path: was.get(url, cookies=http.cookiejar.CookieJar()).getwait(5),
    "credentials": lambda url, path: was.get(url, auth=("a", "b")).getwait(5),
    "a file": lambda url, path: was.get(url, into=path / "x").getwait(5),
    "a stream": lambda url, path: list(was.get(url, stream=True).getwait(5)),
    "a stream with redirects": lambda url, path: list(was.get(url, stream=True, redirects=1).getwait(5)),
    "one member": lambda url, path: was.get("@c/").getwait(5),
    "all members": lambda url, path: was.get.map("@c/").getswait(5),
    "enough members": lambda url, path: was.get.map("@c/").getswait(5, need=1),
    "nobody": lambda url, path: was.get("http://127.0.0.1:1/").getwait(5),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_over_needs_no_collector(peers: str, tmp_path: Path, kind: str) -> None:
    KINDS[kind](peers, tmp_path)  # what is loaded and learnt once
    loop = _provider.reach().loop
    gc.collect()
    gc.disable()
    try:
        contextvars.copy_context().run(KINDS[kind], peers, tmp_path)
        for _ in range(10):  # what was given up ends in the loop
            turned = threading.Event()
            loop.call_soon(turned.set)
            assert turned.wait(5)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found = [type(thing).__name__ for thing in gc.garbage if type(thing).__module__.startswith("skitai")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert found == []
