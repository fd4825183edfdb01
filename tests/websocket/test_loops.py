"""Handlers that loop: how many have a thread, and what becomes of those for whom there is none."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from skitai._kernels import engine
from skitai.errors import HTTPError
from skitai.limits import Limits
from skitai.websocket.loops import Loops
from tests.waiting import wait_until


class Loop:
    """A `Run` that lasts until it is let go."""

    parks = False

    def __init__(self) -> None:
        self.go = threading.Event()
        self.is_shed = False

    def run(self) -> None:
        self.go.wait(30)

    def shed(self) -> None:
        self.is_shed = True


@pytest.fixture
def loops() -> Loops:
    return Loops(engine.make_executor(0, Limits(), pytest.fail), 2, pytest.fail)


def begin(loops: Loops) -> Loop:
    loop = Loop()
    run: Any = loop
    loops.begin(run)
    return loop


def test_the_bound_is_exact_whoever_comes_at_once(loops: Loops) -> None:
    """Many handshakes may have been let in before the first loop begins."""
    for _ in range(5):
        loops.check_room(parks=False)
    begun = [begin(loops) for _ in range(5)]
    assert [loop.is_shed for loop in begun] == [False, False, True, True, True]
    assert loops.threads == 2
    with pytest.raises(HTTPError, match="ws_loops_max"):
        loops.check_room(parks=False)
    begun[0].go.set()
    wait_until(lambda: loops.threads == 1)
    loops.check_room(parks=False)
    begun[1].go.set()
    wait_until(lambda: loops.threads == 0)


def test_a_system_that_has_no_thread(loops: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert begin(loops).is_shed
    assert loops.threads == 0
