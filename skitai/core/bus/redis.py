"""Rooms on Redis (6.0 or newer, or Valkey): a hash and a list for each, and a channel that all listen to.

    PREFIX:{room}        hash: e, the epoch; n, the last number; m, s: how much is kept, for how long
    PREFIX:{room}:kept   list of what is kept: "number milliseconds message"
    PREFIX:{room}        channel: "epoch number message"; of processes, "- process aside" and ". process"
    PREFIX               channel: "- process ", signs of life

One server: a node of a cluster has only some of the rooms, and is refused, as is a Sentinel, which has none.

A message gets its number and is published in one script, so what all hear is in the order of the numbers.  A
room that nobody has opened for a day is forgotten by Redis; a room that begins anew has another epoch.

The thread of the bus; blocks for `_PATIENCE` seconds at most.
"""

from __future__ import annotations

import secrets
import socket
from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from skitai._lazy import LazyModule
from skitai.core.bus.frames import Frame, Kind
from skitai.core.bus.remote import CarrierLost
from skitai.core.bus.resp import Failure, Push, RespReader, command

if TYPE_CHECKING:
    import ssl
else:
    ssl = LazyModule("ssl")

__all__ = ["RedisCarrier"]

_PATIENCE = 5.0
_READ_SIZE = 1 << 16
_PORT = 6379
#: By the mode that a server tells when it is greeted.
_REFUSED_MODES = {
    b"cluster": "a node of a Redis Cluster, where each server has only some of the rooms",
    b"sentinel": "a Sentinel, which has no rooms",
}

#: KEYS: hash, list.  ARGV: an epoch, if there is none yet; message.
_SAY = """
local room, kept = KEYS[1], KEYS[2]
redis.call('HSETNX', room, 'e', ARGV[1])
local n = redis.call('HINCRBY', room, 'n', 1)
redis.call('EXPIRE', room, 86400)
local terms = redis.call('HMGET', room, 'e', 'm', 's')
local most = tonumber(terms[2] or '0')
if most > 0 then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local life = math.ceil(tonumber(terms[3]) * 1000)
  redis.call('RPUSH', kept, string.format('%d %.0f ', n, now) .. ARGV[2])
  redis.call('LTRIM', kept, -most, -1)
  local oldest = redis.call('LINDEX', kept, 0)
  while oldest and tonumber(string.match(oldest, '^%d+ (%d+)')) < now - life do
    redis.call('LPOP', kept)
    oldest = redis.call('LINDEX', kept, 0)
  end
  redis.call('PEXPIRE', kept, life)
end
redis.call('PUBLISH', room, terms[1] .. ' ' .. string.format('%d', n) .. ' ' .. ARGV[2])
return n
"""
#: KEYS: hash, list.  ARGV: an epoch, most, seconds.  Gives epoch, number, and what is kept.
_OPEN = """
local room, kept = KEYS[1], KEYS[2]
redis.call('HSETNX', room, 'e', ARGV[1])
if tonumber(ARGV[2]) > 0 then redis.call('HSET', room, 'm', ARGV[2], 's', ARGV[3]) end
redis.call('EXPIRE', room, 86400)
local found = redis.call('HMGET', room, 'e', 'n')
return {found[1], found[2] or '0', redis.call('LRANGE', kept, 0, -1)}
"""


class RedisCarrier:
    """A `Carrier`."""

    def __init__(self, url: str, prefix: str) -> None:
        """``url``: ``redis[s]://[[user]:password@]host[:port][/database]``."""
        parts = urlsplit(url)
        self._address = (parts.hostname or "localhost", parts.port or _PORT)
        self._is_tls = parts.scheme == "rediss"
        self._user = unquote(parts.username or "default")
        self._password = unquote(parts.password or "")
        self._database = parts.path.strip("/")
        self._prefix = prefix
        self._sock: socket.socket | None = None
        self._reader = RespReader()
        #: What replies that are still to come belong to: a room that is being opened, or nothing.
        self._asked: deque[str] = deque()
        #: Rooms that are open, by their channels, and their epochs; what comes for others came too early.
        self._open: dict[bytes, tuple[str, bytes]] = {}

    def connect(self) -> None:
        self.close()
        try:
            sock = socket.create_connection(self._address, timeout=_PATIENCE)
            self._sock = sock
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._is_tls:
                context = ssl.create_default_context()
                self._sock = context.wrap_socket(sock, server_hostname=self._address[0])
        except OSError as error:
            raise CarrierLost(str(error)) from error
        hello = ["HELLO", "3", *(["AUTH", self._user, self._password] if self._password else [])]
        self._check_mode(self._ask(hello))
        if self._database:
            self._ask(["SELECT", self._database])
        self._send([command("SUBSCRIBE", self._prefix)])

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock = None
        self._reader = RespReader()
        self._asked.clear()
        self._open.clear()

    def fileno(self) -> int:
        assert self._sock is not None
        return self._sock.fileno()

    @property
    def has_heard(self) -> bool:
        return False

    def send(self, frames: list[Frame]) -> None:
        self._send([part for frame in frames for part in self._commands(frame)])

    def beat(self, origin: int) -> None:
        self._asked.append("")
        self._send([command("PUBLISH", self._prefix, b"- %d " % origin)])

    def receive(self) -> Iterator[Frame]:
        sock = self._sock
        assert sock is not None
        while True:
            try:
                data = sock.recv(_READ_SIZE)
            except OSError as error:
                raise CarrierLost(str(error)) from error
            if not data:
                raise CarrierLost("it has closed the connection")
            try:
                for value in self._reader.receive(data):
                    yield from self._heard(value)
            except ValueError as error:
                raise CarrierLost(str(error)) from error
            if not self._is_tls or not sock.pending():  # type: ignore[attr-defined]
                return

    # -- what is said -------------------------------------------------------------------------------

    def _commands(self, frame: Frame) -> Iterator[bytes]:
        key = self._key(frame.room)
        if frame.kind is Kind.JOIN:
            # What is published between these two the second one knows of.
            yield command("SUBSCRIBE", key)
            yield command("EVAL", _OPEN, 2, key, key + b":kept", secrets.token_hex(4), *frame.terms)
            self._asked.append(frame.room)
            return
        self._asked.append("")
        if frame.kind is Kind.SAY:
            yield command("EVAL", _SAY, 2, key, key + b":kept", secrets.token_hex(4), frame.payload)
        elif frame.kind is Kind.TELL:
            yield command("PUBLISH", key, b"- %d " % frame.number + frame.payload)
        else:
            self._open.pop(key, None)
            yield command("UNSUBSCRIBE", key)
            yield command("PUBLISH", key, b". %d " % frame.number)

    def _key(self, room: str) -> bytes:
        # In braces, that both keys are on one server of a cluster.
        return b"%b:{%b}" % (self._prefix.encode(), room.encode("utf-8", "surrogateescape"))

    def _check_mode(self, greeting: object) -> None:
        """``greeting``: what HELLO is answered with."""
        mode = greeting.get(b"mode") if isinstance(greeting, dict) else None
        if mode in _REFUSED_MODES:
            raise CarrierLost(
                f"it is {_REFUSED_MODES[mode]}: the url of [bus] has to be that of one Redis server, or an "
                "address that follows the primary of such a server and its replicas"
            )

    def _ask(self, words: list[str]) -> object:
        """And wait for the answer, which is given: nothing else is under way."""
        self._send([command(*words)])
        assert self._sock is not None
        until = monotonic() + _PATIENCE
        while monotonic() < until:
            try:
                data = self._sock.recv(_READ_SIZE)
                replies = list(self._reader.receive(data)) if data else [Failure("it hangs up")]
            except (OSError, ValueError) as error:
                raise CarrierLost(str(error)) from error
            for reply in replies:
                if isinstance(reply, Failure):
                    raise CarrierLost(f"{words[0]}: {reply}")
                return reply
        raise CarrierLost(f"no answer to {words[0]}")

    def _send(self, parts: list[bytes]) -> None:
        assert self._sock is not None
        try:
            self._sock.sendall(b"".join(parts))
        except OSError as error:
            raise CarrierLost(str(error)) from error

    # -- what is heard ------------------------------------------------------------------------------

    def _heard(self, value: object) -> Iterator[Frame]:
        if isinstance(value, Push):
            if value[0] == b"message":
                yield from self._published(value[1], value[2])
            return
        room = self._asked.popleft()
        if isinstance(value, Failure):
            raise CarrierLost(str(value))
        if room and isinstance(value, list):
            yield from self._opened(room, *value)

    def _opened(self, room: str, epoch: bytes, newest: bytes, kept: list[bytes]) -> Iterator[Frame]:
        number = int(newest)
        self._open[self._key(room)] = room, epoch
        yield Frame.opened(room, number, epoch.decode(), number - len(kept))
        for item in kept:
            own, _, message = item.split(b" ", 2)
            yield Frame(Kind.MESSAGE, room, int(own), message)

    def _published(self, channel: bytes, data: bytes) -> Iterator[Frame]:
        first, number, payload = data.split(b" ", 2)
        if channel == self._prefix.encode():
            yield Frame(Kind.TOLD, "", int(number))
            return
        if channel not in self._open:
            return
        room, epoch = self._open[channel]
        if first == b"-":
            yield Frame(Kind.TOLD, room, int(number), payload)
        elif first == b".":
            yield Frame(Kind.GONE, room, int(number))
        else:
            if first != epoch:  # the server has forgotten the room
                self._open[channel] = room, first
                yield Frame.opened(room, int(number) - 1, first.decode(), int(number) - 1)
            yield Frame(Kind.MESSAGE, room, int(number), payload)
