"""What the engine asks of the layer above it.

The engine knows sockets, HTTP and time; what a request means is the service's.  The
service hands itself to `Engine` and is called back; it never imports the engine's inside.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from skitai._pure.accessline import AccessRecord
from skitai._pure.engine.exchange import Exchange
from skitai._pure.engine.keeping import ErrorPage, Ground, StandingAnswer
from skitai._pure.engine.threads import Executor
from skitai._pure.http1 import Headers
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits

__all__ = [
    "Begun",
    "Compression",
    "Habit",
    "Ids",
    "Lane",
    "Refusal",
    "RelayLane",
    "RelayWay",
    "Run",
    "Service",
]

#: Headers and body of a refusal.
Refusal = tuple[Headers, bytes]


class Compression(Protocol):
    """What the compiled engine asks where responses of a lane may be coded (RFC 9110 section 8.4)."""

    #: Shorter bodies never are.
    least: int

    def wants(self, content_type: str) -> bool:
        """Whether bodies of this type, a value of Content-Type, may be; always the same answer."""

    def code(
        self, accept_encoding: str | None, status: int, headers: Headers, body: bytes
    ) -> tuple[Headers, bytes]:
        """What is sent for ``headers``, without Content-Length, and ``body``.

        Without Accept-Encoding, and without a field that this has to look at or to change, that is the same
        but for ``Vary: Accept-Encoding`` at the end: the engine knows that by itself."""


class Ids(NamedTuple):
    """What the compiled engine does where each request has an id, which it makes: the application has it as
    ``environ["skitai.request_id"]`` and ``environ["HTTP_X_REQUEST_ID"]``.

    ``are_told``: the answer says it, by ``X-Request-ID``, unless the application does; ``are_noted``: so does
    the `AccessRecord`."""

    are_told: bool
    are_noted: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """What the compiled engine needs to run an application by itself, for requests to one host and
    mount that nothing but the application has a word about.

    ``template``: the environ but for what is the request's own; ``path_start``: how much of the path is
    the mount's; ``learns``: routes whose calls last may be taken out of it; ``parks``: its handlers may
    be parked where they wait; ``withheld``: fields (lower case) that do not reach the application;
    ``variable`` is set in the request's context, to something whose ``services()`` are made by
    ``services(environ, application)`` when they are first asked for; ``log(record)`` notes an
    `AccessRecord`, None where there are no access lines; ``warn(environ, text)`` and ``failure(environ,
    where, error)`` tell what the application did wrong behind its response; ``compression``, where there
    is some, decides about bodies that are worth it; ``slot``: where its requests are counted
    (`MountSlots`); ``ids``: None where requests have none.
    """

    application: Callable[..., Any]
    template: dict[str, Any]
    path_start: int
    body_max: int
    learns: bool
    parks: bool
    withheld: frozenset[str]
    variable: ContextVar[Any]
    services: Callable[[dict[str, Any], Any], object]
    log: Callable[[AccessRecord], None] | None
    warn: Callable[[dict[str, Any], str], None]
    failure: Callable[[dict[str, Any], str, BaseException], None]
    compression: Compression | None
    slot: int = 0
    ids: Ids | None = None


class RelayWay(Protocol):
    """What the compiled engine passes plain requests on by, without asking for each.  All of it in the loop
    thread."""

    #: Names of fields that stop here, in lower case; of requests also where "_" stands for "-".
    dropped: frozenset[str]
    dropped_of_answers: frozenset[str]
    limits: Limits
    #: Bytes of the path that members do not get.
    left_out: int
    #: The client's own Host goes on.
    keeps_host: bool
    #: Seconds that a member has for the head of its answer; the second where the request may be repeated.
    patience: tuple[float, float]

    def members(self) -> Any:
        """The compiled `Members`; None while it is not known who there is."""

    def peer(self, id: int) -> Any:
        """Whom this id of a member stands for; None: it has gone."""

    def pool(self, peer: Any) -> Any:
        """What keeps the connections to it, with ``take(is_repeatable)``; None: there are none."""

    def host_line(self, peer: Any) -> bytes: ...
    def lines(self, address: str, host: str) -> bytes:
        """What is said of a client, and by whom, behind its own fields."""

    def kept_for(self, value: str) -> float:
        """How long the member that says this in Keep-Alive keeps the connection; seconds."""

    def cut(self, peer: Any, ejected: float, status: int, method: str, path: str, error: Exception) -> None:
        """It has broken off in the middle of an answer, and is not asked for so many seconds because of
        that."""


class RelayLane(NamedTuple):
    """What the compiled engine has to know to pass on plain requests for one host and mount."""

    way: RelayWay
    #: Of the path, what is the mount's; bytes.
    path_start: int
    body_max: int
    log: Callable[[AccessRecord], None] | None
    #: Where its requests are counted (`MountSlots`).
    slot: int
    #: None where requests have none; members have them by ``X-Request-ID``.
    ids: Ids | None = None


@dataclass(frozen=True, slots=True)
class Habit:
    """What the compiled engine has learnt about a route.

    ``route``: the requests that are learnt together, ``GET example.com/user/*``; ``kind``: ``"fast"``,
    ``"lasts"`` (not known yet for what), ``"waits"`` or ``"burns"`` (computes); ``strikes`` count how sure
    that is; ``elapsed``: seconds that the last call took which lasted or was measured, at least;
    ``burnt``: of these on the processor, where it was measured.
    """

    route: str
    kind: str
    strikes: int
    elapsed: float
    burnt: float


class PresentCall(NamedTuple):
    """``since``: `time.monotonic` seconds; ``thread``: as of `threading.get_ident`."""

    method: str
    target: str
    since: float
    thread: int


@dataclass(slots=True)
class Begun:
    """An application's call that was made in a lane and is gone on with outside: called in place of
    the application, it does what that did, without asking it again."""

    environ: dict[str, Any]
    #: In which it was begun, as of `threading.get_ident`.
    thread: int
    result: Any = None
    error: BaseException | None = None
    #: Which the application was called with; empty: the request has none.
    request_id: str = ""
    #: Whether it was called; it is not where the client had gone before.
    taken: bool = False

    def application(self) -> Begun:
        return self

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Any:
        result, error = self.result, self.error
        # Handed over: both may lead back here, and would wait for the collector.
        self.result, self.error, self.taken = None, None, True
        if error is not None:
            try:
                raise error
            finally:
                del error
        return result


class Run(Protocol):
    """A call that is gone on with: ``start_response`` as PEP 3333 has it, then `run`."""

    def start_response(
        self, status: str, headers: Headers, exc_info: Any = None
    ) -> Callable[[bytes], None]: ...
    def run(self) -> None: ...


class Service(Protocol):
    """All methods must be quick and, but for `learned`, run in the loop thread."""

    @property
    def executor(self) -> Executor | None:
        """Who runs applications; None if there are none: then the compiled engine asks for no lanes."""

    @property
    def depth(self) -> int:
        """How many segments of a path decide where it is mounted."""

    @property
    def standing(self) -> tuple[StandingAnswer, ...]:
        """What the compiled engine may answer without asking."""

    @property
    def log(self) -> Callable[[AccessRecord], None] | None:
        """Notes the access lines of what it has answered so; None where there are none."""

    @property
    def error_pages(self) -> tuple[ErrorPage, ...]:
        """Of what is refused where a `Ground` says so."""

    def grounds(self, info: Any) -> tuple[Ground, ...]:
        """All that is mounted, for requests that come in by the listener of ``info``; empty where the
        compiled engine may find no file by itself.  Asked once, in the loop thread."""

    def admit(self, exchange: Exchange) -> None:
        """A head is in.  Set ``exchange.sink`` if the body is wanted, or refuse with
        ``exchange.respond`` before a byte of the body is asked for (no 100 Continue then)."""

    def execute(self, exchange: Exchange) -> None:
        """The request is complete: answer it here or hand the exchange to one thread."""

    def finished(self, exchange: Exchange) -> None:
        """The response was delivered, or never will be (``exchange.progress``)."""

    def refusal(
        self, error: RemoteProtocolError, peer: tuple[str, int], exchange: Exchange | None
    ) -> Refusal:
        """Words for a request that broke the protocol or a limit; ``exchange`` if its head was good."""

    def overdue(self, exchange: Exchange) -> Refusal:
        """Words for the 503 that is sent because no response came within response_timeout."""

    def limited(self, limit: str, text: str) -> None:
        """``limit`` (a name of `skitai.limits`) has cut a connection without a response; or ``"handshake"``,
        which has failed."""

    def learned(self, habit: Habit, before: str) -> None:
        """A route is of another kind than ``before``.  Any thread that runs applications."""

    def lane(self, host: str, path: str, info: Any) -> Lane | RelayLane | None:
        """The lane for ``path`` at ``host`` (lower case, as in Host), and for all paths with the
        same first `depth` segments; None where a request asks for more than an application's call, or than
        being passed on."""

    def go_on_relaying(
        self,
        exchange: Exchange,
        way: Any,
        peer: Any,
        pool: Any,
        connection: Any,
        began_at: float,
        body: bytes,
        request_id: str,
    ) -> None:
        """Go on with a request that was to be passed on plainly by ``way``: ``peer`` is to answer it, and has
        been asked over ``connection``, of ``pool``, unless that is None; ``request_id``: empty where it has
        none."""

    def go_on(self, exchange: Exchange, begun: Begun, context: Context) -> Run:
        """The run that goes on with ``begun``, which was called in ``context``."""
