"""A request that has left, as its caller holds it: wait for it now, later, or never.

    s = was.get(url)              it is on its way
    result = s.getwait(5)         at most 5 seconds, counted from the call
    result = await s              in an ``async def``

Nothing raises but what is the caller's own mistake, and `ClientDisconnected`: nobody waits for what this
handler does, so all calls of the request are given up, but for those that were made with
``detach=True``.  What went wrong is in the result.

Any thread; a call is for one waiter at a time.
"""

from __future__ import annotations

import functools
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from skitai._lazy import LazyModule
from skitai._waiting import Future
from skitai.core.outbound.request import Begin, Cancelable, Failure, Outcome, Request
from skitai.errors import CallCancelled, ClientDisconnected, NetworkTimeout, SkitaiError, WaitTimeout
from skitai.was._awaiting import until_done
from skitai.was._results import Result

if TYPE_CHECKING:
    import asyncio
else:  # who waits in threads has no use for it
    asyncio = LazyModule("asyncio")

__all__ = [
    "BeginAll",
    "Call",
    "CallGroup",
    "KeepAll",
    "Make",
    "MapCall",
    "Results",
    "Timing",
]

#: ``make(outcome)`` gives the result that the caller sees.
Make: TypeAlias = Callable[[Outcome], Result]
#: ``keep(outcomes, seconds)`` gives those of all members to equal calls, so long.
KeepAll: TypeAlias = Callable[[Sequence[Outcome], float], None]
#: ``begin_all(request, on_member)`` asks all members, and gives each one's node and handle, in their order;
#: ``on_member(place, outcome)`` is called in the loop thread.
BeginAll: TypeAlias = Callable[[Request, Callable[[int, Outcome], None]], Sequence[tuple[Any, Cancelable]]]


class _Cancelled(Protocol):
    def cancel(self) -> None: ...


class CallGroup:
    """The calls of one request that are under way.  Each step is one of C: threads may cross."""

    __slots__ = ("_calls", "add", "forget")

    def __init__(self) -> None:
        self._calls: set[_Cancelled] = set()
        self.add: Callable[[_Cancelled], None] = self._calls.add
        #: It is over.  Who asks ten thousand times would keep as many answers.
        self.forget: Callable[[_Cancelled], None] = self._calls.discard

    def cancel(self) -> None:
        for call in self._calls.copy():
            self._calls.discard(call)
            call.cancel()


class Timing(NamedTuple):
    """``timeout``: of waits that say nothing else, in seconds; ``latest``: what no wait can go beyond, as a
    time of `time.monotonic`."""

    timeout: float
    latest: float = float("inf")


class _Waiting(ABC):
    """What `Call` and `MapCall` have in common: a time from which all waits count."""

    __slots__ = ("_began", "_future", "_group", "_latest", "_request", "_timeout")

    def __init__(self, request: Request, timing: Timing, group: CallGroup | None) -> None:
        self._began = monotonic()
        self._request = request
        self._timeout = timing.timeout
        self._latest = timing.latest
        self._group = group
        #: Made by whoever waits: most calls are over by then.
        self._future: Future | None = None

    @property
    @abstractmethod
    def done(self) -> bool:
        """Waiting would take no time."""

    @abstractmethod
    def cancel(self, error: SkitaiError | None = None) -> None:
        """Nobody wants what has not come."""

    @abstractmethod
    def _extend(self, deadline: float) -> None:
        """Somebody waits for longer than the request has said."""

    def _wait(self, timeout: float | None) -> bool:
        """Until it is over, or ``timeout`` seconds after the call; whether it is."""
        future = self._future
        assert future is not None
        until = self._began + (self._timeout if timeout is None else timeout)
        if self._request.deadline < until and self._request.deadline < self._latest:
            self._extend(min(until, self._latest))
        try:
            future.wait(max(0.0, until - monotonic()))
        except WaitTimeout:
            return False
        except ClientDisconnected:
            if self._group is not None:
                self._group.cancel()
            raise
        return True

    def _too_late(self) -> NetworkTimeout:
        elapsed = monotonic() - self._began
        return NetworkTimeout(f"no complete answer within {elapsed:.3g} s", limit="timeout")

    async def _wait_async(self) -> None:
        """As `_wait`, for as long as the call itself may take."""
        try:
            assert self._future is not None
            await until_done(self._future, self._began + self._timeout - monotonic())
        except asyncio.CancelledError:
            self.cancel()
            raise


class Call(_Waiting):
    """One answer."""

    __slots__ = ("_handle", "_make", "_outcome", "_result")

    def __init__(
        self,
        begin: Begin,
        request: Request,
        make: Make,
        timing: Timing,
        group: CallGroup | None = None,
    ) -> None:
        _Waiting.__init__(self, request, timing, group)
        self._make = make
        self._outcome: Outcome | None = None
        self._result: Result | None = None
        self._handle = begin(request, self._done)
        if group is not None:
            # It can be given up from now on; and it may be over.
            group.add(self)
            if self._outcome is not None:
                group.forget(self)  # type: ignore[unreachable]  # by `_done`, in another thread

    def _done(self, outcome: Outcome) -> None:
        self._outcome = outcome
        if self._group is not None:
            self._group.forget(self)
        if self._future is not None:
            self._future.complete()

    def _is_to_come(self) -> bool:
        """Whether there is something to wait for, of which `_future` will tell."""
        if self._future is None:
            self._future = Future()
        # Asked behind that: `_done`, in its thread, does the two in the other order.
        return self._outcome is None

    @property
    def done(self) -> bool:
        """There is a result: waiting would take no time."""
        return self._result is not None or self._outcome is not None

    @property
    def is_taken(self) -> bool:
        """Somebody has looked at the result."""
        return self._result is not None

    def _extend(self, deadline: float) -> None:
        self._request.deadline = deadline
        self._handle.extend(deadline)

    def cancel(self, error: SkitaiError | None = None) -> None:
        """Nobody wants the answer; its connection is closed if it has one."""
        self._handle.cancel(error)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether there is a result by ``timeout`` seconds after the call; the call goes on if not."""
        return self.done or not self._is_to_come() or self._wait(timeout)

    def getwait(self, timeout: float | None = None) -> Result:
        """The result; if there is none ``timeout`` seconds after the call, one that says so (status 1), and
        the call is given up.  None: as long as the call itself may take (`call_timeout`)."""
        if self._result is None:
            if self._outcome is None and self._is_to_come() and not self._wait(timeout):
                error = self._too_late()
                self._handle.cancel(error)
                self._outcome = Failure(self._request, error, monotonic() - self._began)
            self._result = self._make(self._outcome)  # type: ignore[arg-type]  # there is one by now
        return self._result

    def getswait(self, timeout: float | None = None) -> list[Result]:
        """As that of a `MapCall`: the one result, in a list."""
        return [self.getwait(timeout)]

    def __await__(self) -> Generator[Any, None, Result]:
        if not self.done and self._is_to_come():
            yield from self._wait_async().__await__()
        return self.getwait(0)


class MapCall(_Waiting):
    """One answer of each member of a cluster."""

    __slots__ = (
        "_arrived",
        "_count",
        "_keep",
        "_lock",
        "_make",
        "_members",
        "_need",
        "_normal",
        "_outcomes",
    )

    def __init__(
        self,
        begin_all: BeginAll,
        request: Request,
        make: Make,
        timing: Timing,
        group: CallGroup | None = None,
        keep: KeepAll | None = None,
    ) -> None:
        super().__init__(request, timing, group)
        self._make = make
        self._keep = keep
        self._lock = threading.Lock()
        self._outcomes: dict[int, Outcome] = {}
        #: Places of members, in the order in which their outcomes came.
        self._arrived: list[int] = []
        self._normal = 0
        #: How many outcomes, or else how many answers, wake who waits.
        self._count = self._need = 0
        # The first outcome may come before there are any.
        self._members: Sequence[tuple[Any, Cancelable]] = ()
        self._members = begin_all(request, self._on_member)
        if group is not None:
            # It can be given up from now on; and it may be over.
            group.add(self)
            if self.done:
                group.forget(self)

    def __len__(self) -> int:
        """How many members were asked."""
        return len(self._members)

    def _on_member(self, place: int, outcome: Outcome) -> None:
        with self._lock:
            if place in self._outcomes:
                return  # it was given up before
            self._outcomes[place] = outcome
            self._arrived.append(place)
            self._normal += outcome.error is None
            # Of this wait: by the time that it is told, another one may have begun.
            future = self._future if self._count > 0 and self._is_enough() else None
        if self._group is not None and self.done:
            self._group.forget(self)
        if future is not None:
            future.complete()

    def _is_enough(self) -> bool:
        return len(self._arrived) >= self._count or 0 < self._need <= self._normal

    def _expect(self, count: int, need: int = 0) -> bool:
        """From now on so many outcomes, or else so many answers, are waited for; whether they are there."""
        with self._lock:
            self._count, self._need = min(count, len(self._members)), need
            if self._is_enough():
                return True
            self._future = Future()
        return False

    @property
    def done(self) -> bool:
        """All results are there."""
        return len(self._arrived) == len(self._members)

    def _extend(self, deadline: float) -> None:
        self._request.deadline = deadline
        for _, handle in self._members:
            handle.extend(deadline)

    def cancel(self, error: SkitaiError | None = None) -> None:
        """Nobody wants the answers that have not come."""
        for place, (_, handle) in enumerate(self._members):
            if place not in self._outcomes:
                handle.cancel(error)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether all results are there by ``timeout`` seconds after the call."""
        return self._expect(len(self._members)) or self._wait(timeout)

    def getwait(self, timeout: float | None = None) -> Result:
        """Where there is one member, its result.

        Raises ValueError: there are several.
        """
        if len(self._members) != 1:
            raise ValueError("Multiple Results, Use getswait: this call asks several members")
        return self.getswait(timeout)[0]

    def getswait(self, timeout: float | None = None, need: int = 0) -> Results:
        """The results of all members, in their order; after ``timeout`` seconds from the call those that are
        missing say so (status 1).  With ``need``, it returns as soon as so many have answered
        (status 3), and gives the others up (status 0, `CallCancelled`)."""
        if self._expect(len(self._members), need) or self._wait(timeout):
            self._give_up(CallCancelled("enough others have answered"))
        else:
            self._give_up(self._too_late())
        places = range(len(self._members))
        keep = self._keep and functools.partial(self._keep, [self._outcomes[place] for place in places])
        return Results(map(self._result, places), keep)

    def _give_up(self, error: SkitaiError) -> None:
        """Those that have no outcome get this one."""
        elapsed = monotonic() - self._began
        missing = []
        with self._lock:
            for place, (node, handle) in enumerate(self._members):
                if place not in self._outcomes:
                    host, port = node
                    asked = replace(self._request, origin=self._request.origin._replace(host=host, port=port))
                    self._outcomes[place] = Failure(asked, error, elapsed)
                    self._arrived.append(place)
                    missing.append(handle)
        for handle in missing:
            handle.cancel(error)

    def _result(self, place: int) -> Result:
        return self._make(self._outcomes[place])

    def __iter__(self) -> Iterator[Result]:
        """The results as they come, as long as the call itself may take; those that are missing by then are
        the last."""
        given = 0
        while given < len(self._members):
            if not (self._expect(given + 1) or self._wait(None)):
                self._give_up(self._too_late())
            for place in self._arrived[given:]:
                given += 1
                yield self._result(place)

    async def __aiter__(self) -> AsyncIterator[Result]:
        """The same, where asyncio runs."""
        given = 0
        while given < len(self._members):
            if not self._expect(given + 1):
                await self._wait_async()
                if len(self._arrived) == given:
                    self._give_up(self._too_late())
            for place in self._arrived[given:]:
                given += 1
                yield self._result(place)

    def __await__(self) -> Generator[Any, None, Results]:
        if not self._expect(len(self._members)):
            yield from self._wait_async().__await__()
        return self.getswait(0)


class Results(list[Result]):
    """Of all members, in their order."""

    def __init__(self, results: Iterable[Result], keep: Callable[[float], None] | None = None) -> None:
        """``keep(seconds)``: for equal calls, so long."""
        super().__init__(results)
        self._keep = keep

    def cache(self, seconds: float = 300) -> None:
        """As `Result.cache`; only where all members have answered with 200."""
        if self._keep is not None and all(result.code == 200 for result in self):
            self._keep(seconds)
