"""The engine of the compiled build: the pure one, over the kernels of this build.

Connections begin in the fast lane (lane_connection.pyx) and go over to a general `Connection` with
the first request that is not plain; once idle it gives the socket back.
"""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

from skitai._lazy import lazy_names
from skitai._pure.engine import (
    READ,
    REQUEST,
    WRITE,
    Begun,
    BodySink,
    CallTerms,
    ErrorPage,
    Exchange,
    Executor,
    FolderTerms,
    Future,
    Ground,
    Habit,
    Ids,
    Inline,
    Job,
    Lane,
    LastingFile,
    Listener,
    MessageCaller,
    MessageCalls,
    Meter,
    Part,
    Pool,
    PresentCall,
    Progress,
    Receiver,
    Refusal,
    RelayLane,
    RelayWay,
    SecureSocket,
    Service,
    StandingAnswer,
    Transport,
    WebSocketOwner,
    WebSocketTotals,
    Witness,
    change_watch,
)
from skitai._pure.engine import Engine as PureEngine
from skitai._pure.engine.connection import Connection
from skitai._pure.engine.engine import ACCEPT_BATCH, Client
from skitai._pure.engine.handshakes import Handshake, Stage
from skitai._pure.engine.phases import Phase
from skitai._pure.http1 import Headers, RequestHead
from skitai._speedups.changes import Changes
from skitai._speedups.crew import Crew, Solo
from skitai._speedups.http1 import ServerConnection
from skitai._speedups.lane_connection import LaneConnection
from skitai._speedups.lane_listener import LaneListener
from skitai._speedups.lanes import Lanes
from skitai._speedups.leadership import Leadership
from skitai._speedups.loop import EventLoop, Timer
from skitai._speedups.shelf import Shelf
from skitai._speedups.workspace import trim
from skitai._waiting import HERE
from skitai.counters import Row
from skitai.limits import Limits

__all__ = [
    "READ",
    "REQUEST",
    "WRITE",
    "Begun",
    "BodySink",
    "CallTerms",
    "Ending",
    "Engine",
    "ErrorPage",
    "EventLoop",
    "Exchange",
    "Executor",
    "FolderTerms",
    "Future",
    "Ground",
    "Habit",
    "Ids",
    "Inline",
    "Job",
    "Lane",
    "LastingFile",
    "Listener",
    "MemberPolicy",
    "MemberState",
    "Members",
    "MessageCaller",
    "MessageCalls",
    "Meter",
    "OutboundConnection",
    "OutboundOwner",
    "Part",
    "Pool",
    "PresentCall",
    "Progress",
    "Receiver",
    "Refusal",
    "RelayLane",
    "RelayWay",
    "SecureSocket",
    "Service",
    "StandingAnswer",
    "Taker",
    "Timer",
    "Transport",
    "Tunnel",
    "WebSocket",
    "WebSocketClient",
    "WebSocketOpening",
    "WebSocketOwner",
    "WebSocketTotals",
    "Witness",
    "change_watch",
    "make_executor",
]


def make_executor(threads: int, limits: Limits, report: Callable[[str], None]) -> Executor:
    """As the pure one; the threads also lead the engine's loop."""
    return Crew(threads, limits, report) if threads else Solo()


#: A connection whose requests are never plain is not tried in the lane each time: after so many
#: fruitless returns in a row it stays out for twice as many requests, and so on.
_STAYS_MAX = 6

#: Of 200, 304 and 206.
_Heads = tuple[bytes, bytes, bytes]

_ANY_REQUEST = b"GET / HTTP/1.1\r\nHost: any\r\n\r\n"


if TYPE_CHECKING:
    from skitai._pure.engine import (
        Ending,
        MemberPolicy,
        MemberState,
        OutboundOwner,
        Taker,
        Tunnel,
        WebSocketClient,
        WebSocketOpening,
    )
    from skitai._speedups.members import Members
    from skitai._speedups.outbound import OutboundConnection
    from skitai._speedups.wsengine import WebSocket
else:
    # As `skitai._pure.engine` has it.
    __getattr__ = lazy_names(
        globals(),
        {
            **dict.fromkeys(
                ("Ending", "MemberPolicy", "MemberState", "OutboundOwner", "Taker", "Tunnel"),
                "skitai._pure.engine",
            ),
            **dict.fromkeys(("WebSocketClient", "WebSocketOpening"), "skitai._pure.engine"),
            "Members": "skitai._speedups.members",
            "OutboundConnection": "skitai._speedups.outbound",
            "WebSocket": "skitai._speedups.wsengine",
        },
    )


class GeneralConnection(Connection):
    """Goes back to the lane when it is idle."""

    __slots__ = ("next_burns", "next_lasts", "next_meter", "returns", "stays")

    def __init__(
        self, owner: Engine, sock: Transport, peer: tuple[str, int], info: Any, returns: int
    ) -> None:
        super().__init__(cast(PureEngine, owner), sock, peer, info)
        #: How often in a row its lane was left again with the first request.
        self.returns = returns
        #: Requests until the next return.
        self.stays = 1 << min(returns, _STAYS_MAX)
        #: What the lane knows of the request that it leaves to us.
        self.next_meter: Meter | None = None
        self.next_burns = self.next_lasts = False

    def _new_exchange(self, head: RequestHead) -> Exchange:
        exchange = super()._new_exchange(head)
        exchange.meter, self.next_meter = self.next_meter, None
        exchange.burns, self.next_burns = self.next_burns, False
        exchange.lasts, self.next_lasts = self.next_lasts, False
        return exchange

    def _next_cycle(self) -> None:
        super()._next_cycle()
        self.stays -= 1
        if (
            self.stays <= 0
            and self.phase is Phase.IDLE
            and not self._eof
            and self.http.buffered <= LaneConnection.TAKES_MAX
        ):
            cast(Engine, self._owner).give_back(self)


class Engine(PureEngine):
    http_connection = ServerConnection
    event_loop = EventLoop

    def __init__(
        self, service: Service, limits: Limits, report: Callable[[str], None], counts: Row | None = None
    ) -> None:
        super().__init__(service, limits, report, counts)
        executor = service.executor
        self._lanes = Lanes(self) if executor is not None else None
        self._crew = executor if isinstance(executor, Crew) else None
        if isinstance(executor, (Crew, Solo)) and self._lanes is not None:
            executor.attach(self._lanes)
        if self._lanes is not None:
            self._keep_standing(self._lanes.shelf)
            self._changes = Changes(self.loop, self._lanes.shelf)
        #: With ``threads = 0``, while it serves.
        self._alone: Leadership | None = None
        self._lane_listeners: list[LaneListener] = []
        #: Connections of lanes, and handshakes, as they were when somebody had to give way; the longest idle
        #: last.
        self._oldest: list[tuple[float, LaneConnection | Handshake]] = []

    def _serve(self) -> None:
        if self._lanes is not None and self.limits.file_cache_max:
            self._learn_grounds(self._lanes)
        trim()
        if self._crew is not None:
            self._crew.serve()
            return
        if self._lanes is None:
            super()._serve()
            return
        alone = self._alone = Leadership(0)
        alone.watch(self._lanes)
        workspace = alone.workspace()
        alone.begin(workspace)
        HERE.is_alone = True
        try:
            super()._serve()
        finally:
            HERE.is_alone = False
            self._alone = None
            alone.stop()
            alone.retire(workspace)

    @property
    def lanes(self) -> Lanes | None:
        """None: there are no applications."""
        return self._lanes

    def present_call(self) -> PresentCall | None:
        leadership = self._alone if self._crew is None else self._crew.leadership
        found = None if leadership is None else leadership.present()
        return None if found is None else PresentCall(*found)

    def learned(self) -> list[Habit]:
        return self._lanes.learned() if self._lanes is not None else []

    # -- accepting --------------------------------------------------------------------------

    def _watch_listeners(self) -> None:
        if self._lanes is None:
            super()._watch_listeners()
        elif not self._accepting and not self.draining:
            self._accepting = True
            self._lane_listeners = [
                LaneListener(
                    self._lanes, listener.sock.fileno(), listener.info, listener.secure, ACCEPT_BATCH
                )
                for listener in self._listeners
                if not listener.is_announced
            ]
            for listener in self._announced_listeners():
                self.loop.watch(listener.sock, READ, functools.partial(self._accept, listener))

    def _announced_listeners(self) -> list[Listener]:
        """Which are not the lanes' to accept from."""
        return [listener for listener in self._listeners if listener.is_announced]

    def _unwatch_listeners(self) -> None:
        if self._lanes is None:
            super()._unwatch_listeners()
        else:
            self._accepting = False
            for lane_listener in self._lane_listeners:
                lane_listener.close()
            for listener in self._announced_listeners():
                self.loop.unwatch(listener.sock)

    def _accept_waiting(self) -> None:
        if self._lanes is None:
            super()._accept_waiting()
        else:
            for lane_listener in self._lane_listeners:
                lane_listener.accept()
            for listener in self._announced_listeners():
                self._accept(listener)

    def _greet(self, listener: Listener, sock: socket.socket, peer: tuple[str, int]) -> None:
        if self._lanes is None or self.draining or listener.secure is not None:
            super()._greet(listener, sock, peer)
        else:
            family, (address, port) = sock.family, peer
            lane = LaneConnection(self._lanes, sock.detach(), family, address, port, listener.info)
            self.add(cast(Connection, lane))

    def _make_room(self) -> bool:
        """The order of lane connections is not kept, for each request would change it: those that have
        rested since the last look are still the oldest."""
        if self._close_oldest():
            return True
        found = (c for c in cast(set[object], self.connections) if isinstance(c, (LaneConnection, Handshake)))
        self._oldest = [(connection.idle_since, connection) for connection in found if connection.is_idle]
        self._oldest.sort(key=itemgetter(0), reverse=True)
        return self._close_oldest() or super()._make_room()

    def _close_oldest(self) -> bool:
        while self._oldest:
            idle_since, connection = self._oldest.pop()
            if connection.is_idle and connection.idle_since == idle_since and connection.is_silent():
                connection.close()
                return True
        return False

    def _sweep(self) -> None:
        self._oldest.clear()  # it keeps alive whoever has closed since
        super()._sweep()

    def became_idle(self, connection: Client) -> None:
        if not isinstance(connection, LaneConnection):
            super().became_idle(connection)

    def _drain(self, gently: bool) -> None:
        if self._lanes is not None:
            self._lanes.drain(gently)
        super()._drain(gently)

    # -- what is kept ready: see shelf.pyx ------------------------------------------------------

    def _keep_standing(self, shelf: Shelf) -> None:
        for answer in self.service.standing:
            shelf.keep_always(answer.path.encode("ascii"), self._kept_head(200, answer.headers), answer.body)

    def keep(self, info: Any, head: RequestHead, lasting: LastingFile, descriptor: int, slot: int) -> None:
        if self._lanes is None or head.form != "origin":
            return
        shelf = self._lanes.shelf
        host, path = (head.get("host") or "").encode("latin-1"), head.path.encode("latin-1")
        accept = (head.get("accept-encoding") or "").encode("latin-1") if lasting.varies else None
        etag = lasting.etag.encode("latin-1")
        # Who asks for something of it that is not plain gets it from the general path each time.
        if shelf.has(info, host, path, accept, etag):
            return
        partial = lasting.partial
        modified = next((value for name, value in lasting.headers if name == "Last-Modified"), "")
        self._changes.begin()
        shelf.keep_file(
            info,
            host,
            path,
            accept,
            (
                self._kept_head(200, lasting.headers),
                self._kept_head(304, lasting.unchanged),
                b"" if partial is None else self._kept_part_head(partial),
            ),
            etag,
            modified.encode("latin-1"),
            lasting.witnesses,
            lasting.content,
            descriptor,
            slot,
        )

    def _learn_grounds(self, lanes: Lanes) -> None:
        """Where files may be fetched that nobody has asked for yet: see fetching.h.  Not before `run`: what
        applications do at their start may give them a word about the files in front of them."""
        knows = False
        for listener in self._listeners:
            grounds = self.service.grounds(listener.info) if listener.secure is None else ()
            if any(ground.terms is not None for ground in grounds):
                lanes.fetching.add(listener.info, grounds, self._heads_of)
                knows = True
        if knows:
            lanes.fetching.refuse_with(self.service.error_pages, self._error_head)
            self._changes.begin()

    def _error_head(self, page: ErrorPage) -> bytes:
        return self._kept_head(page.status, page.headers)

    def _heads_of(self, terms: FolderTerms) -> list[_Heads]:
        return [
            (
                self._kept_head(200, whole),
                self._kept_head(304, unchanged),
                b"" if partial is None else self._kept_part_head(partial),
            )
            for whole, unchanged, partial in terms.fields
        ]

    def _kept_head(self, status: int, headers: Headers) -> bytes:
        """The head of an answer as it is now for a client that stays."""
        kernel = self.http_connection(self.limits)
        kernel.receive_data(_ANY_REQUEST)
        kernel.next_event()
        return kernel.send_response(status, headers, own_lines=self.own_lines(headers))

    def _kept_part_head(self, headers: Headers) -> bytes:
        """The same of 206, but for the two fields that each answer has for itself."""
        own = b"Content-Range: bytes 0-0/1\r\nContent-Length: 1\r\n\r\n"
        head = self._kept_head(206, [*headers, ("Content-Range", "bytes 0-0/1"), ("Content-Length", "1")])
        if not head.endswith(own):
            raise RuntimeError(f"the fields of a part do not end its head: {head!r}")
        return head.removesuffix(own) + b"\r\n"

    # -- TLS ----------------------------------------------------------------------------------

    def secured(self, handshake: Handshake) -> None:
        if self._lanes is None or self.draining:
            super().secured(handshake)
        elif handshake.stage is Stage.DONE:
            secure = handshake.secured()
            address, port = handshake.peer
            lane = LaneConnection(
                self._lanes,
                secure.fileno(),
                secure.sock.family,
                address,
                port,
                handshake.info,
                left=handshake.early,
                secure=secure,
            )
            self.put(cast(Connection, lane), handshake)

    # -- to and fro ---------------------------------------------------------------------------

    def replace(self, lane: LaneConnection, sock: Transport, returns: int) -> GeneralConnection:
        """A general connection in the place of ``lane``, which has not read or answered the present
        request as far as anybody can tell; ``sock`` is its socket."""
        self.connections.discard(cast(Connection, lane))
        connection = GeneralConnection(self, sock, lane.peer, lane.info, returns)
        self.connections.add(connection)
        self.became_idle(connection)
        return connection

    def give_back(self, connection: GeneralConnection) -> None:
        """A lane connection in the place of ``connection``, which is idle."""
        if self.draining:
            return  # what is asked now is answered by general ones: they know how to end
        assert self._lanes is not None
        self.connections.discard(connection)
        # The next request may be here already: clients are quicker than the news of the last one's end.
        left = connection.http.trailing_data
        transport = connection.give_away()
        if isinstance(transport, SecureSocket):
            secure, fd, family = transport, transport.fileno(), transport.sock.family
        else:
            family = transport.family
            secure, fd = None, transport.detach()
        address, port = connection.peer
        lane = LaneConnection(
            self._lanes, fd, family, address, port, connection.info, connection.returns, left, secure
        )
        self.connections.add(cast(Connection, lane))
