"""What may be asked of a running instance: health, numbers, threads; and what operators may tell it.

    GET   /healthz      the master goes around
    GET   /readyz       somebody serves, and is to go on serving
    GET   /metrics      for Prometheus: sums of all workers, from the memory that they share; how they stand
    GET   /live         for `skitai top`: the same as JSON, with handlers that last
    GET   /status  /threads  /clusters       of each worker, who is asked for it
    POST  /reload  /drain  /log-level?level=debug

What names code or changes something is for the control socket only, which has a file whose mode is its guard.
All is answered by the master, whatever its workers do; a worker that does not answer is left out, and said
so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from skitai.counters import MountSlots
from skitai.master.admin import Reply, Request
from skitai.master.child import Child, Phase
from skitai.master.exposition import CONTENT_TYPE
from skitai.master.live import Live
from skitai.master.metrics import metrics
from skitai.orders import Question

__all__ = ["Desk", "House"]

#: Seconds for workers to say what they are asked.
_PATIENCE = 2.0
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_QUESTIONS = {
    "/status": Question.STATUS,
    "/threads": Question.THREADS,
    "/clusters": Question.CLUSTERS,
}
#: The same for what is asked again and again: who is late is shown as it was.
_GLANCE = 0.04
_GLANCES_MAX = 64
_ASKED_AGAIN = 10.0
Answer = Callable[[Reply], None]


class House(Protocol):
    """What the master lets the desk see and do."""

    def workers(self) -> Sequence[Child]: ...

    @property
    def title(self) -> str:
        """The name of the instance."""

    @property
    def mounts(self) -> MountSlots: ...

    def sums(self) -> list[int]:
        """What all workers have counted, by column."""

    def unreadiness(self) -> str:
        """Why nobody should be sent here; empty: they should."""

    def reload(self, done: Callable[[str], None]) -> None:
        """``done``: with what went wrong, empty if nothing did."""

    def drain(self) -> None:
        """Be not ready from now on, and serve whoever comes nevertheless."""


@dataclass(slots=True)
class _Survey:
    """A question to workers, and what has come back, by process id."""

    question: Question
    answer: Callable[[dict[str, Any]], None]
    waiting: set[int]
    deadline: float
    told: dict[str, Any] = field(default_factory=dict)

    def end(self) -> None:
        missing = {str(pid): "no answer" for pid in self.waiting}
        self.answer({**self.told, **missing})


class Desk:
    """In the loop of the master."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.live = Live(house)
        #: Numbers of the last questions how workers stand: late answers are welcome, too.
        self._glances: deque[int] = deque(maxlen=_GLANCES_MAX)
        #: When, of those who have not answered yet, by process id.
        self._asked_at: dict[int, float] = {}
        self._surveys: dict[int, _Survey] = {}
        self._last = 0

    def respond(self, request: Request, answer: Answer) -> None:
        public = {"/healthz": self._health, "/readyz": self._readiness, "/metrics": self._metrics}
        orders = {"/reload": self._reload, "/drain": self._drain, "/log-level": self._log_level}
        is_reading = request.method in ("GET", "HEAD")
        if request.path in public and is_reading:
            public[request.path](answer)
        elif request.path not in (*public, *orders, *_QUESTIONS, "/live"):
            answer(Reply(404, "there is nothing of this name\n"))
        elif is_reading == (request.path in orders):
            answer(Reply(405, f"{request.path} is asked for by another method\n"))
        elif not request.may_change or "origin" in request.fields:  # which is what browsers say
            answer(Reply(403, "for this, ask the control socket: skitai threads|clusters|reload|…\n"))
        elif request.path in orders:
            orders[request.path](request, answer)
        elif request.path == "/live":
            self._live(answer)
        else:
            self._survey(_QUESTIONS[request.path], "", _as_json(answer))

    # -- health and numbers --------------------------------------------------------------------

    def _health(self, answer: Answer) -> None:
        answer(Reply(200, "ok\n"))

    def _readiness(self, answer: Answer) -> None:
        why_not = self._house.unreadiness()
        answer(Reply(503, f"{why_not}\n") if why_not else Reply(200, "ok\n"))

    def _metrics(self, answer: Answer) -> None:
        self.glance(lambda: answer(Reply(200, metrics(self._house, self.live), CONTENT_TYPE)))

    def glance(self, done: Callable[[], None]) -> None:
        """Ask workers how they stand, and call ``done()`` when they have said so, or `_GLANCE` is over."""
        self._survey(Question.LIVE, "", lambda told: done(), _GLANCE)

    def _live(self, answer: Answer) -> None:
        self.glance(lambda: answer(Reply.of_json(self.live.snapshot())))

    # -- orders ----------------------------------------------------------------------------------

    def _reload(self, request: Request, answer: Answer) -> None:
        def done(what: str) -> None:
            answer(Reply(409, f"{what}\n") if what else Reply(200, "reloaded\n"))

        self._house.reload(done)

    def _drain(self, request: Request, answer: Answer) -> None:
        self._house.drain()
        answer(Reply(200, "not ready from now on; a reload or a restart ends this\n"))

    def _log_level(self, request: Request, answer: Answer) -> None:
        level = request.query.get("level", "").upper()
        if level not in _LEVELS:
            answer(Reply(400, f"there is no level {level!r}; there are {', '.join(_LEVELS).lower()}\n"))
            return
        self._survey(Question.LOG_LEVEL, level, _as_json(answer))

    # -- workers ---------------------------------------------------------------------------------

    def _survey(
        self,
        question: Question,
        argument: str,
        answer: Callable[[dict[str, Any]], None],
        patience: float = _PATIENCE,
    ) -> None:
        workers = [worker for worker in self._house.workers() if worker.phase is not Phase.BOOTING]
        self._last += 1
        waiting = {worker.pid for worker in workers}
        survey = _Survey(question, answer, waiting, monotonic() + patience)
        if question is Question.LIVE:
            self._glances.append(self._last)
        self._surveys[self._last] = survey
        for worker in workers:
            if question is not Question.LIVE or self._may_ask_again(worker.pid):
                worker.ask(self._last, question, argument)
        self._end_if_complete(self._last)

    def _may_ask_again(self, pid: int) -> bool:
        """How it stands: who has not answered the last time would find all that was asked since."""
        now = monotonic()
        if now - self._asked_at.get(pid, float("-inf")) < _ASKED_AGAIN:
            return False
        self._asked_at[pid] = now
        return True

    def _told_live(self, worker: Child, answer: Any) -> None:
        self._asked_at.pop(worker.pid, None)
        self.live.told(worker.pid, answer)
        for number, survey in list(self._surveys.items()):
            if survey.question is Question.LIVE:
                survey.waiting.discard(worker.pid)
                self._end_if_complete(number)

    def told(self, worker: Child, value: dict[str, Any]) -> None:
        """A worker has answered."""
        if value["number"] in self._glances:
            self._told_live(worker, value["answer"])
            return
        survey = self._surveys.get(value["number"])
        if survey is not None:
            survey.told[str(worker.pid)] = value["answer"]
            survey.waiting.discard(worker.pid)
            self._end_if_complete(value["number"])

    def gone(self, worker: Child) -> None:
        """It has ended, and answers no more."""
        self.live.forget(worker.pid)
        self._asked_at.pop(worker.pid, None)
        for number, survey in list(self._surveys.items()):
            survey.waiting.discard(worker.pid)
            self._end_if_complete(number)

    def _end_if_complete(self, number: int) -> None:
        if not self._surveys[number].waiting:
            self._surveys.pop(number).end()

    def next_deadline(self) -> float:
        return min((survey.deadline for survey in self._surveys.values()), default=float("inf"))

    def check_deadlines(self) -> None:
        now = monotonic()
        for number in [number for number, survey in self._surveys.items() if survey.deadline <= now]:
            self._surveys.pop(number).end()


def _as_json(answer: Answer) -> Callable[[dict[str, Any]], None]:
    return lambda told: answer(Reply.of_json(told))
