"""A connection that many statements share: sent without waiting for each other, they are answered in turn.

    OPEN ──the head was given up and does not end──▶ ENDING ──all have ended, the server was told──▶ OPEN
      └──────────────────────────────────────────────────┴──the connection breaks──▶ CLOSED

The oldest statement under way is the *head*: it is the one that runs.  What is waiting is given to libpq once
in a turn of the loop, and leaves in one system call.

Each is a transaction of its own, with a mark behind it (`skitai._pure.pipeline`); but *companions* are one
together, which costs half as much.  They have the same text, which certainly only reads, and is brief
(`Paces`): so nobody can tell, and they wait for no locks but the same (several texts in one transaction could
be in a deadlock).  Where one of them fails, the server has not run those behind it; they are sent again, each
for itself, and so one that fails fails alone.

To end a statement the server knows only "what runs now", and by the time that it is told another one may run.
So nobody is told about a statement that is not the head or one of its companions, or that ends by itself in a
moment; and from then on nothing more is sent until all have ended and the server was told.  Another one that
is hit by it all the same is sent again if it only reads, and fails otherwise.

When the connection breaks, what is under way may have run, and is not repeated; but for what stands behind
the statement at which the server has said its last word (FATAL): it has not looked at it.

The loop thread.
"""

from __future__ import annotations

import copy
import enum
from collections import deque
from time import monotonic
from typing import Any

from skitai._kernels import Pipeline, PipelineError, Taken, engine
from skitai.errors import CallCancelled, ResponseTooLarge, SkitaiError
from skitai.was._postgres.cancelling import Canceller
from skitai.was._postgres.casting import Descriptions, casts_of
from skitai.was._postgres.classify import Shape, shape_of
from skitai.was._postgres.connecting import Link
from skitai.was._postgres.driver import errors, extensions, psycopg2
from skitai.was._postgres.libpq import Libpq, PipeliningUnavailable
from skitai.was._postgres.metering import Meter, meter_of
from skitai.was._postgres.paces import Paces
from skitai.was._postgres.refusals import Refusals
from skitai.was._postgres.statement import ConnectionOwner, OnRows, Rows, Statement

__all__ = ["Pipelined"]

#: Statements on one connection: more would only wait there, and not elsewhere.
_DEPTH = 64
#: Companions: so many are seldom noticed by the one that waits longest, and more would save little.
_TOGETHER = 16
#: Seconds that a statement may run before the server is told that nobody wants it; seconds until it is told
#: again, for it may not have read the statement when it was told; seconds until the connection is given up.
_MOMENT, _AGAIN, _GRACE = 0.02, 0.1, 2.0


class _Stage(enum.Enum):
    OPEN = "takes statements"
    ENDING = "a statement is ended on the server; those under way go on"
    CLOSED = "no more"

    __hash__ = object.__hash__


_OPEN, _ENDING, _CLOSED = _Stage


class _Run:
    """A statement that was taken.  ``on_done`` is None from the moment that somebody has been told."""

    __slots__ = ("_connection", "began", "is_alone", "on_done", "shape", "statement")

    def __init__(self, connection: Pipelined, statement: Statement, on_done: OnRows) -> None:
        self._connection = connection
        self.statement = statement
        self.shape: Shape = shape_of(statement.sql, statement.params is not None)
        self.on_done: OnRows | None = on_done
        self.began = monotonic()
        #: It has no companions.
        self.is_alone = not self.shape.reads_only

    @property
    def text(self) -> Any:
        """That of its companions, too."""
        return self if self.is_alone else (self.shape.key, self.statement.rows_max)

    def cancel(self, error: SkitaiError) -> None:
        self._connection.give_up(self, error)

    def end(self, rows: Rows) -> None:
        on_done, self.on_done = self.on_done, None
        if on_done is not None:
            rows.elapsed = monotonic() - self.began
            on_done(rows)


class _Party:
    """A statement under way, or companions."""

    __slots__ = ("runs", "sent")

    def __init__(self, first: _Run) -> None:
        self.runs = [first]
        self.sent = monotonic()

    def takes(self, run: _Run) -> bool:
        return len(self.runs) < _TOGETHER and self.runs[0].text == run.text


class Pipelined:
    is_shared = True

    def __init__(
        self,
        owner: ConnectionOwner,
        loop: engine.EventLoop,
        link: Link,
        canceller: Canceller,
        libpq: Libpq,
        paces: Paces,
    ) -> None:
        """Raises PipeliningUnavailable: libpq does not want to."""
        connection = link.connection
        address = libpq.ffi.cast("PGconn *", connection.pgconn_ptr)
        codec = extensions.encodings[connection.encoding]
        self._refusals = Refusals(libpq, codec)
        if not libpq.functions.PQenterPipelineMode(address):
            text: bytes = libpq.ffi.string(libpq.functions.PQerrorMessage(address))
            raise PipeliningUnavailable(text.decode(errors="replace").strip())
        # psycopg2 would keep them, and let go of them only when it is asked itself.
        libpq.functions.PQsetNoticeProcessor(address, libpq.no_notices, libpq.ffi.NULL)
        self.owner = owner
        self.room = _DEPTH
        self.busy = 0
        self.used_at = monotonic()
        self._loop = loop
        self._link = link
        self._connection = connection
        self._canceller = canceller
        self._paces = paces
        self._pipeline = Pipeline(libpq, connection.pgconn_ptr, casts_of(connection))
        self._descriptions = Descriptions(codec)
        #: For adapters and casters, which want to know the connection.
        self._cursor = connection.cursor()
        self._stage = _OPEN
        #: Not given to libpq; given to it, those with the head first.
        self._waiting: deque[_Run] = deque()
        self._under_way: deque[_Party] = deque()
        self._is_sending = False
        self._goes_on = False
        self._head_since = 0.0
        #: Where an answer does not come all at once: whose, and bytes of it.
        self._meter: Meter | None = None
        self._metered: _Run | None = None
        self._received = 0
        #: The head was given up, and this looks after it; since when the server is told.
        self._timer: engine.Timer | None = None
        self._telling_since = 0.0
        self._is_telling = False
        self._events = engine.READ
        link.watch(engine.READ, self._ready)

    @property
    def is_closed(self) -> bool:
        return self._stage is _CLOSED

    def _recount(self) -> None:
        self.busy = len(self._waiting) + sum(len(party.runs) for party in self._under_way)
        self.room = max(0, _DEPTH - self.busy) if self._stage is _OPEN else 0

    # -- out --------------------------------------------------------------------------------------

    def run(self, statement: Statement, on_done: OnRows) -> _Run:
        assert self._stage is _OPEN
        run = _Run(self, statement, on_done)
        self._waiting.append(run)
        self.busy += 1
        self.room -= 1
        self._send_soon()
        return run

    def _send_soon(self) -> None:
        if not self._is_sending:
            self._is_sending = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._is_sending = False
        if self._meter is not None and self._meter.holds_sending:
            return
        self._bring_together()
        was_refused = False
        party: _Party | None = None
        try:
            while self._waiting and self._stage is _OPEN:
                run = self._waiting[0]
                try:
                    sql = self._cursor.mogrify(run.statement.sql, run.statement.params)
                except Exception as error:  # of an adapter, too, which may be anybody's
                    was_refused = True
                    self._waiting.popleft().end(Rows(run.statement, error))
                    continue
                if party is not None and not party.takes(run):
                    self._pipeline.mark()
                    party = None
                self._pipeline.send(sql)
                self._waiting.popleft()
                if party is None:
                    party = _Party(run)
                    if not self._under_way:
                        self._head_since = party.sent
                    self._under_way.append(party)
                else:
                    party.runs.append(run)
            if party is not None and self._stage is not _CLOSED:
                self._pipeline.mark()
        except PipelineError as error:
            self._lose(psycopg2.OperationalError(str(error)))
            return
        self._flush()
        if was_refused:
            self._freed()

    def _bring_together(self) -> None:
        """Companions that are waiting; all of these leave at once, so nobody is overtaken by it."""
        if len(self._waiting) > 1:
            parties: dict[Any, list[_Run]] = {}
            for run in self._waiting:
                run.is_alone = run.is_alone or not self._paces.is_brief(run.shape.key)
                parties.setdefault(run.text, []).append(run)
            self._waiting = deque(run for runs in parties.values() for run in runs)

    def _flush(self) -> None:
        if self._stage is _CLOSED:
            return
        try:
            is_left = self._pipeline.flush()
        except PipelineError as error:
            self._lose(psycopg2.OperationalError(str(error)))
            return
        self._watch(engine.READ | engine.WRITE if is_left else engine.READ)

    def _watch(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self._link.watch(events, self._ready)

    # -- in ---------------------------------------------------------------------------------------

    def _ready(self, events: int) -> None:
        if events & engine.WRITE:
            self._flush()
        if self._stage is not _CLOSED and events & engine.READ:
            self._read()

    def _read(self) -> None:
        if self._goes_on:
            return  # what has come is taken before the end is seen, at which libpq forgets whose it is
        meter = self._meter
        try:
            if meter is not None:
                meter.admit()
            self._pipeline.read()
            while meter is not None and meter.is_left():
                self._pipeline.read()
        except PipelineError as error:
            while self._take():
                pass
            self._lose(psycopg2.OperationalError(str(error)))
            return
        if not self._go_on() and self._under_way:
            self._count(self._runs()[0])

    def _go_on(self) -> bool:
        """Some of what has come; whether there was any.

        Not all of it at once: whoever gets his rows now may send his next statement while the others get
        theirs, and the server has something to do.
        """
        count = 0
        while self._under_way and count < _TOGETHER:
            taken = self._take()
            if not taken:
                break
            count += taken
        if count and self._stage is not _CLOSED:
            self._unmeter()
            self._freed()
            if self._under_way and not self._goes_on:
                self._goes_on = True
                self._loop.call_soon(self._continue)
        return count > 0

    def _continue(self) -> None:
        self._goes_on = False
        self._go_on()

    def _take(self) -> int:
        """What those before the oldest mark have come to; how many they are, 0 if it is not all there."""
        if not self._under_way:  # or the connection is closed
            return 0
        party = self._under_way[0]
        taken = self._pipeline.take(self._cursor, party.runs[0].statement.rows_max)
        if taken is None:
            return 0
        self._under_way.popleft()
        now = monotonic()
        shape = party.runs[0].shape
        self._paces.note(shape.key, now - party.sent, now - self._head_since, len(party.runs))
        self._head_since = now
        self._ended(party.runs, taken)
        return len(party.runs)

    def _ended(self, runs: list[_Run], taken: list[Taken]) -> None:
        ended = [(run, self._rows(run, each)) for run, each in zip(runs, taken, strict=False)]
        again = [run for run, rows in ended if self._was_hit(run, rows)]
        for run in again + runs[len(taken) :]:
            if run.on_done is not None:
                run.is_alone = True
                self._waiting.append(run)
                self._send_soon()
        for run, rows in ended:
            if run not in again:
                run.end(rows)

    def _was_hit(self, run: _Run, rows: Rows) -> bool:
        """By what was meant for another one; and it may run twice."""
        was_meant = self._stage is not _ENDING or run.on_done is None
        return not was_meant and isinstance(rows.error, errors.QueryCanceled) and run.shape.reads_only

    def _rows(self, run: _Run, taken: Taken) -> Rows:
        refusal, error, columns, rows, count = taken
        if refusal:
            error = self._refusals.take(refusal)
        elif columns is not None and count > run.statement.rows_max:
            most = run.statement.rows_max
            error = ResponseTooLarge(f"the result has {count} rows, more than {most} (rows_max)")
        if error is not None:
            return Rows(run.statement, error)
        description = None if columns is None else self._descriptions.of(columns)
        return Rows(run.statement, description=description, rows=rows, rowcount=count)

    def _runs(self) -> list[_Run]:
        """The head, as far as we know, and its companions behind it."""
        if not self._under_way:
            return []
        runs = self._under_way[0].runs
        return runs[min(self._pipeline.answered, len(runs) - 1) :]

    def _count(self, head: _Run) -> None:
        """A part of its answer has come."""
        if self._meter is None:
            if self._events == engine.READ:
                self._meter, self._metered = meter_of(self._link), head
            return
        self._received += self._meter.count()
        if self._metered is not head:  # a companion behind that one, of which this is the beginning at most
            self._metered, self._received = head, 0
        most = head.statement.response_max
        if self._received > most:
            self.give_up(head, ResponseTooLarge(f"the result is longer than {most} bytes (response_max)"))
        if self._received > 2 * most:  # libpq keeps all of it until its end
            self._lose(CallCancelled("a result was longer than is wanted"))

    def _unmeter(self) -> None:
        meter, self._meter, self._metered, self._received = self._meter, None, None, 0
        if meter is not None:
            meter.end()
            if meter.holds_sending and self._waiting:
                self._send_soon()

    def _freed(self) -> None:
        """Statements have ended."""
        self.used_at = monotonic()
        self._look_at_head()
        self._recount()
        self.owner.freed(self)

    # -- giving up ------------------------------------------------------------------------------------

    def give_up(self, run: _Run, error: SkitaiError) -> None:
        if run.on_done is None:
            return
        run.end(Rows(run.statement, error, has_not_run=run in self._waiting))
        if self._stage is _CLOSED:
            return
        if run in self._waiting:
            self._waiting.remove(run)
            self._freed()
        else:
            self._look_at_head()

    def _look_at_head(self) -> None:
        """Has it been given up, or a companion of it?  Have all ended?"""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if any(run.on_done is None for run in self._runs()):
            self._telling_since = 0.0
            wait = self._head_since + _MOMENT - monotonic()
            self._timer = self._loop.call_later(max(0.0, wait), self._end_head)
        elif not self._under_way and not self._is_telling and self._stage is _ENDING:
            self._stage = _OPEN
            self._send_soon()  # those that were hit

    def _end_head(self) -> None:
        self._timer = None
        now = monotonic()
        if not self._telling_since:
            self._telling_since = now
            self._stage = _ENDING
            self._recount()
        if not self._is_telling:
            self._is_telling = self._canceller.cancel(self._connection, self._told)
        if not self._is_telling or now - self._telling_since > _GRACE:
            self._lose(CallCancelled("a statement was given up and did not end on the server"))
        else:
            self._timer = self._loop.call_later(_AGAIN, self._end_head)

    def _told(self) -> None:
        self._is_telling = False
        if self._stage is _ENDING and not self._under_way:
            self._freed()

    # -- the end ----------------------------------------------------------------------------------------

    def _lose(self, error: BaseException) -> None:
        """The connection is broken, or is given up."""
        if self._stage is _CLOSED:
            return
        held = self._pipeline.drop()
        is_refused = bool(held and held[-1][0])
        of_head, is_last_word = error, False
        if is_refused:
            is_last_word = self._refusals.is_fatal(held[-1][0])
            refusal = self._refusals.take(held[-1][0])
            of_head = refusal if refusal.pgcode else error  # or libpq has said that it is broken
        # What has come of companions they can have, who only read; of one alone not, whose end is unknown.
        has_companions = bool(self._under_way) and len(self._under_way[0].runs) > 1
        head = len(held) - is_refused if has_companions else 0
        under_way, waiting = self._shut()
        for run, taken in zip(under_way[:head], held, strict=False):
            run.end(self._rows(run, taken))
        for place, run in enumerate(under_way[head:]):
            why = copy.copy(error) if place else of_head
            run.end(Rows(run.statement, why, has_not_run=place > 0 and is_last_word))
        for run in waiting:
            run.end(Rows(run.statement, copy.copy(error), has_not_run=True))
        self.owner.lost(self, error)

    def close(self) -> None:
        if self._stage is not _CLOSED:
            if self._under_way and not self._is_telling:
                self._canceller.cancel(self._connection)
            under_way, waiting = self._shut()
            for run in (*under_way, *waiting):
                run.end(Rows(run.statement, CallCancelled("the connection was closed")))

    def _shut(self) -> tuple[list[_Run], deque[_Run]]:
        self._stage = _CLOSED
        self.room = self.busy = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._unmeter()
        self._link.close()
        left = [run for party in self._under_way for run in party.runs], self._waiting
        self._under_way, self._waiting = deque(), deque()
        return left
