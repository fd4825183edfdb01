"""Questions over WebSockets: requests whose body is one message, and whose answer is the next one; and
WebSockets that somebody has for longer.

To the client these are fetches like others: they wait for a connection, have clocks, can be given up.  Only
what a connection is, is different: a WebSocket, to one origin, path and set of fields, for all that is
settled with its opening.

    Exchange               one question, and what became of it
    Conversation           a connection of its own, from its opening to its end
    WebSocketPool          the connections of an `Endpoint`
      Opening              from a name to a WebSocket
      WebSocketConnection  one of them                           wsconnection.py

    CONNECTING ──a connection──▶ ASKING ──101──▶ made
        └────────────────────────┴──────────────▶ not made

A question is never asked twice: whether it was served, nobody knows.  Loaded with the first one.

The loop thread, but for `begin` and `converse`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final, NamedTuple, Protocol

from skitai._kernels import engine, http1
from skitai.core.outbound.connecting import Connecting
from skitai.core.outbound.fetch import Fetch, FetchOwner, Stage
from skitai.core.outbound.pool import Pool, PoolOwner
from skitai.core.outbound.request import Origin, Outcome, Request, Response
from skitai.core.outbound.wsconnection import WebSocketConnection, WebSocketTable
from skitai.errors import ConnectError, LocalProtocolError, NetworkTimeout, SkitaiError

__all__ = ["Conversation", "Endpoint", "Exchange", "Talker", "WebSocketPool", "begin", "converse"]

_FOREVER: Final = float("inf")
#: Of each answer: the status is that of a request which was served.  101 was said once, of the connection.
_HEAD: Final = http1.ResponseHead(200, "OK", "", [], None, False, True)


class _Client(FetchOwner, Protocol):
    """The client."""

    def enter(self, fetch: Any, key: Hashable, make_pool: Callable[[Any, Any], Pool]) -> None: ...


class _Owner(PoolOwner, Protocol):
    report: Callable[[str], None]


class Endpoint(NamedTuple):
    """What WebSockets are alike in."""

    origin: Origin
    target: str
    fields: tuple[tuple[str, str], ...]
    #: Each of them is somebody's own, so none is ever kept for others.
    is_owned: bool = False


def begin(client: _Client, request: Request, on_done: Callable[[Outcome], None]) -> Exchange:
    """Any thread."""
    exchange = Exchange(client, request, on_done)
    client.enter(exchange, _endpoint_of(request), WebSocketPool)
    return exchange


class Talker(Protocol):
    """Whose `Conversation` it is; the loop thread."""

    def opened(self, websocket: engine.WebSocket) -> None: ...
    def message(self, message: str | bytes) -> bool:
        """As `engine.Receiver.message`."""

    def over(self, outcome: Outcome) -> None:
        """The last call, once; without `opened` before it, the error of ``outcome`` says why."""


def converse(client: _Client, request: Request, talker: Talker) -> Conversation:
    """A WebSocket of one's own, within the client's bounds; what ``request`` says of time is for its opening.
    Any thread."""
    conversation = Conversation(client, request, talker)
    client.enter(conversation, _endpoint_of(request, is_owned=True), WebSocketPool)
    return conversation


def _endpoint_of(request: Request, *, is_owned: bool = False) -> Endpoint:
    return Endpoint(request.origin, request.target, tuple(request.headers), is_owned)


class Exchange(Fetch):
    """A `Fetch` whose connections are WebSockets; a `Questioner`."""

    __slots__ = ()

    def go(self, connection: WebSocketConnection) -> None:
        message, pool = self.request.message, self.pool
        assert message is not None
        assert pool is not None
        self._connection = connection
        self._stage = Stage.ASKING
        if not connection.ask(message, self):
            self._connection = None
            self._stage = Stage.WAITING
            self.wants_new = True
            pool.want(self)
            pool.freed(connection)

    def answered(self, message: str | bytes) -> None:
        self._connection = None
        self.response = Response(_HEAD, b"", [], message)
        self._finish()


class Conversation(Fetch):
    """A `Fetch` that has its connection to the end; a `Listener`."""

    __slots__ = ("_talker",)

    def __init__(self, client: FetchOwner, request: Request, talker: Talker) -> None:
        super().__init__(client, request, talker.over)
        self._talker = talker

    def go(self, connection: WebSocketConnection) -> None:
        self._connection = connection
        self._stage = Stage.ASKING
        self.due = _FOREVER
        self._talker.opened(connection.hand_over(self))

    def message(self, message: str | bytes) -> bool:
        return self._talker.message(message)

    def closed(self, code: int, reason: str) -> None:
        self._connection = None
        self.response = Response(_HEAD, b"", [])
        self._finish()


class WebSocketPool(Pool):
    __slots__ = ("_owner", "_table", "endpoint")

    def __init__(self, client: _Owner, endpoint: Endpoint) -> None:
        super().__init__(client, endpoint.origin)
        self.key = endpoint
        self.endpoint = endpoint
        self._owner = client
        self._table = WebSocketTable(client, client.report)

    @property
    def address(self) -> str:
        """Without the query: keys stand there."""
        scheme = "ws" if self.origin.tls is None else "wss"
        return f"{scheme}://{self.authority}{self.endpoint.target.partition('?')[0]}"

    @property
    def title(self) -> str:
        return f"{self.address} (connect)" if self.endpoint.is_owned else self.address

    def _new_connection(self, timeout: float) -> Opening:
        return Opening(self, self._owner, self._table, timeout)


class Opening:
    """A `Making`; of the connection that is made first: its owner."""

    __slots__ = ("_asking", "_client", "_connecting", "_endpoint", "_pool", "_table", "_timer", "origin")

    def __init__(self, pool: WebSocketPool, client: _Owner, table: WebSocketTable, timeout: float) -> None:
        """``timeout``: connect_timeout, which is for the opening too; 0: none of its own."""
        self._pool = pool
        self._client = client
        self._table = table
        self._endpoint = pool.endpoint
        self._connecting: Connecting | None = Connecting(self, client, timeout)
        self._asking: engine.WebSocketOpening | None = None
        # Behind that of `Connecting`, which can tell more.
        self._timer = client.loop.call_later(timeout, self._expire) if timeout else None
        self.origin = pool.origin

    @property
    def has_clock(self) -> bool:
        return self._timer is not None

    def begin(self) -> None:
        assert self._connecting is not None
        self._connecting.begin()

    def cancel(self) -> None:
        """Nothing is told."""
        self._stop_timer()
        connecting, self._connecting = self._connecting, None
        asking, self._asking = self._asking, None
        if connecting is not None:
            connecting.cancel()
        if asking is not None:
            asking.cancel()

    # -- the connection: ConnectingOwner ----------------------------------------------------------

    def made(self, connecting: Connecting, connection: engine.OutboundConnection) -> None:
        self._connecting = None
        pool, (_, target, fields, _) = self._pool, self._endpoint
        kept = WebSocketConnection(self._client.loop, connection.tls, lambda: self._opened(kept), pool.freed)
        self._asking = asking = engine.WebSocketOpening(
            self._table, engine.WebSocket, kept, self._refused, peer=(self.origin.host, self.origin.port)
        )
        headers = list(fields)
        if not any(name.lower() == "host" for name, _ in fields):
            headers.insert(0, ("Host", pool.authority))
        try:
            asking.ask(connection, target, headers)
        except LocalProtocolError as error:
            connection.close()
            self._fail(error)

    def not_made(self, connecting: Connecting, error: SkitaiError) -> None:
        self._fail(error)

    def freed(self, connection: engine.OutboundConnection) -> None:
        """It has become a WebSocket, or has ended; of either we hear otherwise."""

    # -- the WebSocket --------------------------------------------------------------------------

    def _opened(self, kept: WebSocketConnection) -> None:
        self._asking = None
        self._stop_timer()
        self._pool.made(self, kept)

    def _refused(self, error: SkitaiError) -> None:
        # The question has certainly not left, which those who choose between members want to know.
        failure = ConnectError(f"no WebSocket at {self._pool.address}: {error}")
        failure.__cause__ = error
        self._fail(failure)

    def _expire(self) -> None:
        self._timer = None
        what = f"could not open a WebSocket in time: {self._pool.address}"
        self._fail(NetworkTimeout(what, limit="connect_timeout"))

    def _fail(self, error: SkitaiError) -> None:
        self.cancel()
        self._pool.not_made(self, error)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
