"""Connections to one database, and who waits for one: first come, first served, until their deadlines.

A connection that runs one statement at a time is given to whoever waits longest.  Where statements may share
connections (`Sharing`), those that may do so fill one after the other, in portions, for statements that leave
together cost less.  There is one more of these only when all are well used, and at most half of all
connections are of this kind, so that no statement is kept out by them.  Where that is the only one, it is
of the one kind or the other by turns, as those came that wait.

There are never more than ``db_connections_max``, whatever the load: those that are being made, those of
transactions, of listeners, and of threads are of them.

    a connection that was idle for long     is asked ``SELECT 1`` before anybody gets it
    one whose session may have changed      is reset before the next one gets it
    no connection can be made               another attempt comes after a while, and longer whiles each time;
                                            until then whoever asks is told at once, unless there are others

The loop thread.
"""

from __future__ import annotations

import copy
import random
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, Protocol

from skitai._kernels import engine
from skitai.errors import CallCancelled, CallsQueueFull, NetworkTimeout
from skitai.limits import Limits
from skitai.was._postgres.cancelling import Canceller
from skitai.was._postgres.connecting import Connecting, Link, Names
from skitai.was._postgres.exclusive import Exclusive
from skitai.was._postgres.query import Customer, Stage
from skitai.was._postgres.statement import Connection, ConnectionOwner, Database, Rows, Statement

__all__ = ["Pool", "PoolOwner", "Sharing"]

#: Seconds that a connection may have been idle and is still believed to be alive.
_TRUSTED = 30.0
#: For the answer to ``SELECT 1``, and to what resets a session.
_PATIENCE = 2.0
#: Between two attempts to connect: the first, and the longest.
_BACK_OFF, _BACK_OFF_MOST = 0.05, 1.0
#: Statements on each shared connection before there is one more of these.
_WELL_USED = 16


class Sharing(Protocol):
    """How statements share connections."""

    def connection(
        self,
        owner: ConnectionOwner,
        loop: engine.EventLoop,
        link: Link,
        canceller: Canceller,
        database: Database,
    ) -> Connection:
        """One that takes several at once."""

    def is_new_to(self, database: Database) -> bool:
        """Nothing was noted there."""

    def may_share(self, statement: Statement) -> bool:
        """Any thread."""

    def note(self, statement: Statement, seconds: float) -> None:
        """How long it has run on a connection of its own."""

    def snapshot(self) -> dict[str, Any]:
        """For people."""


class PoolOwner(Protocol):
    """The client."""

    loop: engine.EventLoop
    limits: Limits
    resolver: Names
    canceller: Canceller
    sharing: Sharing | None
    waiting: int

    def look_at(self, due: float) -> None: ...


class Pool:
    def __init__(self, client: PoolOwner, database: Database) -> None:
        self._client = client
        self._loop = client.loop
        self._most = client.limits.db_connections_max
        self.database = database
        #: The one that was used last is the last.
        self._idle: list[Exclusive] = []
        #: Given to somebody.
        self._busy: set[Exclusive] = set()
        self._shared: list[Connection] = []
        self._making: set[Connecting] = set()
        #: Connections of threads.
        self._lent = 0
        #: Who waits, and may share; and those that may not; each with the number of its arrival.
        self._sharers: OrderedDict[Customer, int] = OrderedDict()
        self._waiting: OrderedDict[Customer, int] = OrderedDict()
        self._arrivals = 0
        self._delay = 0.0
        #: No attempt to connect before this time, and why.
        self._not_before = 0.0
        self._why: BaseException | None = None
        self._timer: engine.Timer | None = None
        self._is_closed = False
        #: A shared one that takes nobody any more, so that its place becomes free.
        self._leaving: Connection | None = None
        #: Connections that were made, and that were lost.
        self.made_count = 0
        self.lost_count = 0

    @property
    def open(self) -> int:
        """Connections, with those that are being made."""
        return len(self._idle) + len(self._busy) + len(self._shared) + len(self._making) + self._lent

    @property
    def is_unused(self) -> bool:
        return not (self.open or self._waiting or self._sharers)

    def snapshot(self) -> dict[str, Any]:
        return {
            "idle": len(self._idle),
            "busy": len(self._busy) + self._lent,
            "shared": len(self._shared),
            "on shared": sum(connection.busy for connection in self._shared),
            "connecting": len(self._making),
            "waiting": len(self._waiting) + len(self._sharers),
            "most": self._most,
            "made": self.made_count,
            "lost": self.lost_count,
        }

    # -- who wants one ----------------------------------------------------------------------------

    def want(self, customer: Customer) -> None:
        if self._is_closed:
            customer.fail(CallCancelled("the process is ending"))
        elif not self._has_one(customer):
            self._queue(customer)

    def _has_one(self, customer: Customer) -> bool:
        """Without waiting."""
        if customer.may_share:
            shared = self._next_to_fill()
            if shared is None and self._idle and self._may_have_shared():
                shared = self._share(self._idle.pop())
            if shared is not None:
                self._give(shared, customer)
                return True
        elif customer.wants_place and self._has_place():
            self._lend(customer)
            return True
        if not self._idle:
            return False
        connection = self._idle.pop()
        self._busy.add(connection)
        self._give(connection, customer)
        return True

    def _queue(self, customer: Customer) -> None:
        limits = self._client.limits
        if self._client.waiting >= limits.db_queue_max:
            text = "too many statements wait for a connection already (db_queue_max)"
            customer.fail(CallsQueueFull(text))
        elif self._why is not None and self.open == 0 and monotonic() < self._not_before:
            customer.fail(copy.copy(self._why))
        else:
            self._client.waiting += 1
            self._arrivals += 1
            self._queue_of(customer)[customer] = self._arrivals
            self._make()

    def _queue_first(self, customer: Customer) -> None:
        """It has waited before."""
        self._client.waiting += 1
        queue = self._queue_of(customer)
        queue[customer] = 0
        queue.move_to_end(customer, last=False)

    def _queue_of(self, customer: Customer) -> OrderedDict[Customer, int]:
        return self._sharers if customer.may_share else self._waiting

    def leave(self, customer: Customer) -> None:
        """Nobody waits there any more."""
        if self._queue_of(customer).pop(customer, None) is not None:
            self._client.waiting -= 1

    def _next(self, queue: OrderedDict[Customer, int]) -> Customer:
        self._client.waiting -= 1
        return queue.popitem(last=False)[0]

    def _is_for_sharers(self) -> bool:
        """Whether a connection that is free should be shared."""
        if not self._sharers or not self._may_have_shared():
            return False
        return not self._waiting or _first(self._sharers) <= _first(self._waiting)

    # -- giving -------------------------------------------------------------------------------------

    def _give(self, connection: Connection, customer: Customer) -> None:
        if connection.busy or monotonic() - connection.used_at < _TRUSTED:
            customer.go(connection)
        else:
            self._ask(connection, "SELECT 1", partial(self._asked_first, connection, customer))

    def _asked_first(self, connection: Connection, customer: Customer, rows: Rows) -> None:
        """Whether it is alive: if so, it is free in a moment."""
        if customer.stage is not Stage.OVER:
            self._queue_first(customer)
        if rows.error is not None:
            self._drop(connection)

    def _ask(self, connection: Connection, sql: str, then: Callable[[Rows], None]) -> None:
        """Something of our own, that has to be quick."""

        def done(rows: Rows) -> None:
            timer.cancel()
            then(rows)

        asked = connection.run(Statement(sql, self.database), done)
        error = NetworkTimeout("the database did not answer", limit="timeout")
        timer = self._loop.call_later(_PATIENCE, lambda: asked.cancel(error))

    def _serve(self, connection: Exclusive) -> None:
        """``connection``, which is among the busy ones, is free."""
        if self._is_for_sharers():
            self._busy.discard(connection)
            self._share(connection)
            self._serve_shared()
        elif self._waiting:
            customer = self._next(self._waiting)
            if not customer.wants_place:
                self._give(connection, customer)
                return
            self._busy.discard(connection)
            connection.close()
            self._lend(customer)
        elif self._sharers:
            self._give(connection, self._next(self._sharers))
        else:
            self._busy.discard(connection)
            self._idle.append(connection)
            self._client.look_at(connection.used_at + self._client.limits.db_keep_alive)

    def give_back(self, connection: Exclusive) -> None:
        """It was given to somebody who has had it for himself, and is idle or closed."""
        connection.owner = self
        if connection.is_closed:
            self.lost(connection, CallCancelled("the connection was closed"))
        else:
            self.freed(connection)

    # -- shared connections ---------------------------------------------------------------------------

    def _may_have_shared(self) -> bool:
        """One more of them."""
        return self._client.sharing is not None and len(self._shared) < max(1, self._most // 2)

    def _next_to_fill(self) -> Connection | None:
        """The one to be filled next; None: there is none, or there should be one more."""
        with_room = [shared for shared in self._shared if shared.room > 0 and shared is not self._leaving]
        if not with_room:
            return None
        best = min(with_room, key=_portions)
        has_more = self._may_have_shared() and (self._idle or self._has_place())
        is_enough = best.busy < _WELL_USED or not has_more
        return best if is_enough else None

    def _share(self, connection: Exclusive) -> Connection:
        """``connection`` is idle."""
        shared = self._share_link(connection.release())
        shared.used_at = connection.used_at
        return shared

    def _share_link(self, link: Link) -> Connection:
        assert self._client.sharing is not None
        shared = self._client.sharing.connection(
            self, self._loop, link, self._client.canceller, self.database
        )
        self._shared.append(shared)
        return shared

    def _serve_shared(self) -> None:
        while self._sharers and (connection := self._next_to_fill()) is not None:
            self._give(connection, self._next(self._sharers))

    def _make_room(self) -> None:
        """For those that may not share, where all connections are shared."""
        if self._busy or self._making or self._lent or not self._shared or self._leaving is not None:
            return
        self._leaving = min(self._shared, key=_load)
        self._see_off()

    def _see_off(self) -> None:
        leaving = self._leaving
        if leaving is not None and not leaving.busy:
            self._leaving = None
            self._drop(leaving)

    # -- threads, which connect by themselves -----------------------------------------------------------

    def _has_place(self) -> bool:
        return self.open < self._most

    def _lend(self, customer: Customer) -> None:
        self._lent += 1
        customer.go(self)

    def place_freed(self) -> None:
        """A thread has closed its connection."""
        self._lent -= 1
        self._make()

    # -- connections come ---------------------------------------------------------------------------------

    def _make(self) -> None:
        """As many as are waited for, and as there may be."""
        while self._waiting and self._has_place() and next(iter(self._waiting)).wants_place:
            self._lend(self._next(self._waiting))
        while len(self._making) < self._wanted() and self._has_place() and not self._is_closed:
            wait = self._not_before - monotonic()
            if wait > 0:
                if self._timer is None:
                    self._timer = self._loop.call_later(wait, self._try_again)
                return
            first = next(iter(self._waiting or self._sharers), None)
            connecting = Connecting(
                self.database, self._loop, self._client.resolver, self._made, self._not_made
            )
            self._making.add(connecting)
            connecting.begin(
                self._client.limits.db_connect_timeout if first is None else first.connect_timeout
            )
        if self._waiting and not self._has_place():
            self._make_room()

    def _wanted(self) -> int:
        """How many connections should be in the making."""
        for_sharers = -(-len(self._sharers) // _WELL_USED) if self._client.sharing else len(self._sharers)
        least = self._client.limits.db_connections_min - (self.open - len(self._making))
        return max(len(self._waiting) + for_sharers, least)

    def _try_again(self) -> None:
        self._timer = None
        self._make()

    def _made(self, connecting: Connecting, link: Link) -> None:
        self._making.discard(connecting)
        self._delay, self._not_before, self._why = 0.0, 0.0, None
        self.made_count += 1
        if self._is_for_sharers():
            self._share_link(link)
            self._serve_shared()
            return
        connection = Exclusive(self, self._loop, link, self._client.canceller)
        self._busy.add(connection)
        sharing = self._client.sharing
        if sharing is not None and sharing.is_new_to(self.database):
            self._measure(connection, sharing)
        else:
            self._serve(connection)

    def _measure(self, connection: Exclusive, sharing: Sharing) -> None:
        """How quick a statement can be here: the first one that somebody asks may be a slow one."""
        began, statement = monotonic(), "SELECT 1"

        def answered(rows: Rows) -> None:
            if rows.error is None:
                sharing.note(Statement(statement, self.database), monotonic() - began)
            else:
                self._drop(connection)

        self._ask(connection, statement, answered)

    def _not_made(self, connecting: Connecting, error: BaseException) -> None:
        self._making.discard(connecting)
        self._why = error
        self._delay = min(max(_BACK_OFF, 2 * self._delay), _BACK_OFF_MOST)
        # Not all processes at the same moment.
        self._not_before = monotonic() + self._delay * random.uniform(0.5, 1.0)
        if self.open == 0:
            while self._waiting or self._sharers:
                self._next(self._waiting or self._sharers).fail(copy.copy(error))
        self._make()

    # -- and go: `ConnectionOwner` --------------------------------------------------------------------------

    def freed(self, connection: Any) -> None:
        if not isinstance(connection, Exclusive):
            self._see_off()
            self._serve_shared()
            if self._waiting:
                self._make()  # there may be no other connection that will be free for them
        elif connection.is_in_transaction:
            self._ask(connection, "ROLLBACK", partial(self._reset, connection))
        elif connection.is_soiled:
            connection.is_soiled = False
            self._ask(connection, "DISCARD ALL", partial(self._reset, connection))
        else:
            self._serve(connection)

    def _reset(self, connection: Exclusive, rows: Rows) -> None:
        if rows.error is not None:
            self._drop(connection)

    def lost(self, connection: Any, error: BaseException) -> None:
        self.lost_count += 1
        self._forget(connection)
        self._make()

    def _drop(self, connection: Connection) -> None:
        connection.close()
        self._forget(connection)
        self._make()

    def _forget(self, connection: Any) -> None:
        if connection is self._leaving:
            self._leaving = None
        self._busy.discard(connection)
        for kept in (self._idle, self._shared):
            if connection in kept:
                kept.remove(connection)

    def tidy(self, now: float) -> float:
        """Close what was not used for long; when to look again, as a time of `time.monotonic`."""
        limits = self._client.limits
        unused = [*self._idle, *(shared for shared in self._shared if not shared.busy)]
        for connection in sorted(unused, key=_age):
            ends = connection.used_at + limits.db_keep_alive
            if ends > now:
                return ends
            if self.open <= limits.db_connections_min:
                break
            connection.close()
            self._forget(connection)
        return float("inf")

    def close(self) -> None:
        self._is_closed = True
        error = CallCancelled("the process is ending")
        while self._waiting or self._sharers:
            self._next(self._waiting or self._sharers).fail(error)
        for connecting in self._making:
            connecting.cancel()
        for connection in (*self._idle, *self._busy, *self._shared):
            connection.close()
        if self._timer is not None:
            self._timer.cancel()


def _first(queue: OrderedDict[Customer, int]) -> int:
    return next(iter(queue.values()))


def _load(connection: Connection) -> int:
    return connection.busy


def _portions(connection: Connection) -> tuple[int, int]:
    """Fewer first, and of as many the one that is nearest to the next."""
    return connection.busy // _WELL_USED, -connection.busy


def _age(connection: Connection) -> float:
    return connection.used_at
