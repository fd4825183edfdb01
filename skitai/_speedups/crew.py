"""The threads of an instance of the compiled build: one leads the loop, the others run jobs or rest.

A job is what the general connection gives away: everything that has left its lane, or has none.
What is plain and quick runs in the leader, in its lane.  See leadership.pyx for how the lead goes
over; here is what each thread does next:

    nobody leads, or the leader's call lasts    take the lead
    a job waits                                 run it
    otherwise                                   rest; who rested last is woken first

At most ``threads`` are inside jobs at once.  The leader's quick calls come on top, for they must never
wait for slow ones; should one of them last, that makes ``threads + 1``, and the leader calls nothing
until one has ended.  So there are ``threads + 2`` threads at most: these, the leader, and one that rests
to take over from it.  With ``threads = 1`` applications may count on being alone: jobs and the leader
take turns.

A job that *burns* spends its time on the processor: more than one of them would only fight for
the GIL, with each other and with the leader, so they run one by one.
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
        super().__init__(threads if threads == 1 else threads + 1, limits, report)
        self._leadership = Leadership(threads)
        self._jobs_max = threads
        self._burns = False
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
            self._keep_one_resting()
        try:
            self._leadership.lead()
        except BaseException as error:
            self._failure = error
            self.stop()
        with self._wakeup:
            if not self._stopping:
                self._leadership.busy -= 1  # it was late, and has found its way back

    def _work(self, workspace: Workspace | None = None) -> None:
        workspace = workspace or Workspace()
        while not self._stopping:
            if self._leadership.take(workspace):
                self._lead()
                continue
            job = self._job_or_rest()
            if job is not None:
                self._run(job)
                with self._wakeup:
                    self._leadership.busy -= 1
                    if job.burns:
                        self._burns = False

    def _job_or_rest(self) -> Job | None:
        with self._wakeup:
            job = None
            if not self._stopping and self._leadership.busy < self._jobs_max:
                job = self._take_job()
                if job is not None:
                    self._leadership.busy += 1
                    self._keep_one_resting()
                    return job
            self._resting += 1
        # A wake-up from here on is kept for us: see `tokens` in lead.h.
        self._leadership.rest()
        with self._wakeup:
            self._resting -= 1
        return None

    def _keep_one_resting(self) -> None:
        """Somebody has to be there when the leader's call lasts.  Under the lock."""
        if not self._resting and not self._stopping and self._started < self._threads_max:
            self._start_thread()

    def _take_job(self) -> Job | None:
        job = self._first_that_may_run()
        if job is not None:
            self._burns = self._burns or job.burns
            self._count_waiting()
        return job

    def _first_that_may_run(self) -> Job | None:
        for place, job in enumerate(self._resumed):
            if not (job.burns and self._burns):
                del self._resumed[place]
                return job
        for place, (_, job) in enumerate(self._fresh):
            if not (job.burns and self._burns):
                del self._fresh[place]
                return job
        return None

    def _wake(self) -> None:
        self._leadership.wake()

    def submit(self, job: Job, *, resumed: bool = False) -> None:
        super().submit(job, resumed=resumed)
        with self._wakeup:
            self._count_waiting()

    def shed_late(self) -> float | None:
        delay = super().shed_late()
        with self._wakeup:
            self._count_waiting()
        return delay

    def _count_waiting(self) -> None:
        """Under the lock, or a count that is old by now would stay."""
        self._leadership.waiting = len(self._fresh) + len(self._resumed)
