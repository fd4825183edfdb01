"""Rooms on PostgreSQL: two tables, and a channel for each room (LISTEN and NOTIFY).

    PREFIX_rooms       the last number of each room, its epoch, how much of it is kept
    PREFIX_messages    what is kept, and whatever is too long for a notification (8000 bytes)
    NOTIFY channel     "epoch number =base64", "epoch number @": it is in the table; of processes, "- process
                       =base64", "- process @key" and ". process"

A message gets its number in the transaction that sends it, under the lock of the room's row; notifications
come in the order of commits, so what all hear is in the order of the numbers.  The tables are unlogged: they
cost no WAL, and after a crash of the server all rooms begin anew, with other epochs.

The thread of the bus; blocks for `_PATIENCE` seconds at most.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import select
from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any

from skitai._lazy import LazyModule
from skitai.core.bus.frames import Frame, Kind
from skitai.core.bus.remote import CarrierLost

if TYPE_CHECKING:
    import psycopg2  # type: ignore[import-untyped]
else:
    psycopg2 = LazyModule("psycopg2")

__all__ = ["PostgresCarrier"]

_PATIENCE = 5.0
#: Bytes that still have room in a notification as base64, beside epoch and number.
_INLINE_MAX = 5700
#: Beats between two looks at what is too old.
_BEATS = 10

_CREATE = """
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('{0}'));
CREATE UNLOGGED TABLE IF NOT EXISTS "{0}_rooms" (
    room text PRIMARY KEY, epoch text NOT NULL, number bigint NOT NULL DEFAULT 0, most int NOT NULL DEFAULT 0,
    seconds float8 NOT NULL DEFAULT 0, used timestamptz NOT NULL DEFAULT now());
CREATE UNLOGGED TABLE IF NOT EXISTS "{0}_messages" (
    room text, number bigint, said timestamptz NOT NULL DEFAULT now(), payload bytea NOT NULL,
    PRIMARY KEY (room, number));
COMMIT
"""
_OPEN = """
INSERT INTO "{0}_rooms" AS r (room, epoch, most, seconds) VALUES (%s, %s, %s, %s)
ON CONFLICT (room) DO UPDATE SET used = now(),
    most = CASE WHEN excluded.most > 0 THEN excluded.most ELSE r.most END,
    seconds = CASE WHEN excluded.most > 0 THEN excluded.seconds ELSE r.seconds END
RETURNING epoch, number, most, seconds
"""
_KEPT = """
SELECT number, payload FROM "{0}_messages"
WHERE room = %s AND number <= %s AND said > now() - %s * interval '1 second' ORDER BY number DESC LIMIT %s
"""
_SAY = """
WITH counted AS (
    INSERT INTO "{0}_rooms" AS r (room, epoch, number) VALUES (%(room)s, %(epoch)s, 1)
    ON CONFLICT (room) DO UPDATE SET number = r.number + 1, used = now() RETURNING r.epoch, r.number, r.most
), kept AS (
    INSERT INTO "{0}_messages" (room, number, payload)
    SELECT %(room)s, number, %(payload)s FROM counted WHERE most > 0 OR %(inline)s = '@'
)
SELECT pg_notify(%(room)s, epoch || ' ' || number || ' ' || %(inline)s) FROM counted
"""
_PUT = 'INSERT INTO "{0}_messages" (room, number, payload) VALUES (%s, 0, %s)'
_GET = 'SELECT payload FROM "{0}_messages" WHERE room = %s AND number = %s'
#: Whoever is to get what was too long for a notification has a minute.
_FORGET = """
DELETE FROM "{0}_messages" m USING (
    SELECT m.room, m.number FROM "{0}_messages" m LEFT JOIN "{0}_rooms" r USING (room)
    WHERE m.said < now() - interval '1 minute' AND (r.room IS NULL OR m.number <= r.number - r.most
        OR m.said < now() - r.seconds * interval '1 second')
    FOR UPDATE OF m SKIP LOCKED) old
WHERE m.room = old.room AND m.number = old.number
"""
_FORGET_ROOMS = """DELETE FROM "{0}_rooms" WHERE used < now() - interval '1 day'"""


class PostgresCarrier:
    """A `Carrier`."""

    def __init__(self, url: str, prefix: str) -> None:
        """``url``: as libpq has it, ``postgresql://user:password@host:port/database``."""
        self._url = url
        self._prefix = prefix
        self._connection: Any = None
        #: Rooms that are open, by their channels, and their epochs.
        self._open: dict[str, tuple[str, str]] = {}
        self._ready: deque[Frame] = deque()
        self._beats = 0

    def connect(self) -> None:
        self.close()
        try:
            self._connection = psycopg2.connect(self._url, async_=True, connect_timeout=int(_PATIENCE))
        except psycopg2.Error as error:
            raise CarrierLost(str(error).strip()) from error
        self._wait()
        self._run(_CREATE)
        self._run(f'LISTEN "{self._channel("")}"')

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._open.clear()
        self._ready.clear()

    def fileno(self) -> int:
        number: int = self._connection.fileno()
        return number

    @property
    def has_heard(self) -> bool:
        return bool(self._ready or self._connection.notifies)

    def send(self, frames: list[Frame]) -> None:
        for frame in frames:
            channel = self._channel(frame.room)
            if frame.kind is Kind.SAY:
                values = {"room": channel, "epoch": secrets.token_hex(4), "payload": frame.payload}
                self._run(_SAY, {**values, "inline": _inline(frame.payload)})
            elif frame.kind is Kind.TELL:
                self._tell(channel, frame)
            elif frame.kind is Kind.JOIN:
                self._join(channel, frame)
            else:
                self._open.pop(channel, None)
                self._run(f'UNLISTEN "{channel}"')
                self._notify(channel, f". {frame.number} ")

    def beat(self, origin: int) -> None:
        self._notify(self._channel(""), f"- {origin} =")
        self._beats += 1
        if self._beats % _BEATS == 0:
            self._run(_FORGET)
            self._run(_FORGET_ROOMS)

    def receive(self) -> Iterator[Frame]:
        try:
            self._connection.poll()
        except psycopg2.Error as error:
            raise CarrierLost(str(error).strip()) from error
        notifies = self._connection.notifies
        while self._ready or notifies:
            if self._ready:
                yield self._ready.popleft()
            else:
                notice = notifies.pop(0)
                yield from self._heard(notice.channel, notice.payload)

    # -- what is said -------------------------------------------------------------------------------

    def _channel(self, room: str) -> str:
        """Names have 63 bytes at most, and rooms any."""
        name = f"{self._prefix}\0{room}".encode("utf-8", "surrogateescape")
        return "skitai_" + hashlib.blake2b(name, digest_size=20).hexdigest()

    def _join(self, channel: str, frame: Frame) -> None:
        self._run(f'LISTEN "{channel}"')
        ((epoch, number, most, seconds),) = self._run(_OPEN, (channel, secrets.token_hex(4), *frame.terms))
        kept: deque[Frame] = deque()
        for own, payload in self._run(_KEPT, (channel, number, seconds, most)):
            if own != number - len(kept):
                break
            kept.appendleft(Frame(Kind.MESSAGE, frame.room, own, bytes(payload)))
        self._open[channel] = frame.room, epoch
        self._ready.append(Frame.opened(frame.room, number, epoch, number - len(kept)))
        self._ready += kept

    def _tell(self, channel: str, frame: Frame) -> None:
        inline = _inline(frame.payload)
        if inline == "@":
            key = secrets.token_hex(16)
            self._run(_PUT, (key, frame.payload))
            inline += key
        self._notify(channel, f"- {frame.number} {inline}")

    def _notify(self, channel: str, payload: str) -> None:
        self._run("SELECT pg_notify(%s, %s)", (channel, payload))

    def _run(self, text: str, values: Any = None) -> list[Any]:
        try:
            cursor = self._connection.cursor()
            cursor.execute(text.format(self._prefix) if "{0}" in text else text, values)
            self._wait()
            return list(cursor.fetchall()) if cursor.description else []
        except psycopg2.Error as error:
            raise CarrierLost(str(error).strip()) from error

    def _wait(self) -> None:
        """Until the server has answered."""
        until = monotonic() + _PATIENCE
        while True:
            try:
                state = self._connection.poll()
            except psycopg2.Error as error:
                raise CarrierLost(str(error).strip()) from error
            if state == psycopg2.extensions.POLL_OK:
                return
            ready = select.poll()
            wants_write = state == psycopg2.extensions.POLL_WRITE
            ready.register(self._connection.fileno(), select.POLLOUT if wants_write else select.POLLIN)
            if not ready.poll(max(0.0, 1000 * (until - monotonic()))):
                raise CarrierLost(f"no answer in {_PATIENCE:g} s")

    # -- what is heard ------------------------------------------------------------------------------

    def _heard(self, channel: str, said: str) -> Iterator[Frame]:
        first, number, rest = said.split(" ", 2)
        if channel == self._channel(""):
            yield Frame(Kind.TOLD, "", int(number))
            return
        if channel not in self._open:
            return
        room, epoch = self._open[channel]
        if first == ".":
            yield Frame(Kind.GONE, room, int(number))
        elif first == "-":
            payload = self._payload(rest, rest[1:], 0)
            yield (
                Frame(Kind.UNTOLD, room) if payload is None else Frame(Kind.TOLD, room, int(number), payload)
            )
        else:
            if first != epoch:  # the server has forgotten the room
                self._open[channel] = room, first
                yield Frame.opened(room, int(number) - 1, first, int(number) - 1)
            payload = self._payload(rest, channel, int(number))
            yield (
                Frame(Kind.LOST, room, int(number))
                if payload is None
                else Frame(Kind.MESSAGE, room, int(number), payload)
            )

    def _payload(self, said: str, room: str, number: int) -> bytes | None:
        """None: it was to be fetched, and is there no more."""
        if said[0] == "=":
            return base64.b64decode(said[1:])
        for (payload,) in self._run(_GET, (room, number)):
            return bytes(payload)
        return None


def _inline(payload: bytes) -> str:
    return "=" + base64.b64encode(payload).decode() if len(payload) <= _INLINE_MAX else "@"
