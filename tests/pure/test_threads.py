"""The pool that runs applications: how many threads, which job is next, what is shed."""

from __future__ import annotations

import threading
import time
import weakref

import pytest

from skitai._kernels import engine
from skitai._pure.engine import Inline
from skitai.limits import Limits
from tests.waiting import wait_until


class Work:
    """A job that notes what happened to it, and may wait for the test."""

    burns = False
    lasts = False
    parks = False
    meter = None

    def __init__(self, name: str, log: list[str], until: threading.Event | None = None) -> None:
        self.name = name
        self.log = log
        self.until = until
        self.begun = threading.Event()

    def run(self) -> None:
        self.begun.set()
        if self.until is not None:
            assert self.until.wait(5)
        self.log.append(self.name)

    def shed(self) -> None:
        self.log.append(f"{self.name} shed")


def pool(threads: int, limits: Limits | None = None) -> tuple[engine.Executor, list[str]]:
    reports: list[str] = []
    return engine.make_executor(threads, limits or Limits(), reports.append), reports


def test_no_threads_is_the_callers_own() -> None:
    executor = engine.make_executor(0, Limits(), pytest.fail)
    log: list[str] = []
    executor.submit(Work("at once", log))
    assert isinstance(executor, Inline)
    assert log == ["at once"]
    assert executor.shed_late() is None


def test_a_thread_that_rests_keeps_nothing_of_its_last_job() -> None:
    executor, _ = pool(1)
    log: list[str] = []
    job = Work("done", log)
    remains = weakref.ref(job)
    executor.submit(job)
    del job
    wait_until(lambda: log == ["done"] and remains() is None)


def test_never_more_threads_than_asked_for() -> None:
    executor, _ = pool(3)
    go = threading.Event()
    log: list[str] = []
    jobs = [Work(str(number), log, go) for number in range(5)]
    for job in jobs:
        executor.submit(job)
    wait_until(lambda: sum(job.begun.is_set() for job in jobs) == 3)
    time.sleep(0.05)
    assert sum(job.begun.is_set() for job in jobs) == 3
    go.set()
    wait_until(lambda: sorted(log) == ["0", "1", "2", "3", "4"])
    executor.stop()


def test_what_was_begun_goes_before_what_is_new() -> None:
    executor, _ = pool(1)
    go = threading.Event()
    log: list[str] = []
    first = Work("first", log, go)
    executor.submit(first)
    assert first.begun.wait(5)
    executor.submit(Work("new", log))
    executor.submit(Work("resumed", log), resumed=True)
    go.set()
    wait_until(lambda: log == ["first", "resumed", "new"])


def test_beyond_the_queue_is_shed_but_never_what_was_begun() -> None:
    executor, _ = pool(1, Limits(queue_max=1))
    go = threading.Event()
    log: list[str] = []
    first = Work("first", log, go)
    executor.submit(first)
    assert first.begun.wait(5)
    for name in ("second", "third"):
        executor.submit(Work(name, log))
    executor.submit(Work("resumed", log), resumed=True)
    assert log == ["third shed"]
    go.set()
    wait_until(lambda: log == ["third shed", "first", "resumed", "second"])


def test_what_waited_too_long_is_shed_and_the_next_look_is_told() -> None:
    executor, _ = pool(1, Limits(queue_timeout=0.5))
    go = threading.Event()
    log: list[str] = []
    first = Work("first", log, go)
    executor.submit(first)
    assert first.begun.wait(5)
    executor.submit(Work("late", log))
    delay = executor.shed_late()
    assert delay is not None
    assert 0 < delay <= 0.5
    time.sleep(delay + 0.02)
    assert executor.shed_late() is None
    assert log == ["late shed"]
    go.set()


def test_a_job_that_breaks_its_promise_costs_no_thread() -> None:
    class Broken(Work):
        def run(self) -> None:
            raise SystemExit(3)

    executor, reports = pool(1)
    log: list[str] = []
    executor.submit(Broken("broken", log))
    executor.submit(Work("next", log))
    wait_until(lambda: log == ["next"])
    assert reports == ["a worker thread's job"]


def test_a_system_without_another_thread_is_lived_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """RLIMIT_NPROC or a container's bound: the threads that run do the work, and one line tells."""
    executor, reports = pool(8)
    go = threading.Event()
    log: list[str] = []
    first = Work("first", log, go)
    executor.submit(first)
    assert first.begun.wait(5)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for name in ("second", "third"):
        executor.submit(Work(name, log))
    go.set()
    # In the compiled build a second thread was there already, to lead when the first works.
    wait_until(lambda: sorted(log) == ["first", "second", "third"])
    assert len(reports) == 1
    assert reports[0].startswith("starting skitai-worker-")
