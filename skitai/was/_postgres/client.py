"""Statements of an event loop: pools by database, the clocks of what is under way.

`PostgresClient.begin` may be called in any thread; a statement leaves with the loop's next turn (why not
sooner, see `skitai.core.outbound.client`).
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from skitai._kernels import engine
from skitai.core.alarm import Alarm
from skitai.errors import CallCancelled
from skitai.limits import Limits
from skitai.was._postgres.cancelling import Canceller
from skitai.was._postgres.connecting import Names
from skitai.was._postgres.helpers import Helpers
from skitai.was._postgres.listening import Ear, Listening
from skitai.was._postgres.pool import Pool, Sharing
from skitai.was._postgres.query import Customer, Query, Special
from skitai.was._postgres.statement import Database, OnRows, Statement

__all__ = ["PostgresClient"]

_FOREVER = float("inf")
#: For what blocks; each has a connection, and so there are seldom so many.
_THREADS = 64


class PostgresClient:
    def __init__(self, loop: engine.EventLoop, limits: Limits, resolver: Names) -> None:
        self.loop = loop
        self.limits = limits
        self.resolver = resolver
        self.canceller = Canceller(loop)
        self.helpers = Helpers("skitai-db", _THREADS)
        #: None: each statement has a connection for itself, and ``why_alone`` says why.
        self.sharing: Sharing | None = None
        self.why_alone = ""
        #: Who waits for a connection, of all pools.
        self.waiting = 0
        self._pools: dict[Database, Pool] = {}
        self._active: set[Customer] = set()
        self._listening: dict[Database, Listening] = {}
        self._alarm = Alarm(loop, self._ring)
        self._is_closed = False

    # -- any thread ---------------------------------------------------------------------------------

    def begin(self, statement: Statement, on_done: OnRows) -> Any:
        """Gives who can cancel it, as `Begin` does."""
        if isinstance(statement, Special):
            customer = statement.customer(self, on_done)
        else:
            customer = Query(self, statement, on_done, self._may_share(statement))
        self.loop.call_soon(self.enter, customer, statement.origin)
        return customer

    def listen(self, ear: Ear, database: Database) -> None:
        self.loop.call_soon(self._listen, ear, database)

    def unlisten(self, ear: Ear, database: Database) -> None:
        self.loop.call_soon(self._unlisten, ear, database)

    def close(self) -> None:
        """Nothing is asked any more; what is under way ends with `CallCancelled`."""
        self.loop.call_soon(self._close)

    def _may_share(self, statement: Statement) -> bool:
        return self.sharing is not None and self.sharing.may_share(statement)

    # -- the loop thread ------------------------------------------------------------------------------

    def enter(self, customer: Customer, database: Database) -> None:
        """``customer`` wants a connection to ``database``."""
        if customer.is_over or not self.admit(customer):
            return
        pool = self._pools.get(database)
        if pool is None:
            pool = self._pools[database] = Pool(self, database)
        customer.begin(pool)

    def admit(self, customer: Customer) -> bool:
        """Look at its clock from now on; False: it has failed, for nothing is asked any more."""
        if self._is_closed:
            customer.fail(CallCancelled("the process is ending"))
            return False
        self._active.add(customer)
        self.look_at(customer.due)
        return True

    def _listen(self, ear: Ear, database: Database) -> None:
        listening = self._listening.get(database)
        if listening is None:
            listening = self._listening[database] = Listening(self, database)
        listening.add(ear)

    def _unlisten(self, ear: Ear, database: Database) -> None:
        listening = self._listening.get(database)
        if listening is not None:
            listening.remove(ear)

    def done(self, customer: Customer) -> None:
        self._active.discard(customer)

    def note(self, statement: Statement, seconds: float) -> None:
        """How long it has run on a connection that it had for itself."""
        if self.sharing is not None:
            self.sharing.note(statement, seconds)

    def _close(self) -> None:
        self._is_closed = True
        for listening in self._listening.values():
            listening.close()
        for pool in self._pools.values():
            pool.close()
        for customer in tuple(self._active):
            customer.fail(CallCancelled("the process is ending"))
        self._pools.clear()
        self.canceller.close()
        self.helpers.close()
        self._alarm.cancel()

    # -- clocks ---------------------------------------------------------------------------------------

    def look_at(self, due: float) -> None:
        """Something runs out at ``due``, a time of `time.monotonic`."""
        self._alarm.set(due)

    def _ring(self) -> None:
        now = monotonic()
        for customer in tuple(self._active):
            if customer.due <= now:
                customer.expire(now)
        soonest = min((customer.due for customer in self._active), default=_FOREVER)
        for pool in tuple(self._pools.values()):
            soonest = min(soonest, pool.tidy(now))
            if pool.is_unused:
                del self._pools[pool.database]
        self.look_at(soonest)

    # -- what there is ----------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """For people; any thread, as of about now."""
        return {
            "statements": len(self._active),
            "waiting": self.waiting,
            "ended on servers": self.canceller.count,
            "cancelling": "yes" if self.canceller.is_able else "no: the libpq of psycopg2 is not to be found",
            "pipelining": f"no: {self.why_alone}" if self.sharing is None else self.sharing.snapshot(),
            "databases": [
                {"database": pool.database.authority, **pool.snapshot()}
                for pool in tuple(self._pools.values())
            ],
        }
