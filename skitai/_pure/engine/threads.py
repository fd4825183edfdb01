"""Who runs applications: a pool of threads, or nobody but the loop thread itself.

A *job* has `run` and `shed`; exactly one of them is called, once for each `submit`.
``threads = 0`` gives `Inline`: the job runs in the loop thread, within `submit`.
``threads = N`` gives `Pool`: at most N threads, started when there is more work than
threads, kept from then on.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from skitai import _forks
from skitai._pure.engine.exchange import Meter
from skitai._waiting import HERE
from skitai.limits import Limits

__all__ = ["Executor", "Inline", "Job", "Pool", "make_executor"]

#: Seconds between two attempts after the system refused to give another thread.
_START_PAUSE = 1.0


class Job(Protocol):
    @property
    def burns(self) -> bool:
        """As far as is known by now it spends its time on the processor: the compiled build runs one such
        at a time."""

    #: It may be parked where it waits (`skitai._waiting`): the compiled build gives it a stack of its own.
    parks: bool
    #: It is known to keep its thread for long: no stack that is parked should have to wait for it.
    lasts: bool
    #: Around its application's call; around each piece of a job that parks, by the executor.
    meter: Meter | None

    def run(self) -> None:
        """Do the work; exceptions are the job's own affair and must not leave it."""

    def shed(self) -> None:
        """There is no thread for it in time: say so to whoever waits."""


class Executor(Protocol):
    #: Jobs run in the loop thread: a long one must give way between its steps.
    inline: bool
    #: Jobs that may be parked are: one that waits holds no thread.
    can_park: bool

    def prepare_parking(self) -> None:
        """There are applications that may be parked: what that takes is loaded, where anything can be."""

    def submit(self, job: Job, *, resumed: bool = False) -> None:
        """Run ``job``, now or soon.  ``resumed`` jobs were begun before (a stream whose client
        has taken what waited): they go first and are never shed."""

    @property
    def waiting(self) -> int:
        """Jobs that no thread has begun.  Any thread."""

    def shed_late(self) -> float | None:
        """Shed what has waited for longer than ``queue_timeout``; seconds until the next would
        have, None if nothing waits."""

    def stop(self) -> None: ...


def make_executor(threads: int, limits: Limits, report: Callable[[str], None]) -> Executor:
    """``report(what)`` is called inside the ``except`` block of a job that broke its promise."""
    return Pool(threads, limits, report) if threads else Inline()


class Inline:
    """The loop thread calls `submit`."""

    inline = True
    can_park = False

    def prepare_parking(self) -> None:
        """Nothing is parked here."""

    def submit(self, job: Job, *, resumed: bool = False) -> None:
        before, HERE.is_alone = HERE.is_alone, True
        try:
            job.run()
        finally:
            HERE.is_alone = before

    @property
    def waiting(self) -> int:
        return 0

    def shed_late(self) -> float | None:
        return None

    def stop(self) -> None:
        """Nothing runs outside the loop thread."""


class Pool:
    """`submit` from any thread.  The lock guards the two queues and the counts."""

    inline = False
    can_park = False

    def prepare_parking(self) -> None:
        """Nothing is parked here."""

    def __init__(self, threads: int, limits: Limits, report: Callable[[str], None]) -> None:
        self._threads_max = threads
        self._queue_max = limits.queue_max
        self._queue_timeout = limits.queue_timeout
        self._report = report
        self._wakeup = threading.Condition()
        self._fresh: deque[tuple[float, Job]] = deque()
        self._resumed: deque[Job] = deque()
        self._started = 0
        self._next_start = 0.0
        self._resting = 0
        self._stopping = False

    def submit(self, job: Job, *, resumed: bool = False) -> None:
        with self._wakeup:
            full = not resumed and len(self._fresh) >= self._queue_max
            if not full:
                if resumed:
                    self._resumed.append(job)
                else:
                    self._fresh.append((monotonic(), job))
                self._call_for(job)
        if full:
            job.shed()

    def shed_late(self) -> float | None:
        late: list[Job] = []
        with self._wakeup:
            oldest = monotonic() - self._queue_timeout
            while self._fresh and self._fresh[0][0] <= oldest:
                late.append(self._fresh.popleft()[1])
            delay = self._fresh[0][0] - oldest if self._fresh else None
        for job in late:
            job.shed()
        return delay

    def stop(self) -> None:
        """Threads end after the job they are in; none is waited for (an application may
        never return), none keeps the process alive."""
        with self._wakeup:
            self._stopping = True
            self._wakeup.notify_all()

    def _call_for(self, job: Job) -> None:
        """Somebody has to run it; under the lock."""
        if self._resting:
            self._wakeup.notify()
        if self.waiting > self._resting and self._started < self._threads_max:
            self._start_thread()

    @property
    def waiting(self) -> int:
        return len(self._fresh) + len(self._resumed)

    def _start_thread(self) -> None:
        if monotonic() < self._next_start:
            return
        name = f"skitai-worker-{self._started + 1}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError:
            # A bound of the user or the container: those that run must do, and queue_timeout
            # answers for them.
            self._next_start = monotonic() + _START_PAUSE
            self._report(f"starting {name}; again in {_START_PAUSE:g} s")
        else:
            self._started += 1

    def _work(self) -> None:
        while (job := self._next_job()) is not None:
            self._run(job)
            del job  # who rests would keep alive what was served last

    def _next_job(self) -> Job | None:
        """Rests until there is one; None when the pool stops."""
        with self._wakeup:
            while not self._stopping:
                job = self._take_job()
                if job is not None:
                    return job
                self._resting += 1
                self._wakeup.wait()
                self._resting -= 1
        return None

    def _take_job(self) -> Job | None:
        """Under the lock."""
        if self._resumed:
            return self._resumed.popleft()
        return self._fresh.popleft()[1] if self._fresh else None

    def _run(self, job: Job) -> None:
        try:
            job.run()
        except BaseException:
            self._report("a worker thread's job")
        _forks.check()
