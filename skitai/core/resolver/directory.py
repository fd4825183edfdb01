"""Names and their answers: what is kept, and who waits for what.

Many who want one name at once share one `_Question`.  Each has a clock of its own (`dns_timeout`) and may go
at any time; the question goes on, and what it finds serves the next one.  So names for which nobody answers
cost one question, however often they are asked for.  At most `dns_lookups_max` questions are under way; the
others wait their turn, and those that nobody wants any more by then are not asked.

A failure is kept too: for `dns_negative_ttl` where servers have said that there is nothing (RFC 2308), for
`dns_ttl_min` otherwise (RFC 9520 section 3.2).  The loop thread's, all of it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import Generic

from skitai._kernels import engine
from skitai.core.resolver.answers import Answer, Answered, Failure, Found
from skitai.errors import NetworkError
from skitai.limits import Limits

__all__ = ["Directory", "Lookup"]


class Lookup(Generic[Found]):
    """One who wants to know."""

    __slots__ = ("_on_done",)

    def __init__(self, on_done: Callable[[Sequence[Found] | NetworkError], None]) -> None:
        self._on_done: Callable[[Sequence[Found] | NetworkError], None] | None = on_done

    @property
    def done(self) -> bool:
        """It was told, or wants to know no more."""
        return self._on_done is None

    def cancel(self) -> None:
        """Loop thread: it will not be told.  May be called at any time, twice as well."""
        self._on_done = None

    def tell(self, answer: Answer[Found]) -> None:
        on_done, self._on_done = self._on_done, None
        if on_done is not None:
            on_done(answer.failure.error() if answer.failure is not None else answer.found)


class _Question(Generic[Found]):
    """A name that is being asked for, or waits its turn."""

    __slots__ = ("clock", "first", "name", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        #: With the time at which each gives up: who comes later gives up later.
        self.waiting: deque[tuple[float, Lookup[Found]]] = deque()
        self.clock: engine.Timer | None = None
        #: A part of the answer, good enough for who comes meanwhile.
        self.first: Answer[Found] | None = None

    @property
    def is_wanted(self) -> bool:
        return any(not lookup.done for _, lookup in self.waiting)


class Directory(Generic[Found]):
    def __init__(
        self,
        loop: engine.EventLoop,
        limits: Limits,
        ask: Callable[[str, Answered[Found]], None],
    ) -> None:
        """``ask(name, answered)`` is a method of a `Backend`."""
        self._loop = loop
        self._limits = limits
        self._ask: Callable[[str, Answered[Found]], None] = ask
        self._kept: OrderedDict[str, Answer[Found]] = OrderedDict()
        self._questions: dict[str, _Question[Found]] = {}
        self._turns: deque[_Question[Found]] = deque()
        self._under_way = 0

    def look_up(self, name: str, on_done: Callable[[Sequence[Found] | NetworkError], None]) -> Lookup[Found]:
        lookup = Lookup(on_done)
        answer = self._recall(name)
        question = self._questions.get(name)
        if answer is None and question is not None:
            answer = question.first
        if answer is not None:
            lookup.tell(answer)
            return lookup
        is_new = question is None
        if question is None:
            question = self._questions[name] = _Question(name)
        question.waiting.append((monotonic() + self._limits.dns_timeout, lookup))
        if question.clock is None:
            self._start_clock(question, self._limits.dns_timeout)
        if is_new:
            self._turns.append(question)
            self._take_turns()
        return lookup

    def close(self) -> None:
        """Nobody is told anything any more."""
        for question in self._questions.values():
            if question.clock is not None:
                question.clock.cancel()
            for _, lookup in question.waiting:
                lookup.cancel()
        self._questions.clear()
        self._turns.clear()
        self._kept.clear()

    # -- asking ---------------------------------------------------------------------------

    def _take_turns(self) -> None:
        while self._turns and self._under_way < self._limits.dns_lookups_max:
            question = self._turns.popleft()
            if not question.is_wanted:
                del self._questions[question.name]
                continue
            self._under_way += 1
            self._ask(question.name, partial(self._answered, question))

    def _answered(self, question: _Question[Found], answer: Answer[Found]) -> None:
        if self._questions.get(question.name) is not question:
            return  # closed meanwhile
        if answer.is_final:
            self._keep(question.name, answer)
            del self._questions[question.name]
            self._under_way -= 1
        else:
            question.first = answer
        if question.clock is not None:
            question.clock.cancel()
            question.clock = None
        for _, lookup in question.waiting:
            # Not at once: one that raises, or asks for more, must not stand in the others' way.
            self._loop.call_soon(lookup.tell, answer)
        question.waiting.clear()
        self._take_turns()

    # -- patience -------------------------------------------------------------------------

    def _start_clock(self, question: _Question[Found], seconds: float) -> None:
        question.clock = self._loop.call_later(seconds, lambda: self._look_at_clock(question))

    def _look_at_clock(self, question: _Question[Found]) -> None:
        question.clock = None
        now = monotonic()
        waiting = question.waiting
        while waiting and (waiting[0][0] <= now or waiting[0][1].done):
            self._loop.call_soon(waiting.popleft()[1].tell, self._too_late(question))
        if waiting:
            self._start_clock(question, waiting[0][0] - now)

    def _too_late(self, question: _Question[Found]) -> Answer[Found]:
        seconds = f"{self._limits.dns_timeout:g} s"
        text = f"nobody has answered about {question.name!r} within {seconds}"
        return Answer((), 0.0, Failure(text, limit="dns_timeout"))

    # -- what is known ----------------------------------------------------------------------

    def _recall(self, name: str) -> Answer[Found] | None:
        answer = self._kept.get(name)
        if answer is None:
            return None
        if answer.expires <= monotonic():
            del self._kept[name]
            return None
        self._kept.move_to_end(name)
        return answer

    def _keep(self, name: str, answer: Answer[Found]) -> None:
        self._kept[name] = answer
        self._kept.move_to_end(name)
        while len(self._kept) > self._limits.dns_cache_max:
            self._kept.popitem(last=False)
