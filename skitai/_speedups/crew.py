"""The threads of an instance of the compiled build: one leads the loop, the others run jobs or rest.

A job is what the general connection gives away: everything that has left its lane, or has none.
What is plain and quick runs in the leader, in its lane.  See leadership.pyx for how the lead goes
over; here is what each thread does next:

    nobody leads, or the leader's call lasts    take the lead
    stacks of its own are ready (parking.pyx)   go on with them
    a job waits                                 run it
    otherwise                                   rest; who rested last is woken first

At most ``threads`` are inside jobs at once.  The leader's quick calls come on top, for they must never
wait for slow ones; should one of them last, that makes ``threads + 1``, and the leader calls nothing
until one has ended.  So there are ``threads + 2`` threads at most: these, the leader, and one that rests
to take over from it.  With ``threads = 1`` applications may count on being alone: jobs and the leader
take turns.

A job that *burns* spends its time on the processor: more than one of them would only fight for
the GIL, with each other and with the leader, so they run one by one.  The first calls of a route that lasts
do so too, until one has shown that it waits: then all that stand behind it go at once.

A thread that *holds* parked stacks runs only jobs that can be parked too and are not known to last, unless
there has been no other for one of these for `_PATIENCE`: it perhaps was taken for one.  For the lead and for
such jobs others are woken first, but the last of these is left for jobs that must have it (lead.h); and for
each thread that rests and holds stacks there may be one more, up to twice as many.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from time import monotonic

from skitai._pure.engine import Inline, Job, Pool
from skitai._speedups.lanes import Lanes
from skitai._speedups.leadership import Leadership
from skitai._speedups.parking import Hub, has_greenlet, load_greenlet
from skitai._speedups.workspace import Workspace
from skitai.limits import Limits

__all__ = ["Crew", "Solo"]

#: Seconds.
_PATIENCE = 0.05


class Crew(Pool):
    can_park = has_greenlet

    def prepare_parking(self) -> None:
        load_greenlet()

    def __init__(self, threads: int, limits: Limits, report: Callable[[str], None]) -> None:
        super().__init__(threads if threads == 1 else threads + 1, limits, report)
        self.leadership = Leadership(threads)
        self._jobs_max = threads
        self._burning: Job | None = None
        #: Of those that rest, how many hold parked stacks; `_resting` are the others.
        self._holding = 0
        self._failure: BaseException | None = None

    def attach(self, lanes: Lanes) -> None:
        """Have the threads lead the loop of ``lanes``, which marks its calls from here on."""
        self.leadership.watch(lanes)

    def serve(self) -> None:
        """Lead, and work, in the calling thread until `stop`; raises what has ended the loop."""
        workspace = self.leadership.workspace()
        self.leadership.begin(workspace)
        self._lead(workspace)
        self._work_with(workspace)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        super().stop()
        self.leadership.stop()

    def _lead(self, workspace: Workspace) -> None:
        with self._wakeup:
            self._keep_one_resting()
        try:
            self.leadership.lead()
        except BaseException as error:
            self._failure = error
            self.stop()
        with self._wakeup:
            if not self._stopping:
                self.leadership.leaves(workspace)  # it was late, and has found its way back

    def _work(self) -> None:
        self._work_with(self.leadership.workspace())

    def _work_with(self, workspace: Workspace) -> None:
        try:
            self._work_until_stopped(workspace)
        finally:
            self.leadership.retire(workspace)

    def _work_until_stopped(self, workspace: Workspace) -> None:
        while not self._stopping:
            try:
                self._lead_or_work(workspace)
            except Exception:
                # An application's timeout that came too late (PyThreadState_SetAsyncExc): its handler
                # has returned, or is parked, and the thread is somebody else's.
                self._report("a thread that runs applications")

    def _lead_or_work(self, workspace: Workspace) -> None:
        if self.leadership.take(workspace):
            self._lead(workspace)
        elif workspace.hub.due:
            self._go_on(workspace)
        else:
            self._work_or_rest(workspace)

    def _work_or_rest(self, workspace: Workspace) -> None:
        job = self._job_or_rest(workspace)
        if job is None:
            return
        try:
            self._run_on(workspace.hub, job)
        finally:
            self._has_run(workspace, job)

    def _has_run(self, workspace: Workspace, job: Job) -> None:
        with self._wakeup:
            self.leadership.leaves(workspace)
            if self._burning is job:
                self._burning = None
                if not job.burns:
                    self._call_for_the_next()

    def _call_for_the_next(self) -> None:
        """They were taken to burn and do not: those whom they were asked of found nothing to do.  Under
        the lock."""
        for _, job in islice(self._fresh, self._threads_max):
            self._call_for(job)

    def _go_on(self, workspace: Workspace) -> None:
        with self._wakeup:
            self.leadership.enters(workspace)
        try:
            workspace.hub.go_on_in_turn()
        finally:
            with self._wakeup:
                self.leadership.leaves(workspace)

    def _run_on(self, hub: Hub, job: Job) -> None:
        if not job.parks:
            self._run(job)
            return
        if job.meter is not None:
            job.meter.begin()
        hub.run(job)
        if job.meter is not None:
            job.meter.end()

    def _job_or_rest(self, workspace: Workspace) -> Job | None:
        holds = workspace.hub.parked > 0
        with self._wakeup:
            if not self._stopping and self.leadership.busy < self._jobs_max:
                job = self._take_job(holds)
                if job is not None:
                    self.leadership.enters(workspace)
                    self._keep_one_resting()
                    return job
                if holds and self.waiting:
                    self._call_for_free()
            if holds:
                self._holding += 1
            else:
                self._resting += 1
        # A wake-up from here on is kept for us: see `tokens` in lead.h.
        try:
            self.leadership.rest(workspace)
        finally:
            with self._wakeup:
                if holds:
                    self._holding -= 1
                else:
                    self._resting -= 1
        return None

    def _keep_one_resting(self) -> None:
        """Somebody has to be there when the leader's call lasts.  Under the lock."""
        if not (self._resting or self._holding or self._stopping) and self._started < self._threads_max:
            self._start_thread()

    def _take_job(self, holds: bool = False) -> Job | None:
        job = self._first_that_may_run(holds)
        if job is not None:
            if job.burns:
                self._burning = job
            self._count_waiting()
        return job

    def _first_that_may_run(self, holds: bool) -> Job | None:
        for place, job in enumerate(self._resumed):
            if not (self._burning and job.burns) and (job.parks or not holds):
                del self._resumed[place]
                return job
        nobody_else = not self._resting and self._started >= self._most
        impatient = monotonic() - _PATIENCE if nobody_else else 0.0
        for place, (asked_at, job) in enumerate(self._fresh):
            suits = not holds or (job.parks and (not job.lasts or asked_at < impatient))
            if suits and not (self._burning and job.burns):
                del self._fresh[place]
                return job
        return None

    def _call_for(self, job: Job) -> None:
        if job.lasts or not job.parks:
            self._call_for_free()
            return
        resting = self._resting + self._holding
        if resting:
            self.leadership.wake(free=False)
        if self.waiting > resting and self._started < self._threads_max:
            self._start_thread()

    def _call_for_free(self) -> None:
        """A thread that holds no stacks has to look at the jobs.  Under the lock."""
        if self._resting:
            self.leadership.wake(free=True)
        if self.waiting > self._resting and self._started < self._most:
            self._start_thread()

    @property
    def _most(self) -> int:
        """Threads that there may be now.  Under the lock."""
        return self._threads_max + min(self._holding, self._threads_max)

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
        self.leadership.waiting = self.waiting


class Solo(Inline):
    """With ``threads = 0``: what can be parked gets a stack of the thread that leads for good."""

    can_park = has_greenlet

    def prepare_parking(self) -> None:
        load_greenlet()

    def __init__(self) -> None:
        self._lanes: Lanes | None = None

    def attach(self, lanes: Lanes) -> None:
        self._lanes = lanes

    def submit(self, job: Job, *, resumed: bool = False) -> None:
        if job.parks and self._lanes is not None:
            self._lanes.run(job)
        else:
            super().submit(job, resumed=resumed)
