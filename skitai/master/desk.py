"""What may be asked of a running instance: health, numbers, threads; and what operators may tell it.

    GET   /healthz      the master goes around
    GET   /readyz       somebody serves, and is to go on serving
    GET   /metrics      for Prometheus: sums of all workers, from the memory that they share
    GET   /status  /threads  /clusters       of each worker, who is asked for it
    POST  /reload  /drain  /log-level?level=debug

What names code or changes something is for the control socket only, which has a file whose mode is its guard.
All is answered by the master, whatever its workers do; a worker that does not answer is left out, and said
so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from skitai.counters import Count
from skitai.master.admin import Reply, Request
from skitai.master.child import Child, Phase
from skitai.master.recycling import resident
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
#: Name, kind and meaning of what is counted (https://prometheus.io/docs/instrumenting/exposition_formats/).
_METRICS = {
    Count.REQUESTS: ("skitai_requests_total", "Requests that were answered."),
    Count.CONNECTIONS: ("skitai_connections_total", "Connections that were accepted."),
    Count.SERVER_ERRORS: ("skitai_server_errors_total", "Answers with a status from 500 on."),
    Count.OVERDUE: ("skitai_overdue_total", "Handlers that were at work when their client got 503."),
    Count.RESTARTS: ("skitai_restarts_total", "Workers that were started again after they had ended."),
}

Answer = Callable[[Reply], None]


class House(Protocol):
    """What the master lets the desk see and do."""

    def workers(self) -> Sequence[Child]: ...

    def totals(self) -> dict[Count, int]: ...

    def unreadiness(self) -> str:
        """Why nobody should be sent here; empty: they should."""

    def reload(self, done: Callable[[str], None]) -> None:
        """``done``: with what went wrong, empty if nothing did."""

    def drain(self) -> None:
        """Be not ready from now on, and serve whoever comes nevertheless."""


@dataclass(slots=True)
class _Survey:
    """A question to workers, and what has come back, by process id."""

    answer: Answer
    waiting: set[int]
    deadline: float
    told: dict[str, Any] = field(default_factory=dict)

    def end(self) -> None:
        missing = {str(pid): "no answer" for pid in self.waiting}
        self.answer(Reply.of_json({**self.told, **missing}))


class Desk:
    """In the loop of the master."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._began = monotonic()
        self._surveys: dict[int, _Survey] = {}
        self._last = 0

    def respond(self, request: Request, answer: Answer) -> None:
        public = {"/healthz": self._health, "/readyz": self._readiness, "/metrics": self._metrics}
        orders = {"/reload": self._reload, "/drain": self._drain, "/log-level": self._log_level}
        is_reading = request.method in ("GET", "HEAD")
        if request.path in public and is_reading:
            answer(public[request.path]())
        elif request.path not in (*public, *orders, *_QUESTIONS):
            answer(Reply(404, "there is nothing of this name\n"))
        elif is_reading == (request.path in orders):
            answer(Reply(405, f"{request.path} is asked for by another method\n"))
        elif not request.may_change:
            answer(Reply(403, "for this, ask the control socket: skitai threads|clusters|reload|…\n"))
        elif request.path in orders:
            orders[request.path](request, answer)
        else:
            self._survey(_QUESTIONS[request.path], "", answer)

    # -- health and numbers --------------------------------------------------------------------

    def _health(self) -> Reply:
        return Reply(200, "ok\n")

    def _readiness(self) -> Reply:
        why_not = self._house.unreadiness()
        return Reply(503, f"{why_not}\n") if why_not else Reply(200, "ok\n")

    def _metrics(self) -> Reply:
        totals = self._house.totals()
        lines = []
        for count, (name, meaning) in _METRICS.items():
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} counter", f"{name} {totals[count]}"]
        workers = self._house.workers()
        lines += _gauge("skitai_workers", "Worker processes by what they do.")
        for phase in Phase:
            number = sum(worker.phase is phase for worker in workers)
            lines.append(f'skitai_workers{{phase="{phase.name.lower()}"}} {number}')
        lines += _gauge("skitai_ready", "Whether requests should be sent here.")
        lines.append(f"skitai_ready {int(not self._house.unreadiness())}")
        lines += _gauge("skitai_uptime_seconds", "Since the master began.")
        lines.append(f"skitai_uptime_seconds {monotonic() - self._began:.1f}")
        lines += _gauge("skitai_resident_memory_bytes", "Of each process.")
        for role, pid in [("master", os.getpid()), *(("worker", worker.pid) for worker in workers)]:
            size = resident(pid)
            if size is not None:
                lines.append(f'skitai_resident_memory_bytes{{role="{role}",pid="{pid}"}} {size}')
        return Reply(200, "\n".join(lines) + "\n", "text/plain; version=0.0.4; charset=utf-8")

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
        self._survey(Question.LOG_LEVEL, level, answer)

    # -- workers ---------------------------------------------------------------------------------

    def _survey(self, question: Question, argument: str, answer: Answer) -> None:
        workers = [worker for worker in self._house.workers() if worker.phase is not Phase.BOOTING]
        self._last += 1
        survey = _Survey(answer, {worker.pid for worker in workers}, monotonic() + _PATIENCE)
        self._surveys[self._last] = survey
        for worker in workers:
            worker.ask(self._last, question, argument)
        self._end_if_complete(self._last)

    def told(self, worker: Child, value: dict[str, Any]) -> None:
        """A worker has answered."""
        survey = self._surveys.get(value["number"])
        if survey is not None:
            survey.told[str(worker.pid)] = value["answer"]
            survey.waiting.discard(worker.pid)
            self._end_if_complete(value["number"])

    def gone(self, worker: Child) -> None:
        """It has ended, and answers no more."""
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


def _gauge(name: str, meaning: str) -> list[str]:
    return [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
