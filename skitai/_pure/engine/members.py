"""The members of a cluster: which of them is asked next, and what is known of each.

It does no I/O and has no clock: who calls says what time it is, always of the same monotonic clock.
`_speedups/members.h`, which says why it is done so, is the same in C and gives the same answers to the
last bit, the random ones too.

Any thread, under a lock of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import exp, floor
from typing import NamedTuple, TypedDict

from skitai._pure.engine.latencies import Latencies

__all__ = ["Ending", "MemberPolicy", "MemberState", "Members"]

_DOUBTS_MOST = 7  # halvings of trust
_REMEMBERED = 4  # times of decay; what is left of a latency by then says nothing
_BITS = (1 << 64) - 1


class Ending(IntEnum):
    """How a request to a member ended.  Of the first three it has said something itself."""

    OK = 0
    #: 502, 503 or 504.
    GATEWAY = 1
    #: No connection, or a broken one.
    FAILED = 2
    TIMEOUT = 3
    #: We did not want the answer any more.
    CANCELLED = 4


class MemberPolicy(NamedTuple):
    """The keys of a cluster of the same names, times in seconds."""

    decay_time: float = 10.0
    default_rtt: float = 0.01
    cost_tolerance: int = 50
    slow_start_window: float = 10.0
    slow_start_min_weight_percent: int = 10
    consecutive_gateway_failure: int = 5
    base_ejection_time: float = 30.0
    max_ejection_time: float = 300.0
    max_ejection_percent: int = 50
    retry_budget_percent: int = 10
    retry_budget_per_second: int = 3
    hedge_budget_percent: int = 5
    budget_window: float = 10.0


class MemberState(TypedDict):
    """What `Members.snapshot` says of one; ``ejected_for``: seconds that are left."""

    id: int
    weight: int
    priority: int
    in_flight: int
    latency: float
    failures: int
    ejections: int
    ejected_for: float
    healthy: bool


@dataclass(slots=True)
class _Member:
    id: int
    weight: int
    priority: int
    warming_since: float
    ejected_until: float
    in_flight: int = 0
    failures: int = 0
    ejections: int = 0
    healthy: bool = True
    measured: bool = False
    latency: float = 0.0
    measured_at: float = 0.0
    silent_since: float = 0.0

    @property
    def trust(self) -> float:
        return 1 / (1 << min(self.failures, _DOUBTS_MOST))


@dataclass(slots=True)
class _Candidate:
    """One that a choice is among; ``chance``: to be drawn, in no unit."""

    member: _Member
    weight: float
    latency: float
    chance: float = 0.0

    def cost(self, mean: float) -> float:
        share = self.weight / mean
        return self.latency * (1 + self.member.in_flight / share) / self.member.trust


class Members:
    def __init__(self, policy: MemberPolicy, seed: int | None = None) -> None:
        """``seed`` (64 bits) makes the choices always the same ones."""
        self._policy = policy
        self._random_state = int.from_bytes(os.urandom(8), "little") if seed is None else seed & _BITS
        self._lock = threading.Lock()
        self._members: dict[int, _Member] = {}
        self._next_id = 0
        self._retries = policy.retry_budget_per_second * policy.budget_window
        self._hedges = 0.0
        self._paid_at = 0.0
        self._latencies = Latencies()

    # -- who there is -----------------------------------------------------------------------

    def add(self, weight: int, now: float, priority: int = 0) -> int:
        """Its id, which no other one will have.  Of lower ``priority`` are those that are asked first."""
        with self._lock:
            member = _Member(self._next_id, weight, priority, warming_since=now, ejected_until=now)
            self._members[member.id] = member
            self._next_id += 1
        return member.id

    def remove(self, id: int) -> None:
        """It is asked no more; what was begun may still `end`."""
        with self._lock:
            self._members.pop(id, None)

    def rank(self, id: int, weight: int, priority: int) -> None:
        """Another weight and priority; what is known of it stays."""
        with self._lock:
            if member := self._members.get(id):
                member.weight, member.priority = weight, priority

    def judge(self, id: int, healthy: bool, now: float) -> None:
        """What active checks say: an unhealthy one is not asked."""
        with self._lock:
            if member := self._members.get(id):
                if healthy and not member.healthy:
                    member.warming_since = max(member.warming_since, now)
                if not healthy:
                    member.measured = False
                member.healthy = healthy

    def snapshot(self, now: float) -> list[MemberState]:
        with self._lock:
            return [
                MemberState(
                    id=member.id,
                    weight=member.weight,
                    priority=member.priority,
                    in_flight=member.in_flight,
                    latency=self._latency(member, now),
                    failures=member.failures,
                    ejections=member.ejections,
                    ejected_for=max(0.0, member.ejected_until - now),
                    healthy=member.healthy,
                )
                for member in self._members.values()
            ]

    # -- who is asked -----------------------------------------------------------------------

    def choose(self, now: float, tried: Iterable[int] = ()) -> int:
        """The id of the member to ask, none of ``tried``; -1: none can be asked.

        A choice with nothing tried is a new request, and pays into the budgets.
        """
        before = list(tried)
        with self._lock:
            if not before:
                self._pay(now)
                self._retries += self._policy.retry_budget_percent / 100.0
                self._hedges += self._policy.hedge_budget_percent / 100.0
            eligible = [
                member
                for member in self._members.values()
                if member.healthy and member.ejected_until <= now and member.id not in before
            ]
            if not eligible:
                return -1
            first = min(member.priority for member in eligible)
            return self._take(
                [
                    _Candidate(member, self._weight(member, now), self._latency(member, now))
                    for member in eligible
                    if member.priority == first
                ]
            ).id

    def _take(self, among: Sequence[_Candidate]) -> _Member:
        total = self._weigh(among)
        if len(among) == 1:
            return among[0].member
        mean = 0.0
        for candidate in among:
            mean += candidate.weight
        mean /= len(among)
        first = self._draw(among, total, None)
        second = self._draw(among, total - first.chance, first)
        if second.cost(mean) * (100 + self._policy.cost_tolerance) < first.cost(mean) * 100:
            return second.member
        return first.member

    def _weigh(self, among: Sequence[_Candidate]) -> float:
        """The chances of all; gives their sum."""
        pace = usual = total = 0.0
        known = 0
        for candidate in among:
            if candidate.latency > 0:
                pace += 1 / candidate.latency
                known += 1
        if known:
            usual = known / pace * (100 + self._policy.cost_tolerance) / 100
        for candidate in among:
            candidate.chance = candidate.weight
            if candidate.latency > usual:
                candidate.chance *= usual / candidate.latency
            total += candidate.chance
        return total

    def _draw(self, among: Sequence[_Candidate], total: float, other: _Candidate | None) -> _Candidate:
        """Never ``other``, besides which there is at least one."""
        left = self._random() * total
        for drawn in among:
            if drawn is not other:
                left -= drawn.chance
                if left < 0:
                    return drawn
        return among[-1] if among[-1] is not other else among[-2]  # by rounding

    def _random(self) -> float:
        """From 0 to 1, without 1 (Steele, Lea, Flood 2014: splitmix64)."""
        mixed = self._random_state = (self._random_state + 0x9E3779B97F4A7C15) & _BITS
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _BITS
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _BITS
        return float((mixed ^ mixed >> 31) >> 11) * 2.0**-53

    def _is_known(self, member: _Member, now: float) -> bool:
        return member.measured and now - member.measured_at < _REMEMBERED * self._policy.decay_time

    def _latency(self, member: _Member, now: float) -> float:
        """Its latency as it is believed now."""
        latency = 0.0  # nothing is known: it is tried
        if self._is_known(member, now):
            latency = member.latency * exp((member.measured_at - now) / self._policy.decay_time)
        elif member.in_flight:
            latency = self._policy.default_rtt
        return max(latency, now - member.silent_since) if member.in_flight else latency

    def _weight(self, member: _Member, now: float) -> float:
        weight = member.weight * member.trust
        warm = now - member.warming_since
        if warm >= self._policy.slow_start_window or self._policy.slow_start_window <= 0:
            return weight
        least = self._policy.slow_start_min_weight_percent / 100.0
        return weight * max(warm / self._policy.slow_start_window, least)

    # -- what comes of it -------------------------------------------------------------------

    def begin(self, id: int, now: float) -> None:
        """A request is on its way to the member; `end` follows."""
        with self._lock:
            if member := self._members.get(id):
                if member.in_flight == 0:
                    member.silent_since = now
                member.in_flight += 1

    def end(self, id: int, now: float, elapsed: float, how: int) -> float:
        """The request that was begun ``elapsed`` seconds ago has ended; ``how``: an `Ending`.  For how long
        the member is ejected now, because of this; 0: it is not."""
        ejected = 0.0
        with self._lock:
            if member := self._members.get(id):
                member.in_flight = max(0, member.in_flight - 1)
                if how <= Ending.FAILED:
                    member.silent_since = now
                self._learn(member, elapsed, how == Ending.OK, now)
                if how == Ending.OK:
                    member.failures = 0
                elif how != Ending.CANCELLED and member.ejected_until <= now:
                    member.failures += 1
                    if 0 < self._policy.consecutive_gateway_failure <= member.failures:
                        ejected = self._eject(member, now)
            if how not in (Ending.GATEWAY, Ending.FAILED):
                self._latencies.add(elapsed)  # given up: it would have taken even longer
        return ejected

    def _learn(self, member: _Member, elapsed: float, is_good: bool, now: float) -> None:
        """How long what is no good answer took is a lower bound at most: it may have failed quickly."""
        kept = exp((member.measured_at - now) / self._policy.decay_time)
        is_known = self._is_known(member, now)
        known = member.latency * kept if is_known else 0.0 if is_good else self._policy.default_rtt
        if elapsed < known and not is_good:
            if is_known:
                return
            elapsed = known
        member.latency = known + elapsed * (1 - kept) if elapsed < known else elapsed
        member.measured_at = now
        member.measured = True

    def _eject(self, member: _Member, now: float) -> float:
        """For how long it is ejected; 0: it may not be."""
        ejected = 1 + sum(other.ejected_until > now for other in self._members.values())
        if ejected * 100 > len(self._members) * self._policy.max_ejection_percent:
            return 0.0
        base = self._policy.base_ejection_time
        forgiven = floor((now - member.ejected_until) / base)
        member.ejections = max(0, member.ejections - forgiven) + 1
        time = min(base * member.ejections, self._policy.max_ejection_time)
        member.ejected_until = now + time
        member.warming_since = member.ejected_until
        member.failures = 0
        member.measured = False  # whoever comes back may be another
        return time

    def _pay(self, now: float) -> None:
        if now <= self._paid_at:
            return
        window = self._policy.budget_window
        kept = exp((self._paid_at - now) / window)
        self._retries = self._retries * kept + self._policy.retry_budget_per_second * window * (1 - kept)
        self._hedges *= kept
        self._paid_at = now

    def may_retry(self, now: float) -> bool:
        """Whether the budget has a request that may be repeated; it is spent then."""
        with self._lock:
            self._pay(now)
            if self._retries < 1:
                return False
            self._retries -= 1
            return True

    def may_hedge(self, now: float) -> bool:
        """The same for a second request beside one that takes long."""
        with self._lock:
            self._pay(now)
            if self._hedges < 1:
                return False
            self._hedges -= 1
            return True

    def quantile(self, fraction: float) -> float:
        """What ``fraction`` of the answers did not take longer than; 0 while too few are known."""
        with self._lock:
            return self._latencies.quantile(fraction)
