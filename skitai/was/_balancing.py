"""One request to a cluster: who is asked, who else when that fails or takes long, and what came of it.

    CHOOSING ──a member──▶ ASKING ──an answer, or nobody is left to ask──▶ OVER
        │                   │  ▲
        │                   └──┘ the next member: fail-over, or a hedge beside the first
        └──all are ejected, or none is known──▶ OVER

*Fail-over*: when a member fails (no connection, a broken one, 502, 503, 504, `per_try_timeout`) and the
request may be repeated, another one is asked within the same deadline, as often as `num_retries` and the
cluster's budget allow: a budget, because many clients that repeat what fails make an overload out of a
hiccup.

*Hedging*: what takes longer than `hedge` of the answers do is asked of a second member beside the first;
the first answer counts, and the other request is given up (Dean and Barroso, The Tail at Scale, 2013).

It begins in the thread of the caller, if members are known, so that the request leaves as soon as any
other; from then on it belongs to the loop thread.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING

from skitai._kernels import engine
from skitai.core.outbound.request import Begin, Cancelable, Outcome, Request, Response
from skitai.errors import CallCancelled, NetworkTimeout, SkitaiError
from skitai.was._bodies import KeptBody
from skitai.was._membership import Peer

if TYPE_CHECKING:
    from skitai.was._clusters import Cluster

__all__ = ["Attempt", "Balanced", "request_for"]

_FOREVER = float("inf")
_GOOD = (engine.Ending.OK, engine.Ending.CANCELLED)


_values = attrgetter(*(item.name for item in fields(Request)))


def _copied(request: Request) -> Request:
    """As copy.copy, which takes ten times as long."""
    return Request(*_values(request))


def request_for(peer: Peer, request: Request) -> Request:
    """``request`` as it is sent to this member."""
    asked = _copied(request)
    asked.origin = peer.origin
    if peer.authority and not any(name.lower() == "host" for name, _ in request.headers):
        asked.headers = [("Host", peer.authority), *request.headers]
    return asked


class Attempt:
    """A request to one member, counted from begin to end."""

    __slots__ = ("_began", "_cluster", "_handle", "_is_given_up", "_on_done", "_send", "peer")

    def __init__(
        self,
        cluster: Cluster,
        peer: Peer,
        on_done: Callable[[Attempt, Outcome, engine.Ending], None],
        send: Begin | None = None,
        began_at: float = 0.0,
    ) -> None:
        """``began_at``: when it was counted, where it was."""
        self._cluster = cluster
        self._send = send or cluster.send
        self._on_done: Callable[[Attempt, Outcome, engine.Ending], None] | None = on_done
        self._is_given_up = False
        self._handle: Cancelable | None = None
        self._began = began_at or cluster.clock()
        self.peer = peer
        if not began_at:
            cluster.members.begin(peer.id, self._began)

    def send(self, request: Request) -> None:
        """Any thread: the outcome may be there before this has returned."""
        try:
            self._handle = self._send(request, self._done)
        except BaseException:
            self._cluster.members.end(self.peer.id, self._began, 0.0, engine.Ending.CANCELLED)
            raise
        if self._is_given_up:
            self._handle.cancel()

    def cancel(self, error: SkitaiError | None = None) -> None:
        """Any thread."""
        self._is_given_up = True
        if self._handle is not None:
            self._handle.cancel(error)

    def extend(self, deadline: float) -> None:
        """Any thread."""
        if self._handle is not None:
            self._handle.extend(deadline)

    def _done(self, outcome: Outcome) -> None:
        now, ways = self._cluster.clock(), self._cluster.ways
        how = engine.Ending.CANCELLED if self._is_given_up else ways.ending_of(outcome)
        latency = ways.latency_of(outcome) or now - self._began
        ejected = self._cluster.members.end(self.peer.id, now, latency, how)
        if ejected:
            self._cluster.tell(self.peer, f"is not asked for {ejected:g} s: {ways.failure_of(outcome)}")
        # Whoever is told may hold us, and would wait for the collector.
        on_done, self._on_done = self._on_done, None
        assert on_done is not None
        on_done(self, outcome, how)


class _Stage(enum.Enum):
    CHOOSING = "it is not known who there is"
    ASKING = "one or more members are asked"
    OVER = "there is an outcome"


class Balanced:
    """An `Outcome`, and who can cancel it.  ``request`` is at last the one that the outcome is of, with the
    member's origin."""

    __slots__ = (
        "_asked",
        "_attempts",
        "_began",
        "_cluster",
        "_on_done",
        "_send",
        "_settings",
        "_stage",
        "_timer",
        "_tried",
        "elapsed",
        "error",
        "request",
        "response",
    )

    def __init__(
        self,
        cluster: Cluster,
        request: Request,
        on_done: Callable[[Outcome], None],
        send: Begin | None = None,
    ) -> None:
        """``send``: in place of the cluster's way to one member."""
        self._cluster = cluster
        self._send = send
        self._settings = cluster.settings
        self._on_done: Callable[[Outcome], None] | None = on_done
        self._stage = _Stage.CHOOSING
        self._began = cluster.clock()
        #: What is sent, but for whom to.
        self._asked = request
        #: Those under way.
        self._attempts: list[Attempt] = []
        #: Ids of all members that were asked.
        self._tried: list[int] = []
        self._timer: engine.Timer | None = None
        self.request = request
        self.response: Response | None = None
        self.error: SkitaiError | None = None
        self.elapsed = 0.0
        if not isinstance(request.body, bytes):
            self._asked = _copied(request)
            self._asked.body = KeptBody(request.body)

    # -- any thread ---------------------------------------------------------------------------

    def begin(self) -> None:
        if not self._cluster.is_settled:
            self._cluster.loop.call_soon(self._await_members)
        elif self._ask_next():
            if self._settings.hedge and self._cluster.ways.may_be_hedged(self._asked):
                self._cluster.loop.call_soon(self._plan_hedge)
        else:
            self._cluster.loop.call_soon(self._fail, self._cluster.unavailable())

    def go_on(self, peer: Peer, began_at: float) -> None:
        """``peer`` was chosen at ``began_at``, and counted."""
        self._began = began_at
        self._ask(peer, began_at)

    def cancel(self, error: SkitaiError | None = None) -> None:
        self._cluster.loop.call_soon(self._fail, error or CallCancelled("the call was cancelled"))

    def extend(self, deadline: float) -> None:
        self._asked.deadline = deadline
        if not self._settings.per_try_timeout or self._asked.sink is not None:
            for attempt in tuple(self._attempts):
                attempt.extend(deadline)

    def _ask_next(self) -> bool:
        """False: nobody can be asked."""
        peer = self._cluster.choose(self._tried)
        if peer is None:
            return False
        self._ask(peer)
        return True

    def _ask(self, peer: Peer, began_at: float = 0.0) -> None:
        self._stage = _Stage.ASKING
        self._tried.append(peer.id)
        attempt = Attempt(self._cluster, peer, self._attempt_done, self._send, began_at)
        self._attempts.append(attempt)
        asked = self._cluster.ways.request_for(peer, self._asked)
        patience = self._settings.per_try_timeout
        if patience and asked.repeatable and len(self._tried) <= self._settings.num_retries:
            if asked.sink is None:
                asked.deadline = min(asked.deadline, self._cluster.clock() + patience)
            else:
                # What is not kept in memory may take longer to come than anybody is silent.
                asked.connect_timeout = min(asked.connect_timeout or patience, patience)
                asked.first_byte_timeout = min(asked.first_byte_timeout or patience, patience)
        attempt.send(asked)

    # -- the loop thread ------------------------------------------------------------------------

    def _await_members(self) -> None:
        """Names are being looked up for the first time."""
        self._set_timer(self._asked.deadline - self._cluster.clock(), self._expire)
        self._cluster.when_settled(self._begin_late)

    def _expire(self) -> None:
        text = f"the members of {self._settings.title} were still being looked up"
        self._fail(NetworkTimeout(text, limit="timeout"))

    def _begin_late(self) -> None:
        self._stop_timer()
        if self._stage is _Stage.CHOOSING:
            self.begin()

    def _plan_hedge(self) -> None:
        delay = self._cluster.members.quantile(self._settings.hedge)
        if delay and self._stage is _Stage.ASKING:
            self._set_timer(self._began + delay - self._cluster.clock(), self._hedge)

    def _hedge(self) -> None:
        if len(self._attempts) == len(self._tried) == 1 and self._cluster.may_hedge():
            self._ask_next()

    def _attempt_done(self, attempt: Attempt, outcome: Outcome, how: engine.Ending) -> None:
        self._attempts.remove(attempt)
        if self._stage is _Stage.OVER:
            self._let_go_of_body()
        elif how in _GOOD or not (self._attempts or self._fail_over(outcome)):
            self._finish(outcome)

    def _fail_over(self, outcome: Outcome) -> bool:
        """Ask another member, if that is allowed and there is one."""
        if len(self._tried) > self._settings.num_retries:
            return False
        if self._is_late() or not self._cluster.ways.may_be_repeated(self._asked, outcome):
            return False
        return self._cluster.may_retry() and self._ask_next()

    def _is_late(self) -> bool:
        return self._cluster.clock() >= self._asked.deadline

    def _finish(self, outcome: Outcome) -> None:
        self.request = outcome.request
        self.response = outcome.response
        error = outcome.error
        if isinstance(error, NetworkTimeout) and error.limit == "timeout" and not self._is_late():
            error = NetworkTimeout("no other member may be asked any more", limit="per_try_timeout")
        self._end(error)

    def _fail(self, error: SkitaiError) -> None:
        if self._stage is not _Stage.OVER:
            self._end(error)

    def _end(self, error: SkitaiError | None) -> None:
        self._stage = _Stage.OVER
        self.error = error
        self.elapsed = self._cluster.clock() - self._began
        self._stop_timer()
        for attempt in self._attempts:
            attempt.cancel(error)
        self._let_go_of_body()
        on_done, self._on_done = self._on_done, None  # as in `Attempt`
        assert on_done is not None
        on_done(self)

    def _let_go_of_body(self) -> None:
        if not self._attempts and isinstance(self._asked.body, KeptBody):
            self._asked.body.end()

    def _set_timer(self, delay: float, callback: Callable[[], None]) -> None:
        if delay < _FOREVER:
            self._timer = self._cluster.loop.call_later(max(0.0, delay), callback)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
