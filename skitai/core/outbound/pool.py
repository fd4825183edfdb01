"""Connections of one origin, and the requests that wait for one.

A request takes the connection that was used last: it is the one least likely to have been closed, and the
others can grow old.  Where none is idle one is made, as long as there may be one more to this origin and
in all; otherwise the request waits, first come, first served.  A connection that is being made belongs to
nobody: whoever waits first gets the next one that is ready, made or freed.  With a call that is cancelled one
of them ends, if those that still wait need as many no more.  One that was too slow for its call is finished
and kept, as long as it has a clock: the next call is in no more haste than the last one was, and would
find the server as slow.

Origins that have to wait because there are too many connections in all take turns (`HttpClient`).

The loop thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from skitai.core.outbound.connecting import Connecting, Means
from skitai.core.outbound.fetch import Fetch
from skitai.core.outbound.request import Origin
from skitai.errors import CallsQueueFull, SkitaiError

if TYPE_CHECKING:
    import ssl

__all__ = ["Making", "Pool", "PoolOwner", "Pooled"]


class Pooled(Protocol):
    """A connection: `engine.OutboundConnection`, or what has the same for another protocol."""

    #: Requests that were answered here.
    served: int
    #: How long the other side keeps it, in seconds.
    kept_for: float
    #: When it is closed for having nothing to do; 0: somebody uses it.
    idle_until: float

    @property
    def is_idle(self) -> bool:
        """It can be asked; the contrary is that it is closed."""

    @property
    def tls(self) -> ssl.SSLObject | None: ...
    def seems_alive(self) -> bool: ...
    def close(self) -> None:
        """Nobody is told."""


class Making(Protocol):
    """A connection that is being made: `Connecting`, or what goes on behind that."""

    @property
    def has_clock(self) -> bool: ...
    def begin(self) -> None: ...
    def cancel(self) -> None: ...


class PoolOwner(Means, Protocol):
    """The client."""

    keep_alive: float
    per_host_max: int
    waiting: int

    @property
    def turns(self) -> Collection[Any]:
        """Pools that wait because there are too many connections in all."""

    def may_wait(self) -> bool: ...
    def may_open(self, pool: Any) -> bool: ...
    def others_wait(self, pool: Any) -> bool: ...
    def closed(self, pool: Any) -> None: ...
    def waits_no_more(self, pool: Any) -> None: ...
    def tidy(self, pool: Any) -> None: ...
    def idles(self, connection: Pooled, pool: Any) -> None: ...
    def no_longer_idle(self, connection: Pooled) -> None: ...


class Pool:
    __slots__ = ("_client", "_idle", "_left", "_making", "_waiting", "authority", "busy", "key", "origin")

    def __init__(self, client: PoolOwner, origin: Origin) -> None:
        self._client = client
        self._idle: list[Pooled] = []
        #: The one begun last is the last.
        self._making: dict[Making, None] = {}
        self._waiting: deque[Fetch] = deque()
        #: Of these, those that have been given up.
        self._left = 0
        self.origin = origin
        #: What has to be equal for whom it is asked by.
        self.key: Hashable = origin
        self.authority = origin.authority
        #: Connections in use.
        self.busy = 0

    @property
    def title(self) -> str:
        """For people."""
        return self.origin.title

    @property
    def open(self) -> int:
        """Connections, with those that are being made."""
        return len(self._idle) + len(self._making) + self.busy

    @property
    def is_empty(self) -> bool:
        return not (self.open or len(self._waiting) > self._left)

    def snapshot(self) -> dict[str, int]:
        return {
            "idle": len(self._idle),
            "busy": self.busy,
            "connecting": len(self._making),
            "waiting": len(self._waiting) - self._left,
        }

    # -- requests -----------------------------------------------------------------------------

    def want(self, fetch: Fetch) -> None:
        """Give ``fetch`` a connection, now or later."""
        while self._idle and not fetch.wants_new:
            connection = self._idle.pop()
            self._client.no_longer_idle(connection)
            if fetch.accepts(connection):
                self._use(connection, fetch)
                return
            connection.close()
            # Not at once: a pool that has nothing at this moment would be forgotten.
            self._client.loop.call_soon(self._client.closed, self)
        if not self._client.may_wait():
            fetch.fail(CallsQueueFull("too many calls wait for a connection already (call_queue_max)"))
            self._client.tidy(self)
            return
        self._client.waiting += 1
        self._waiting.append(fetch)
        fetch.is_queued = True
        self.make()

    def take(self, is_repeatable: bool) -> Pooled | None:
        """As `want`, without a fetch: a connection that is idle, the caller's from now on.  None: none."""
        client = self._client
        while self._idle:
            connection = self._idle.pop()
            client.no_longer_idle(connection)
            if is_repeatable or connection.seems_alive():
                self.busy += 1
                connection.idle_until = 0.0
                return connection
            connection.close()
            client.loop.call_soon(client.closed, self)
        return None

    def leaves(self, *, unwanted: bool) -> None:
        """One that waits is over; ``unwanted``: because nobody wants it any more."""
        self._client.waiting -= 1
        self._left += 1
        if unwanted and len(self._making) > len(self._waiting) - self._left:
            self._make_no_more(next(reversed(self._making)))
        if self._left == len(self._waiting):
            self._waiting.clear()
            self._left = 0
            self._give_up_endless()
            self._client.waits_no_more(self)
        elif self._left > 16 and self._left * 2 > len(self._waiting):
            self._waiting = deque(fetch for fetch in self._waiting if fetch.is_queued)
            self._left = 0

    def _give_up_endless(self) -> None:
        """Connections that nobody waits for and that might never be made: whoever comes next would wait for
        them."""
        for connecting in tuple(self._making):
            if not connecting.has_clock:
                self._make_no_more(connecting)

    def _make_no_more(self, connecting: Making) -> None:
        del self._making[connecting]
        connecting.cancel()
        self._client.closed(self)

    def make(self) -> None:
        """As many connections as requests wait for, and as there may be."""
        while len(self._making) < len(self._waiting) - self._left and self.open < self._client.per_host_max:
            if not self._client.may_open(self):
                return
            connecting = self._new_connection(self._waiting[0].request.connect_timeout)
            self._making[connecting] = None
            connecting.begin()

    def _new_connection(self, timeout: float) -> Making:
        return Connecting(self, self._client, timeout)

    def _use(self, connection: Pooled, fetch: Fetch) -> None:
        self.busy += 1
        connection.idle_until = 0.0
        fetch.go(connection)

    def _first(self) -> Fetch | None:
        """Who waits longest."""
        while self._waiting:
            if self._waiting[0].is_queued:
                return self._waiting[0]
            self._waiting.popleft()
            self._left -= 1
        return None

    def _next(self) -> Fetch | None:
        """The same, who waits no more."""
        fetch = self._first()
        if fetch is not None:
            self._waiting.popleft()
            fetch.is_queued = False
            self._client.waiting -= 1
        return fetch

    # -- connections --------------------------------------------------------------------------

    def made(self, connecting: Making, connection: Pooled) -> None:
        del self._making[connecting]
        fetch = self._next()
        if fetch is not None:
            self._use(connection, fetch)
        elif self._client.others_wait(self):
            connection.close()  # whoever it was made for is over
            self._client.closed(self)
        else:
            self._keep(connection)

    def not_made(self, connecting: Making, error: SkitaiError) -> None:
        """Whoever waits longest hears of it; the others may have more luck, or a connection that is freed."""
        del self._making[connecting]
        fetch = self._next()
        if fetch is not None:
            fetch.fail(error)
        self._client.closed(self)
        self.make()

    def freed(self, connection: Pooled) -> None:
        """A request has ended that had it, or it has ended while nobody had it."""
        if connection.idle_until:
            self._idle.remove(connection)
            self._client.no_longer_idle(connection)
        else:
            self.busy -= 1
        tls = connection.tls
        if tls is not None and connection.served == 1:
            self._client.contexts.remember(self.origin, tls)
        if not connection.is_idle:
            self._client.closed(self)
            self.make()
            return
        if self._client.turns and self._client.others_wait(self):
            connection.close()
            self._client.closed(self)
            self.make()  # behind the others
            return
        fetch = self._first()
        if fetch is None:
            self._keep(connection)
        elif fetch.accepts(connection):
            self._next()
            self._use(connection, fetch)
        else:
            connection.close()
            self._client.closed(self)
            self.make()

    def _keep(self, connection: Pooled) -> None:
        # A second less than the server says, for what is on its way when it closes.
        seconds = self._client.keep_alive
        if connection.kept_for - 1 < seconds:
            seconds = max(0.0, connection.kept_for - 1)
        connection.idle_until = monotonic() + seconds
        self._idle.append(connection)
        self._client.idles(connection, self)

    def drop(self, connection: Pooled) -> None:
        """Close one that is idle."""
        self._idle.remove(connection)
        connection.close()
        self._client.closed(self)

    def close(self, error: SkitaiError) -> None:
        for connecting in tuple(self._making):
            connecting.cancel()
        self._making.clear()
        while (fetch := self._next()) is not None:
            fetch.fail(error)
        for connection in self._idle:
            connection.close()
        self._idle.clear()
