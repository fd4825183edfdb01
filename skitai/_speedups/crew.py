"""The threads of an instance of the compiled build: one leads the loop, the others run jobs or rest.

A job is what the general connection gives away: everything that has left its lane, or has none.
What is plain and quick runs in the leader, in its lane.  See leadership.pyx for how the lead goes
over; here is what each thread does next:

    nobody leads, or the leader's call lasts    take the lead
    a job waits                                 run it
    otherwise                                   rest; who rested last is woken first

There are at most ``threads`` threads besides the one that leads, as many as may block at once.
One of them is kept ready for the lead as soon as there are so many.
"""

from __future__ import annotations

from collections.abc import Callable

from skitai._pure.engine import Job, Pool
from skitai._speedups.lanes import Lanes, Workspace
from skitai._speedups.leadership import Leadership
from skitai.limits import Limits

__all__ = ["Crew"]


class Crew(Pool):
    def __init__(self, threads: int, limits: Limits, report: Callable[[str], None]) -> None:
        super().__init__(threads, limits, report)
        self._leadership = Leadership()
        self._failure: BaseException | None = None

    def attach(self, lanes: Lanes) -> None:
        """Have the threads lead the loop of ``lanes``, which marks its calls from here on."""
        self._leadership.watch(lanes)

    def serve(self) -> None:
        """Lead, and work, in the calling thread until `stop`; raises what has ended the loop."""
        workspace = Workspace()
        self._leadership.begin(workspace)
        self._lead()
        self._work(workspace)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        super().stop()
        self._leadership.stop()

    def _lead(self) -> None:
        with self._wakeup:
            # Somebody has to be there when the first call lasts.
            if not self._resting and not self._stopping and self._started < self._threads_max:
                self._start_thread()
        try:
            self._leadership.lead()
        except BaseException as error:
            self._failure = error
            self.stop()

    def _work(self, workspace: Workspace | None = None) -> None:
        workspace = workspace or Workspace()
        while not self._stopping:
            if self._leadership.take(workspace):
                self._lead()
                continue
            job = self._job_or_rest()
            if job is not None:
                self._run(job)

    def _job_or_rest(self) -> Job | None:
        with self._wakeup:
            job = None if self._stopping else self._take_job()
            if job is not None:
                return job
            self._resting += 1
        # A wake-up from here on is kept for us: see `tokens` in lead.h.
        self._leadership.rest()
        with self._wakeup:
            self._resting -= 1
        return None

    def _wake(self) -> None:
        self._leadership.wake()
