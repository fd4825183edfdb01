"""Listeners, connections and the clock of one server instance: the pure build's engine.

`run` is the loop thread.  `listen` comes before it; `drain` and `stop` may be called from any
thread.  Everything else belongs to the loop thread, but for what `Exchange` says of itself.
"""

from __future__ import annotations

import errno
import socket
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from skitai import _forks
from skitai._constants import SERVER_SOFTWARE
from skitai._httpdate import format_date
from skitai._lazy import LazyModule
from skitai._pure.engine.connection import Connection
from skitai._pure.engine.handshakes import Contexts, Handshake, Handshakes, Stage
from skitai._pure.engine.keeping import LastingFile
from skitai._pure.engine.loop import READ, EventLoop
from skitai._pure.engine.secure import Transport
from skitai._pure.engine.service import Habit, PresentCall, Service
from skitai._pure.engine.wsphases import WebSocketTotals
from skitai._pure.http1 import Headers, RequestHead, ServerConnection
from skitai.counters import Count, Latency, Row, observe, private_row
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits

if TYPE_CHECKING:
    from skitai._pure.engine import preface, websocket
else:
    preface = LazyModule("skitai._pure.engine.preface")
    websocket = LazyModule("skitai._pure.engine.websocket")

__all__ = ["ACCEPT_BATCH", "Engine", "Listener"]

#: Connections accepted in one turn, so that a storm of them does not starve the others.
ACCEPT_BATCH = 64
#: Bytes taken from a connection in one read.
_READ_SIZE = 65536
#: How often deadlines are looked at while there are connections: the clocks are this exact.
_SWEEP_INTERVAL = 0.25
#: Rest after the system refused to give another descriptor; accepting never spins.
_ACCEPT_PAUSE = 0.25
#: Of the names Date and Server: most of an application's fields are told from them by this.
_OWN_LENGTHS = frozenset({4, 6})
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


OwnFields: TypeAlias = tuple[tuple[str, str], tuple[str, str]]


class Listener:
    """One listening socket; ``info`` is the service's own note about it.  Where it speaks TLS, ``secure`` is
    asked for the context of each connection, which must be complete: the engine sets nothing in it.
    ``is_announced``: who connects says first, by the PROXY protocol, whom it speaks for."""

    __slots__ = ("info", "is_announced", "secure", "sock")

    def __init__(
        self, sock: socket.socket, info: Any, secure: Contexts | None = None, *, is_announced: bool = False
    ) -> None:
        self.sock = sock
        self.info = info
        self.is_announced = is_announced
        self.secure = secure


class Client(Protocol):
    """Who is connected: what stands in the engine's tables for it, as `Connection` has it."""

    deadline: float
    peer: tuple[str, int]

    def is_silent(self) -> bool: ...
    def expire(self, now: float) -> None: ...
    def finish_soon(self) -> None: ...
    def close(self) -> None: ...
    def cut(self) -> None: ...


class Successor(Client, Protocol):
    """Who has a connection behind a 101."""

    def begin(self, left: bytes) -> None: ...


class Engine:
    #: Who reads and writes HTTP for each connection; the compiled build has its own.
    http_connection: ClassVar[type[ServerConnection]] = ServerConnection
    #: The same for readiness and timers.
    event_loop: ClassVar[type[EventLoop]] = EventLoop

    def __init__(
        self, service: Service, limits: Limits, report: Callable[[str], None], counts: Row | None = None
    ) -> None:
        """``report(what)`` is called inside an ``except`` block, for the error log."""
        self.service = service
        self.limits = limits
        self.report = report
        self.loop = self.event_loop(report)
        #: What a connection reads into.  `socket.recv` would make a block as large for each read and
        #: shrink it where it lies: the heap of the loop thread grew to twenty times what was in use.
        self.scratch = memoryview(bytearray(_READ_SIZE))
        self.counts = private_row() if counts is None else counts
        #: Set by `drain`: no connection outlives the requests that have come.
        self.draining = False
        #: Those that are idle are closed by their own clock.
        self.gently = False
        self.connections: set[Client] = set()
        #: Of tunnels.
        self.far_ends = 0
        #: Those between two requests, the longest idle first.
        self.websockets = WebSocketTotals()
        self._idle: OrderedDict[Client, None] = OrderedDict()
        self._listeners: list[Listener] = []
        self._accepting = False
        self._handshakes: Handshakes | None = None
        self._addresses: Counter[str] = Counter()
        self._sweeping = False
        #: When the next sweep is: monotonic seconds.
        self._sweep_at = 0.0
        self._on_drained: Callable[[], None] | None = None
        #: The second that it is, Date and Server in it, and their lines.
        self._own: tuple[int, OwnFields, bytes] = (0, (("", ""), ("", "")), b"")

    # -- before the loop, or any thread ---------------------------------------------------

    def listen(
        self, sock: socket.socket, info: Any, secure: Contexts | None = None, *, is_announced: bool = False
    ) -> None:
        """Serve ``sock``, which is bound and listening, once `run` is entered; ``secure`` and
        ``is_announced``: see `Listener`.  The first is called in the thread of handshakes."""
        sock.setblocking(False)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            # Accepted sockets inherit it: on Linux by tcp(7), on BSD and macOS too.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._listeners.append(Listener(sock, info, secure, is_announced=is_announced))

    def drain(self, on_drained: Callable[[], None], *, gently: bool = False) -> None:
        """Accept no more, let requests under way finish, then call ``on_drained()``.

        Idle connections are closed at once, or ``gently``: each is open for as long as it would be
        otherwise, and is closed behind its next answer, which says so.  May be called once more,
        without ``gently``."""
        self._on_drained = on_drained
        self.loop.call_soon(self._drain, gently)

    def learned(self) -> list[Habit]:
        """What is known of routes whose handlers last; nothing in this build, where no request waits
        for a handler that the loop's thread runs."""
        return []

    def present_call(self) -> PresentCall | None:
        """The call that the leader makes in a lane at this moment; this build has no lanes.  Any thread."""
        return None

    def websocket_totals(self) -> WebSocketTotals:
        """Of all WebSockets since the start.  Any thread."""
        totals = WebSocketTotals()
        totals.add(self.websockets)
        totals.opened, totals.open = self.websockets.opened, self.websockets.open
        for client in list(self.connections) if totals.open else ():
            if isinstance(client, websocket.WebSocket):
                client.tell()
                totals.add(client)
        return totals

    def stop(self) -> None:
        """Leave `run`; connections that are still open are cut."""
        self.loop.stop()

    # -- loop thread ------------------------------------------------------------------------

    def run(self) -> None:
        _forks.serve()
        if any(listener.secure is not None for listener in self._listeners):
            self._handshakes = Handshakes(self.event_loop(self.report))
            self._handshakes.start()
        self._watch_listeners()
        try:
            self._serve()
        finally:
            if self._handshakes is not None:
                self._handshakes.stop()
            for listener in self._listeners:
                listener.sock.close()
            for connection in list(self.connections):
                connection.cut()

    def _serve(self) -> None:
        self.loop.run()

    def own_fields(self) -> OwnFields:
        """Date and Server as they are now.  Any thread."""
        return self._own_now()[1]

    def own_lines(self, headers: Headers) -> bytes:
        """The lines of Date and Server, but for what is in ``headers``.  Any thread."""
        _, own, lines = self._own_now()
        for name, _ in headers:
            if len(name) in _OWN_LENGTHS:
                given = {name.lower() for name, _ in headers if len(name) in _OWN_LENGTHS}
                return _lines(field for field in own if field[0].lower() not in given)
        return lines

    def _own_now(self) -> tuple[int, OwnFields, bytes]:
        now = int(time())
        if self._own[0] != now:
            fields = ("Date", format_date(now)), ("Server", SERVER_SOFTWARE)
            self._own = now, fields, _lines(fields)
        return self._own

    def keep(self, info: Any, head: RequestHead, lasting: LastingFile, descriptor: int, slot: int) -> None:
        """``head`` came in by the listener of ``info`` and is answered with ``lasting``, and counted in
        ``slot``.  This build has no use for it."""

    def answered(self, status: int) -> None:
        """Count a request; 0: its client had gone before."""
        self.counts[Count.REQUESTS] += 1
        if status >= 500:
            self.counts[Count.SERVER_ERRORS] += 1

    def became_idle(self, connection: Client) -> None:
        self._idle[connection] = None

    def became_busy(self, connection: Client) -> None:
        self._idle.pop(connection, None)

    def forget(self, connection: Client) -> None:
        self.connections.discard(connection)
        self._idle.pop(connection, None)
        address = connection.peer[0]
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]
        if self.draining and not self.connections:
            self._drained()

    def _watch_listeners(self) -> None:
        if not self._accepting and not self.draining:
            self._accepting = True
            for listener in self._listeners:
                self.loop.watch(listener.sock, READ, partial(self._accept, listener))

    def _unwatch_listeners(self) -> None:
        if self._accepting:
            self._accepting = False
            for listener in self._listeners:
                self.loop.unwatch(listener.sock)

    def _accept(self, listener: Listener, events: int = READ) -> None:
        for _ in range(ACCEPT_BATCH):
            if not self._accepting:
                return
            try:
                sock, address = listener.sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self.accepting_failed(error)
                return
            peer = _peer(address)
            if self.admits("" if listener.is_announced else peer[0]):
                sock.setblocking(False)
                if listener.is_announced:
                    self._hear_preface(listener, sock, peer)
                else:
                    self._greet(listener, sock, peer)
            else:
                sock.close()

    def _greet(self, listener: Listener, sock: socket.socket, peer: tuple[str, int]) -> None:
        if listener.secure is None:
            self.add(self._new_connection(sock, peer, listener.info))
        else:
            self.shake_hands(sock, peer, listener.info, listener.secure)

    def _hear_preface(self, listener: Listener, sock: socket.socket, peer: tuple[str, int]) -> None:
        self.connections.add(preface.Preface(self, sock, peer, partial(self._announced, listener)))
        self._addresses[peer[0]] += 1
        self._begin_sweep()

    def _announced(
        self, listener: Listener, place: preface.Preface, sock: socket.socket, peer: tuple[str, int]
    ) -> None:
        """``place`` has heard whom it speaks for."""
        if self.admits(peer[0]):
            self._greet(listener, sock, peer)
        else:
            sock.close()
        self.forget(place)

    def _accept_waiting(self) -> None:
        for listener in self._listeners:
            self._accept(listener)

    def accepting_failed(self, error: OSError) -> None:
        """Within the ``except`` block of ``error``."""
        if error.errno not in _OUT_OF_RESOURCES:
            raise error
        if self._make_room() and error.errno == errno.EMFILE:
            # Its descriptor is ours to use.  Of what the whole system lacks it may have been none: then
            # all who are idle would be closed at once, and to no purpose.
            self.service.limited("connections_max", f"{error.strerror}: who was idle for longest gave way")
            self.loop.call_soon(self._accept_waiting)
            return
        self.report(f"accepting a connection; paused for {_ACCEPT_PAUSE} s")
        self._unwatch_listeners()
        self.loop.call_later(_ACCEPT_PAUSE, self._watch_listeners)

    def admits(self, address: str) -> bool:
        """Whether there is room for one more connection, from ``address``; the one that has been idle
        for longest gives way."""
        per_address = self.limits.connections_per_address_max
        if per_address and address and self._addresses[address] >= per_address:
            self.service.limited("connections_per_address_max", f"turned {address} away")
            return False
        most = self.limits.connections_max
        full = most and len(self.connections) + self.far_ends >= most
        if full and not self._make_room():
            self.service.limited("connections_max", f"turned {address} away; no connection is idle")
            return False
        return True

    def shake_hands(
        self, sock: socket.socket, peer: tuple[str, int], info: Any, secure: Contexts
    ) -> Handshake:
        """In place of `add`, for a listener that speaks TLS."""
        assert self._handshakes is not None
        handshake = Handshake(self, self._handshakes, sock, peer, info, secure)
        self.add(handshake)
        return handshake

    def secured(self, handshake: Handshake) -> None:
        """Hands are shaken, or it was closed since."""
        if handshake.stage is Stage.DONE:
            connection = self._new_connection(handshake.secured(), handshake.peer, handshake.info)
            self.put(connection, handshake)
            if handshake.early:
                connection.take_over(handshake.early)
            if self.draining:
                connection.finish_soon()

    def spoke_clearly(self, handshake: Handshake) -> None:
        """The client takes the port for one without TLS; or it was closed since."""
        if handshake.stage is Stage.CLEAR:
            connection = self._new_connection(handshake.give_away(), handshake.peer, handshake.info)
            self.put(connection, handshake)
            self.service.limited("handshake", f"{handshake.peer[0]} speaks HTTP without TLS")
            connection._refuse(
                RemoteProtocolError(
                    "This port speaks TLS: ask https://... in place of http://...", status=400
                )
            )

    def handshake_failed(self, handshake: Handshake, why: str) -> None:
        self.forget(handshake)
        if why:
            self.service.limited("handshake", f"with {handshake.peer[0]} failed: {why}")

    def put(self, connection: Client, place: Client) -> None:
        """``connection`` in the place of another, whose client is the same."""
        self.connections.discard(place)
        self.became_busy(place)
        self.connections.add(connection)
        self.became_idle(connection)

    def succeed(self, place: Client, successor: Successor, left: bytes) -> None:
        """``successor`` in the place of a connection that spoke HTTP until now; ``left``: what came then."""
        self.connections.discard(place)
        self.became_busy(place)
        self.connections.add(successor)
        successor.begin(left)
        if self.draining:
            successor.finish_soon()

    def limited(self, limit: str, text: str) -> None:
        self.service.limited(limit, text)

    def add(self, connection: Client) -> None:
        """A new connection, which is idle as yet."""
        self.connections.add(connection)
        self.became_idle(connection)
        self._addresses[connection.peer[0]] += 1
        self.counts[Count.CONNECTIONS] += 1
        self._begin_sweep()

    def _begin_sweep(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            self._sweep_later(monotonic())

    def _new_connection(self, sock: Transport, peer: tuple[str, int], info: Any) -> Connection:
        return Connection(self, sock, peer, info)

    def _make_room(self) -> bool:
        """Close the connection that has been idle for longest; not one whose request only waits to be read,
        as those may that were accepted just now."""
        for connection in self._idle:
            if connection.is_silent():
                connection.close()
                return True
        return False

    def _sweep_later(self, now: float) -> None:
        self._sweep_at = now + _SWEEP_INTERVAL
        self.loop.call_later(_SWEEP_INTERVAL, self._sweep)

    def _sweep(self) -> None:
        now = monotonic()
        observe(self.counts, Latency.LOOP_LAG, now - self._sweep_at)
        for connection in [c for c in self.connections if c.deadline <= now]:
            try:
                connection.expire(now)
            except Exception:
                # The sweep must go on: it is every other connection's clock too.
                self.report("ending what took too long")
                connection.close()
        if self.connections:
            self._sweep_later(monotonic())
        else:
            self._sweeping = False  # an idle server sleeps

    def _drain(self, gently: bool) -> None:
        if not self.draining:
            self._stop_accepting()
        self.draining, self.gently = True, gently
        for connection in list(self.connections):
            connection.finish_soon()
        if not self.connections:
            self._drained()

    def _stop_accepting(self) -> None:
        if self._accepting:
            self._accept_waiting()  # those who have connected already are not turned away
        self._unwatch_listeners()
        for listener in self._listeners:
            listener.sock.close()

    def _drained(self) -> None:
        callback, self._on_drained = self._on_drained, None
        if callback is not None:
            callback()


def _lines(fields: Iterable[tuple[str, str]]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in fields).encode("latin-1")


def _peer(address: Any) -> tuple[str, int]:
    """IPv4 as IPv4 also where a dual-stack socket took it; a unix socket has no name."""
    if not isinstance(address, tuple):
        return ("", 0)
    host = str(address[0])
    return (host.removeprefix("::ffff:") if "." in host else host, int(address[1]))
