"""The client of an event loop: pools by origin, the clocks of what is under way, what there may be in all.

`HttpClient.begin` may be called in any thread; a request leaves with the loop's next turn.  Not even in
the loop's own thread does it leave at once: a handler runs there that may lose the lead at any of its
instructions, and then another thread would find the pools half changed.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from time import monotonic
from typing import TYPE_CHECKING, Any

from skitai._kernels import engine
from skitai._lazy import LazyModule
from skitai.core.alarm import Alarm
from skitai.core.outbound.clienttls import ClientContexts
from skitai.core.outbound.connecting import Names
from skitai.core.outbound.fetch import Fetch
from skitai.core.outbound.handshaking import Handshakes
from skitai.core.outbound.pool import Pool, Pooled
from skitai.core.outbound.request import Outcome, Request
from skitai.errors import CallCancelled
from skitai.limits import Limits

if TYPE_CHECKING:
    from skitai.core.outbound import messages
else:
    messages = LazyModule("skitai.core.outbound.messages")

__all__ = ["HttpClient"]

_FOREVER = float("inf")
_ENDING = "the process is ending"
#: What connections read into.
_SCRATCH = 131072


class HttpClient:
    """``report(what)`` is called inside an ``except`` block, for the error log; ``answered_after(seconds)``
    for each answer, with the time since it was asked for."""

    def __init__(
        self,
        loop: engine.EventLoop,
        limits: Limits,
        resolver: Names,
        report: Callable[[str], None],
        answered_after: Callable[[float], None] | None = None,
    ) -> None:
        self.loop = loop
        self.limits = limits
        self.resolver = resolver
        self.report = report
        self.contexts = ClientContexts()
        self.handshakes = Handshakes(loop, report)
        self.scratch = memoryview(bytearray(_SCRATCH))
        self.per_host_max = limits.call_connections_per_host_max
        self.keep_alive = limits.call_keep_alive
        #: Requests that wait for a connection.
        self.waiting = 0
        #: By origin, and where more than that has to be equal by what says so.
        self._pools: dict[Hashable, Pool] = {}
        #: Begun, and not yet looked at by the loop; whether that is told that there are some.
        self._begun: deque[Fetch] = deque()
        self._is_told = False
        self._active: set[Fetch] = set()
        self._answered_after = answered_after
        self.done: Callable[[Fetch], None] = self._active.discard if answered_after is None else self._done
        #: Connections of all pools, with those that are being made.
        self._open = 0
        #: The longest idle first.
        self._idle: OrderedDict[Pooled, Pool] = OrderedDict()
        #: Those that may have no connection because there are too many in all.
        self.turns: OrderedDict[Pool, None] = OrderedDict()
        self._alarm = Alarm(loop, self._ring)
        self._is_closed = False

    # -- any thread ---------------------------------------------------------------------------

    def begin(self, request: Request, on_done: Callable[[Outcome], None]) -> Fetch:
        if request.message is not None:
            return messages.begin(self, request, on_done)
        fetch = Fetch(self, request, on_done)
        self.send(fetch)
        return fetch

    def send(self, fetch: Fetch) -> None:
        """As `begin`, which makes it."""
        self._begun.append(fetch)
        if not self._is_told:
            self._is_told = True
            self.loop.call_soon(self._begin_all)

    def send_now(self, fetch: Fetch) -> None:
        """The same for callbacks of the engine in the loop thread, which no handler interrupts; the outcome
        may be there before this has returned."""
        self._begin(fetch)

    def go_on(self, fetch: Fetch, pool: Pool, connection: Any, began_at: float) -> None:
        """``fetch`` has been asked already, over ``connection`` of ``pool``: see `hand_over` of those
        of the compiled build.  The loop thread."""
        self._active.add(fetch)
        fetch.pool = pool
        fetch.go_on(connection, began_at)

    def pool(self, origin: Hashable) -> Pool | None:
        """The connections to ``origin``; None: there are none.  The loop thread."""
        return self._pools.get(origin)

    def enter(self, fetch: Fetch, key: Hashable, make_pool: Callable[[Any, Any], Pool]) -> None:
        """``fetch`` is of another kind, and so are the connections of its pool, the one of ``key``;
        ``make_pool(client, key)`` where there is none."""
        self.loop.call_soon(self._enter, fetch, key, make_pool)

    def close(self) -> None:
        """No request is sent any more; those that are under way end with `CallCancelled`."""
        self.loop.call_soon(self._close)

    # -- requests -----------------------------------------------------------------------------

    def _begin_all(self) -> None:
        # Before the first one is taken: who adds one behind the last tells anew.
        self._is_told = False
        begun = self._begun
        for _ in range(len(begun)):
            try:
                self._begin(begun.popleft())
            except Exception:
                self.report("a request to others")

    def _begin(self, fetch: Fetch) -> None:
        self._enter(fetch, fetch.request.origin, Pool)

    def _enter(self, fetch: Fetch, key: Hashable, make_pool: Callable[[Any, Any], Pool]) -> None:
        if fetch.error is not None:  # it was given up
            return
        if self._is_closed:
            fetch.fail(CallCancelled(_ENDING))
            return
        self._active.add(fetch)
        if fetch.due < self._alarm.rings_at:
            self.look_at(fetch.due)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = make_pool(self, key)
        fetch.pool = pool
        pool.want(fetch)

    def _done(self, fetch: Fetch) -> None:
        self._active.discard(fetch)
        if fetch.response is not None and self._answered_after is not None:
            self._answered_after(fetch.elapsed)

    def _close(self) -> None:
        self._is_closed = True
        error = CallCancelled(_ENDING)
        for pool in self._pools.values():
            pool.close(error)
        for fetch in tuple(self._active):
            fetch.fail(error)
        self._pools.clear()
        self._idle.clear()
        self.handshakes.close()

    # -- how many connections -------------------------------------------------------------------

    def may_wait(self) -> bool:
        return self.waiting < self.limits.call_queue_max

    def may_open(self, pool: Pool) -> bool:
        """Count one more connection; or note that ``pool`` waits for its turn."""
        if self._open >= self.limits.call_connections_max and not self._close_oldest():
            self.turns[pool] = None
            return False
        self._open += 1
        return True

    def _close_oldest(self) -> bool:
        if not self._idle:
            return False
        connection, pool = self._idle.popitem(last=False)
        pool.drop(connection)
        return True

    def others_wait(self, pool: Pool) -> bool:
        return len(self.turns) > (pool in self.turns)

    def closed(self, pool: Pool) -> None:
        """One connection of ``pool`` is no more."""
        self._open -= 1
        self.tidy(pool)
        if self.turns:
            self.loop.call_soon(self._take_turn)

    def waits_no_more(self, pool: Pool) -> None:
        """All requests that waited there are over."""
        self.turns.pop(pool, None)
        self.tidy(pool)

    def tidy(self, pool: Pool) -> None:
        if pool.is_empty and self._pools.get(pool.key) is pool:
            del self._pools[pool.key]

    def _take_turn(self) -> None:
        while self.turns and self._open < self.limits.call_connections_max:
            pool, _ = self.turns.popitem(last=False)
            pool.make()

    def idles(self, connection: Pooled, pool: Pool) -> None:
        self._idle[connection] = pool
        if connection.idle_until < self._alarm.rings_at:
            self.look_at(connection.idle_until)

    def no_longer_idle(self, connection: Pooled) -> None:
        self._idle.pop(connection, None)

    # -- clocks ---------------------------------------------------------------------------------

    def look_at(self, due: float) -> None:
        """Something runs out at ``due``, a time of `time.monotonic`."""
        self._alarm.set(due)

    def _ring(self) -> None:
        now = monotonic()
        while self._idle:
            connection, pool = next(iter(self._idle.items()))
            if connection.idle_until > now:
                self.look_at(connection.idle_until)
                break
            del self._idle[connection]
            pool.drop(connection)
        soonest = _FOREVER
        for fetch in tuple(self._active):
            if fetch.due <= now:
                fetch.expire(now)
            soonest = min(soonest, fetch.due)
        self.look_at(soonest)

    # -- what there is ----------------------------------------------------------------------------

    def snapshot(self) -> dict[str, object]:
        """For people; any thread, as of about now."""
        return {
            "connections": self._open,
            "calls": len(self._active),
            "waiting": self.waiting,
            "origins": {pool.title: pool.snapshot() for pool in tuple(self._pools.values())},
        }
