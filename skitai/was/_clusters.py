"""A cluster: several servers that can each answer, under one name, ``@name/path``.

    Cluster             who is asked: one member (`begin`) or all of them (`begin_all`)
      Membership        who there is                                    _membership.py
      HealthChecks      who says of himself that he is well             _healthchecks.py
      Balanced          one request to one member after the other       _balancing.py
      engine.Members    numbers: latency, requests in flight, ejection, budgets

What the numbers do is told in ``_speedups/members.h``; how they are set, in docs/clusters.md.

Any thread but where it is said.  Names are looked up and members are checked from the first request on: a
process that never asks a cluster never asks about it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from skitai._kernels import engine
from skitai._waiting import Future
from skitai.core.config import ClusterSettings
from skitai.core.outbound.request import Begin, Cancelable, Failure, Outcome, Request
from skitai.core.resolver import Resolver
from skitai.errors import CallCancelled, ClusterUnavailable, SkitaiError, WaitTimeout
from skitai.was._balancing import Attempt, Balanced
from skitai.was._healthchecks import HealthChecks
from skitai.was._membership import Membership, Peer
from skitai.was._ways import HTTP, Ways

__all__ = ["Cluster"]


class _Nobody:
    """The handle of a request that was not sent."""

    def cancel(self, error: SkitaiError | None = None) -> None:
        """It is over."""

    def extend(self, deadline: float) -> None:
        """As above."""


def _policy_of(settings: ClusterSettings) -> engine.MemberPolicy:
    return engine.MemberPolicy(**{name: getattr(settings, name) for name in engine.MemberPolicy._fields})


class Cluster:
    def __init__(
        self,
        name: str,
        settings: ClusterSettings,
        begin: Begin,
        resolver: Resolver,
        loop: engine.EventLoop,
        warn: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = monotonic,
        seed: int | None = None,
        ways: Ways = HTTP,
    ) -> None:
        """``begin`` sends a request to one server; ``warn(text)`` writes a line for the operator.  ``clock``
        and ``seed`` are for tests."""
        self.name = name
        self.ways = ways
        self.settings = settings
        self.loop = loop
        self.clock = clock
        #: Sends a request to one member.
        self.send = begin
        self.members = engine.Members(_policy_of(settings), seed)
        self._membership = Membership(settings, self.members, resolver, loop, clock, ways.origin_of)
        self._checks = HealthChecks(settings, self.members, begin, loop, clock, self.tell)
        self._warn = warn
        self._lock = threading.Lock()
        self._is_started = False
        self._is_closed = False

    @property
    def title(self) -> str:
        """Its name, for people."""
        return self.settings.title

    # -- requests -------------------------------------------------------------------------------

    def begin(
        self, request: Request, on_done: Callable[[Outcome], None], send: Begin | None = None
    ) -> Balanced:
        """Ask one member, and others if need be; whom the origin of ``request`` names is of no account.
        ``send``: in place of the way that requests of `was` take to a member."""
        self._start()
        balanced = Balanced(self, request, on_done, send)
        balanced.begin()
        return balanced

    def go_on(
        self,
        request: Request,
        on_done: Callable[[Outcome], None],
        send: Begin,
        peer: Peer,
        began_at: float,
    ) -> Balanced:
        """As `begin`, where ``peer`` was chosen at ``began_at``, and is counted as asked since.  The loop
        thread."""
        self._start()
        balanced = Balanced(self, request, on_done, send)
        balanced.go_on(peer, began_at)
        return balanced

    def peer(self, id: int) -> Peer | None:
        """None where it has just gone."""
        return self._membership.peer(id)

    def begin_all(
        self, request: Request, on_member: Callable[[int, Outcome], None]
    ) -> Sequence[tuple[tuple[str, int], Cancelable]]:
        """Ask all members, those that are ejected too: each one's node and handle, in their order.

        ``on_member(place, outcome)`` is called in the loop thread, once for each place.  Where names are
        looked up for the first time it waits for them.
        """
        self._start()
        self._wait_until_settled(request)
        peers = self._membership.peers
        asked: list[tuple[tuple[str, int], Cancelable]] = [
            (peer.node, self._ask(peer, request, functools.partial(on_member, place)))
            for place, peer in enumerate(peers)
        ]
        if not isinstance(request.body, bytes):
            request.body.close()
        if not asked:
            self.loop.call_soon(on_member, 0, Failure(request, self.unavailable(), 0.0))
            asked.append(((self.settings.title, 0), _Nobody()))
        return asked

    def _ask(self, peer: Peer, request: Request, on_done: Callable[[Outcome], None]) -> Attempt:
        attempt = Attempt(self, peer, lambda attempt, outcome, how: on_done(outcome))
        own = self.ways.request_for(peer, request)
        if not isinstance(own.body, bytes):
            own.body = own.body.copy()  # they are read beside each other
        attempt.send(own)
        return attempt

    def _wait_until_settled(self, request: Request) -> None:
        if self._membership.is_settled:
            return
        settled = Future()
        self.loop.call_soon(self._membership.when_settled, settled.complete)
        try:
            settled.wait(min(max(0.0, request.deadline - self.clock()), threading.TIMEOUT_MAX))
        except WaitTimeout:
            return  # whoever asks is told that no member is known

    # -- members --------------------------------------------------------------------------------

    @property
    def is_settled(self) -> bool:
        """It is known who there is."""
        return self._membership.is_settled

    def when_settled(self, callback: Callable[[], None]) -> None:
        """In the loop thread."""
        self._membership.when_settled(callback)

    def choose(self, tried: Sequence[int]) -> Peer | None:
        """The member to ask next; None: none can be asked."""
        passed = list(tried)
        while (id := self.members.choose(self.clock(), passed)) >= 0:
            peer = self._membership.peer(id)
            if peer is not None:
                return peer
            passed.append(id)  # it has come or gone in this moment
        return None

    def may_retry(self) -> bool:
        return self.members.may_retry(self.clock())

    def may_hedge(self) -> bool:
        return self.members.may_hedge(self.clock())

    def unavailable(self) -> ClusterUnavailable | CallCancelled:
        """Why nobody can be asked now."""
        if self._is_closed:
            return CallCancelled("the process is ending")
        title = self.settings.title
        states = self.members.snapshot(self.clock())
        if not states:
            cause = self._membership.error
            why = f": {cause}" if cause is not None else ""
            error = ClusterUnavailable(f"no member of {title} is known{why}")
            error.__cause__ = cause
            return error
        sick = sum(not state["healthy"] for state in states)
        again = min((state["ejected_for"] for state in states if state["healthy"]), default=0.0)
        text = f"none of the {len(states)} members of {title} can be asked: {len(states) - sick} ejected"
        hint = f", the first of them for {again:.0f} s more" if again else ""
        return ClusterUnavailable(f"{text}{hint}, {sick} unhealthy")

    def tell(self, peer: Peer, what: str) -> None:
        """The operator, that it ``what``."""
        self._warn(f"{self.settings.title}: member {peer.origin.title} {what}")

    def status(self) -> list[dict[str, Any]]:
        """What is known of each member, for people: its address, and as `Members.snapshot`."""
        states = []
        for state in self.members.snapshot(self.clock()):
            peer = self._membership.peer(state["id"])
            if peer is not None:
                states.append({"member": peer.origin.title, **state})
        return states

    # -- from the first request to the last -----------------------------------------------------------

    def _start(self) -> None:
        if self._is_started:
            return
        with self._lock:
            is_first, self._is_started = not self._is_started, True
        if is_first:
            self.loop.call_soon(self._membership.start, self._checks.follow)

    def close(self) -> None:
        """No more lookups and checks; who waits for the first lookup is told that it is over."""
        self.loop.call_soon(self._close)

    def _close(self) -> None:
        self._is_closed = True
        self._membership.close()
        self._checks.close()
