"""LISTEN and NOTIFY: one connection for all who listen to a database in this process.

    nobody listens ──the first──▶ CONNECTING ──▶ LISTENING ──the last has gone──▶ nobody listens
                                    ▲    │           │
                                    └────┴─ a while ─┴── the connection breaks, or there is none

A server keeps nothing for who does not listen: what is sent between the loss of a connection and the next one
is gone, and so whoever listens is told that there may be a gap.

The loop thread.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from skitai._kernels import engine
from skitai.errors import CallCancelled, NetworkTimeout
from skitai.was._postgres.driver import extensions
from skitai.was._postgres.exclusive import Exclusive
from skitai.was._postgres.query import Client, Customer, Stage
from skitai.was._postgres.statement import Database, Rows, Statement

__all__ = ["Ear", "Listening", "Notice"]

#: Seconds between the loss of a connection, or an attempt in vain, and the next one.
_PAUSE = 1.0
#: For the answer to LISTEN.
_PATIENCE = 5.0


class Notice(NamedTuple):
    """One notification.  ``channel`` and ``payload`` as they were sent, ``pid``: of the server's process that
    sent it."""

    channel: str
    payload: str
    pid: int


class Ear(Protocol):
    """Who listens to one channel.  All of it is called in the loop thread, and must not wait."""

    channel: str

    def hears(self) -> None:
        """From now on."""

    def hear(self, notice: Notice) -> None: ...

    def loses(self, error: BaseException) -> None:
        """Until `hears` is called again."""


class Owner(Client, Protocol):
    """The client."""

    def enter(self, customer: Any, database: Database) -> None: ...


class _Pool(Protocol):
    def want(self, customer: Any) -> None: ...
    def leave(self, customer: Any) -> None: ...
    def give_back(self, connection: Exclusive) -> None: ...
    def lost(self, connection: Exclusive, error: BaseException) -> None: ...


class Listening(Customer):
    __slots__ = ("_asking", "_connection", "_database", "_ears", "_heard", "_owner", "_timer")

    _pool: _Pool

    def __init__(self, owner: Owner, database: Database) -> None:
        super().__init__(owner, float("inf"), _PATIENCE)
        self._owner = owner
        self._database = database
        self._ears: dict[str, list[Ear]] = {}
        #: Channels that the server knows of.
        self._heard: set[str] = set()
        #: LISTEN or UNLISTEN is under way for this one.
        self._asking = ""
        self._connection: Exclusive | None = None
        self._timer: engine.Timer | None = None
        self.stage = Stage.OVER

    # -- who listens ------------------------------------------------------------------------------

    def add(self, ear: Ear) -> None:
        self._ears.setdefault(ear.channel, []).append(ear)
        if ear.channel in self._heard:
            ear.hears()
        elif self._connection is not None:
            self._go_on()
        elif self.stage is Stage.OVER and self._timer is None:
            self._connect()

    def remove(self, ear: Ear) -> None:
        ears = self._ears.get(ear.channel, [])
        if ear in ears:
            ears.remove(ear)
        if not ears:
            self._ears.pop(ear.channel, None)
        self._go_on()

    # -- a connection: `Customer` -----------------------------------------------------------------

    def _connect(self) -> None:
        self._timer = None
        if self._ears:
            self.stage = Stage.WAITING
            self._owner.enter(self, self._database)

    def go(self, connection: Exclusive) -> None:
        self.stage = Stage.RUNNING
        connection.owner = self
        connection.listen(self._hear)
        self._connection = connection
        self._go_on()

    def fail(self, error: BaseException) -> None:
        """There is none now."""
        if self.stage is Stage.OVER:
            return
        self.leave()
        self._rest(error)

    def _rest(self, error: BaseException) -> None:
        self._heard.clear()
        self._asking = ""
        for ear in self._all():
            ear.loses(error)
        if self._ears and self._timer is None:
            self._timer = self._owner.loop.call_later(_PAUSE, self._connect)

    def _all(self) -> list[Ear]:
        return [ear for ears in self._ears.values() for ear in ears]

    # -- what the server knows ----------------------------------------------------------------------

    def _go_on(self) -> None:
        """The next difference between who listens and what the server knows."""
        connection = self._connection
        if connection is None or not connection.room or self._asking:
            return
        if not self._ears:
            self._leave_off(connection)
            return
        for channel in self._ears.keys() - self._heard:
            self._ask("LISTEN", channel, connection)
            return
        for channel in self._heard - self._ears.keys():
            self._ask("UNLISTEN", channel, connection)
            return

    def _ask(self, word: str, channel: str, connection: Exclusive) -> None:
        self._asking = channel

        def done(rows: Rows) -> None:
            timer.cancel()
            self._asked(word, channel, rows)

        name = extensions.quote_ident(channel, connection.connection)
        asked = connection.run(Statement(f"{word} {name}", self._database), done)
        late = NetworkTimeout("the database did not answer", limit="timeout")
        timer = self._owner.loop.call_later(_PATIENCE, lambda: asked.cancel(late))

    def _asked(self, word: str, channel: str, rows: Rows) -> None:
        self._asking = ""
        if rows.error is not None:
            for ear in self._ears.pop(channel, []):
                ear.loses(rows.error)
        elif word == "UNLISTEN":
            self._heard.discard(channel)
        else:
            self._heard.add(channel)
            for ear in self._ears.get(channel, []):
                ear.hears()

    def _leave_off(self, connection: Exclusive) -> None:
        """Nobody listens."""
        self._connection = None
        self._heard.clear()
        self.leave()
        connection.listen(None)
        connection.is_soiled = True
        self._pool.give_back(connection)

    # -- what comes ---------------------------------------------------------------------------------

    def _hear(self) -> None:
        assert self._connection is not None
        notices = self._connection.connection.notifies
        while notices:
            notice = notices.pop(0)
            for ear in tuple(self._ears.get(notice.channel, ())):
                ear.hear(Notice(notice.channel, notice.payload, notice.pid))

    def freed(self, connection: Exclusive) -> None:
        self._go_on()

    def lost(self, connection: Exclusive, error: BaseException) -> None:
        self._connection = None
        self._pool.lost(connection, error)
        self.fail(error)

    def close(self) -> None:
        """Nobody hears any more."""
        self._ears, ears = {}, self._all()
        if self._timer is not None:
            self._timer.cancel()
        for ear in ears:
            ear.loses(CallCancelled("the process is ending"))
