"""Active health checks: each member is asked now and then whether it is well, and is left alone while it is
not.

What a member says to a check and what it does for others can be two things, so checks come beside passive
ejection and never in its place: a good check does not bring back who was ejected.  As long as
`unhealthy_threshold` checks have not failed a member is taken to be well, or a cluster could not be asked
in its first seconds.

The loop thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from skitai._kernels import engine
from skitai.core.config import ClusterSettings
from skitai.core.outbound.request import Begin, Cancelable, Outcome, Request
from skitai.was._attempts import failure_of
from skitai.was._membership import Peer

__all__ = ["HealthChecks"]

#: Of the answer to a check: more is a failure, too.
_ANSWER_MAX = 1 << 20


class _Check:
    """Of one member."""

    def __init__(self, checks: HealthChecks, peer: Peer, delay: float) -> None:
        self._checks = checks
        self._peer = peer
        self._is_healthy = True
        #: Checks in a row that say otherwise than what is believed.
        self._against = 0
        self._handle: Cancelable | None = None
        self._timer = checks.loop.call_later(delay, self._ask)

    def close(self) -> None:
        self._timer.cancel()
        if self._handle is not None:
            self._handle.cancel()

    def _ask(self) -> None:
        settings = self._checks.settings
        request = Request(
            "GET",
            self._peer.origin,
            settings.health_check_path,
            [("Host", self._peer.authority)] if self._peer.authority else [],
            deadline=self._checks.clock() + settings.health_check_timeout,
            response_max=_ANSWER_MAX,
            repeatable=True,  # over a kept connection that has died: that says nothing about the member
        )
        self._handle = self._checks.begin(request, self._done)

    def _done(self, outcome: Outcome) -> None:
        self._handle = None
        if not self._checks.has(self._peer):
            return
        response = outcome.response
        if response is not None and 200 <= response.head.status < 300:
            self._learn(True, "is healthy again")
        else:
            self._learn(False, f"is unhealthy: {failure_of(outcome)}")
        self._timer = self._checks.loop.call_later(self._checks.settings.health_check_interval, self._ask)

    def _learn(self, is_well: bool, what: str) -> None:
        settings = self._checks.settings
        if is_well is self._is_healthy:
            self._against = 0
            return
        self._against += 1
        if self._against >= (settings.healthy_threshold if is_well else settings.unhealthy_threshold):
            self._against = 0
            self._is_healthy = is_well
            self._checks.members.judge(self._peer.id, is_well, self._checks.clock())
            self._checks.tell(self._peer, what)


class HealthChecks:
    def __init__(
        self,
        settings: ClusterSettings,
        members: engine.Members,
        begin: Begin,
        loop: engine.EventLoop,
        clock: Callable[[], float],
        tell: Callable[[Peer, str], None],
    ) -> None:
        """``tell(peer, what)`` writes a line for the operator."""
        self.settings = settings
        self.members = members
        self.begin = begin
        self.loop = loop
        self.clock = clock
        self.tell = tell
        self._checks: dict[int, _Check] = {}

    def has(self, peer: Peer) -> bool:
        return peer.id in self._checks

    def follow(self, peers: Sequence[Peer]) -> None:
        """Check these, and no others any more."""
        if not self.settings.health_check_path:
            return
        wanted = {peer.id: peer for peer in peers}
        for id in self._checks.keys() - wanted.keys():
            self._checks.pop(id).close()
        new = [peer for peer in peers if peer.id not in self._checks]
        for place, peer in enumerate(new):  # not all at once
            delay = self.settings.health_check_interval * place / len(new)
            self._checks[peer.id] = _Check(self, peer, delay)

    def close(self) -> None:
        self.follow(())
