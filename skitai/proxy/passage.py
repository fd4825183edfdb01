"""One request on its way to a member, and the answer on its way back.

    ASKING ──a final head──▶ STREAMING ──its end──────────────▶ OVER
      │  ▲──────502, 503, 504──┐                                 ▲
      │  └──the next member── HELD ──nobody is asked any more────┤
      ├──101──▶ SWITCHED ──the client has its head─▶ a Tunnel    │
      └──refused, failed, the client has gone────────────────────┘

An answer that is HELD may be bettered by another member, as long as it fits into `relay_buffer_max`.  One
that ends too early is never made to look whole: the client's connection is reset.

A piece of the answer that the client has no room for stops the member (`Sink.write`); a piece of the body
that the member has no room for stops the client (`inflow.py`).  The loop thread, all of it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple, Protocol

from skitai._kernels import engine, http1
from skitai.core.outbound.client import HttpClient
from skitai.core.outbound.request import IDEMPOTENT, Body, Cancelable, Origin, Outcome, Request
from skitai.core.relays import Asked, Begun
from skitai.errors import ClientDisconnected, RemoteProtocolError
from skitai.limits import Limits
from skitai.proxy.asking import Asking
from skitai.proxy.headfields import answer_fields, interim_fields, trailer_fields
from skitai.proxy.inflow import Inflow
from skitai.proxy.verdicts import BAD, verdict
from skitai.was._attempts import GATEWAY_CODES
from skitai.was._clusters import Cluster

__all__ = ["Passage", "Terms"]

_FOREVER = float("inf")
#: Whom the request is for until a member is chosen.
_ANY_MEMBER = Origin("http", "@", 80)


class Whom(Protocol):
    """Who is asked: a cluster, or the one that the request names."""

    @property
    def title(self) -> str:
        """For people."""

    def begin(
        self,
        request: Request,
        on_done: Callable[[Outcome], None],
        send: Callable[[Request, Callable[[Outcome], None]], Cancelable],
    ) -> Cancelable: ...


class Terms(NamedTuple):
    """What all passages of a mount have in common."""

    whom: Whom
    client: HttpClient
    limits: Limits
    #: Until the head of the answer; a member has as long for it.
    response_timeout: float
    body_max: int


class _Stage(enum.Enum):
    ASKING = "no final head has come"
    HELD = "an answer lies here that another member may better"
    STREAMING = "the client gets an answer as it comes"
    SWITCHED = "another protocol begins"
    OVER = "nobody waits"

    __hash__ = object.__hash__


_ASKING, _HELD, _STREAMING, _SWITCHED, _OVER = _Stage


class Passage:
    """A `relays.Passage`, the `Sink` of its requests, and their `Way`."""

    __slots__ = (
        "_asked",
        "_begun",
        "_exchange",
        "_far",
        "_fetch",
        "_handle",
        "_head",
        "_inflow",
        "_is_repeatable",
        "_is_sent",
        "_pieces",
        "_protocols",
        "_resume",
        "_size",
        "_stage",
        "_terms",
    )

    def __init__(self, terms: Terms, asked: Asked, protocols: str) -> None:
        """``protocols``: those that the client may be upgraded to; mostly none."""
        self._terms = terms
        self._asked = asked
        self._exchange = exchange = asked.exchange
        exchange.queue_max = min(exchange.queue_max, terms.limits.relay_buffer_max)
        self._protocols = protocols
        self._stage = _ASKING
        self._is_repeatable = exchange.head.method in IDEMPOTENT
        self._handle: Cancelable | None = None
        #: The connection over which it was asked before it came here; None: it was not.
        self._begun: Begun | None = None
        #: Of the member that is asked now.
        self._fetch: Asking | None = None
        self._far: engine.Transport | None = None
        self._inflow: Inflow | None = None
        self._head: http1.ResponseHead | None = None
        #: Of the answer, what waits here, and how much that is; the head of one that streams has left.
        self._pieces: list[bytes] = []
        self._size = 0
        #: Its head has been given to the engine.
        self._is_sent = False
        self._resume: Callable[[], None] = _nothing

    def start(self, target: str, fields: http1.Headers, origin: Origin = _ANY_MEMBER) -> None:
        terms, head = self._terms, self._exchange.head
        deadline = _FOREVER
        if head.has_body:
            self._inflow = Inflow(self._exchange, terms.body_max, self._send_on)
            self._exchange.sink = self._inflow
        else:
            deadline = monotonic() + terms.response_timeout
        request = self._request(target, fields, origin, self._inflow or b"", deadline)
        handle = terms.whom.begin(request, self._done, self._send)
        if self._stage is not _OVER:
            self._handle = handle

    def go_on(self, target: str, fields: http1.Headers, begun: Begun, cluster: Cluster) -> None:
        """In the place of `start`: a member was chosen before, and is asked already."""
        deadline = _FOREVER if begun.body else begun.began_at + self._terms.response_timeout
        request = self._request(target, fields, _ANY_MEMBER, begun.body, deadline)
        self._begun = begun
        handle = cluster.go_on(request, self._done, self._send, begun.peer, begun.began_at)
        if self._stage is not _OVER:
            self._handle = handle

    def _request(
        self, target: str, fields: http1.Headers, origin: Origin, body: bytes | Body, deadline: float
    ) -> Request:
        terms = self._terms
        return Request(
            self._exchange.head.method,
            origin,
            target,
            fields,
            body,
            deadline,
            terms.limits.call_connect_timeout,
            terms.response_timeout,
            terms.limits.relay_between_bytes_timeout,
            decodes=False,
            repeatable=self._is_repeatable,
            sink=self,
        )

    def _send(self, request: Request, on_done: Callable[[Outcome], None]) -> Cancelable:
        """To one member."""
        client = self._terms.client
        self._fetch = fetch = Asking(client, request, on_done, self)
        begun, self._begun = self._begun, None
        if begun is not None and begun.connection is not None:
            client.go_on(fetch, begun.pool, begun.connection, begun.began_at)
        elif self._inflow is None:
            client.send_now(fetch)
        else:
            client.send(fetch)  # what has come with the head leaves with the head
        return fetch

    def over(self) -> None:
        if self._stage is _SWITCHED:
            if self._exchange.progress is not engine.Progress.DELIVERED and self._far is not None:
                self._far.close()
            self._far = None
            self._stage = _OVER
        elif self._stage is not _OVER:
            self._leave()

    def _leave(self) -> None:
        """Nobody wants an answer any more."""
        self._stage = _OVER
        self._let_go()
        if self._handle is not None:
            self._handle.cancel()

    def _let_go(self) -> None:
        self._pieces = []
        if self._inflow is not None:
            self._inflow.close()

    # -- the request's body -------------------------------------------------------------------

    def _send_on(self) -> None:
        if self._fetch is not None:
            self._fetch.send_on()

    @property
    def is_starved(self) -> bool:
        return self._inflow is not None and self._inflow.is_starved

    @property
    def whole_body(self) -> bytes | None:
        return None if self._inflow is None else self._inflow.whole

    # -- the answer: request.Sink, Way --------------------------------------------------------

    @property
    def upgrades(self) -> bool:
        return self._protocols != ""

    @property
    def has_begun(self) -> bool:
        return self._stage is not _ASKING

    @property
    def may_begin(self) -> bool:
        return self._stage in (_ASKING, _HELD)

    def interim(self, head: http1.ResponseHead) -> None:
        """Raises RemoteProtocolError: there are more than the client takes."""
        if self._stage is _ASKING:
            try:
                has_room = self._exchange.inform(head.status, interim_fields(head))
            except ClientDisconnected:
                self._leave()
                return
            if not has_room:
                raise RemoteProtocolError("more interim responses than the client takes (relay_buffer_max)")

    def begin(self, head: http1.ResponseHead, resume: Callable[[], None]) -> None:
        self._expect(head)
        self._resume = resume
        if self._stage is _STREAMING and head.content_length != 0:
            # The head does not wait for a body that may come in an hour.
            self._terms.client.loop.call_soon(self._send_head)

    def _expect(self, head: http1.ResponseHead) -> None:
        self._head = head
        self._pieces = []
        self._size = 0
        is_held = self._is_repeatable and head.status in GATEWAY_CODES
        self._stage = _HELD if is_held else _STREAMING
        if self._handle is not None and not is_held:
            self._handle.extend(_FOREVER)

    def write(self, data: bytes) -> bool:
        if self._stage is _HELD and self._size + len(data) > self._terms.limits.relay_buffer_max:
            self._stage = _STREAMING
        if self._stage is _HELD or (self._stage is _STREAMING and self._is_all(data)):
            self._pieces.append(data)
            self._size += len(data)
            return True
        if self._stage is not _STREAMING:
            return True
        try:
            self._start()
            return self._exchange.write(data) or not self._exchange.when_room(self._resume)
        except ClientDisconnected:
            self._leave()
            return True

    def _is_all(self, data: bytes) -> bool:
        """It is the whole body, and leaves together with the head."""
        head = self._head
        return (
            head is not None and not self._is_sent and not self._pieces and head.content_length == len(data)
        )

    def _start(self) -> None:
        """The head is given to the engine, and what was waiting behind it."""
        head = self._head
        if head is not None and not self._is_sent:
            self._is_sent = True
            self._exchange.start(head.status, answer_fields(head), reason=head.reason)
            pieces, self._pieces = self._pieces, []
            for piece in pieces:
                self._exchange.write(piece)

    def _send_head(self) -> None:
        if self._stage is _STREAMING and not self._is_sent:
            try:
                self._start()
                self._exchange.write(b"")
            except ClientDisconnected:
                self._leave()

    def whole(self, head: http1.ResponseHead, body: bytes) -> None:
        self._expect(head)
        if len(body) > self._terms.limits.relay_buffer_max:
            self._stage = _STREAMING
        self._pieces = [body]
        self._size = len(body)
        if self._stage is _STREAMING:
            self._finish([])

    def _finish(self, trailers: http1.Headers) -> None:
        """The answer is complete."""
        head, body = self._head, b"".join(self._pieces)
        assert head is not None
        self._stage = _OVER
        self._let_go()
        try:
            if self._is_sent:
                self._exchange.end(trailer_fields(trailers))
            elif trailers:
                self._start()
                self._exchange.end(trailer_fields(trailers))
            else:
                self._exchange.respond(head.status, answer_fields(head), body, reason=head.reason)
        except ClientDisconnected:
            return  # the access line will say so

    def switched(self, head: http1.ResponseHead, sock: engine.Transport, left: bytes) -> None:
        protocol = head.get("upgrade") or ""
        if protocol.lower() not in self._protocols.lower().split(", "):
            sock.close()
            self._fail(502, BAD, f"{self._member} has switched to {protocol!r}, for which nobody had asked")
            return
        self._far = sock

        def succeed(owner: Any, near: engine.Transport, peer: tuple[str, int], info: Any) -> engine.Tunnel:
            tunnel = engine.Tunnel(owner, near, peer, sock)
            tunnel.greet(left)
            return tunnel

        self._stage = _SWITCHED
        try:
            self._exchange.switch([("Upgrade", protocol), *interim_fields(head)], succeed)
        except ClientDisconnected:
            self.over()

    # -- the end ------------------------------------------------------------------------------

    @property
    def _member(self) -> str:
        where = "" if self._fetch is None else f" at {self._fetch.request.origin.title}"
        return f"{self._terms.whom.title}{where}"

    def _done(self, outcome: Outcome) -> None:
        """The last word of the cluster."""
        error = outcome.error
        self._asked.answered()
        if self._stage not in (_OVER, _SWITCHED):
            if error is not None:
                self._fail(*verdict(error), f"{self._member}: {error}")
            elif outcome.response is not None:
                self._finish(outcome.response.trailers)
        # They lead back here, and would wait for the collector.
        self._handle = self._fetch = None
        self._resume = _nothing

    def _fail(self, status: int, why: str, cause: str) -> None:
        self._stage = _OVER
        self._let_go()
        asked = self._asked
        if self._is_sent:
            self._exchange.abort()
            asked.failed(self._exchange, self._exchange.status, "", f"cut in the middle: {cause}")
        else:
            asked.failed(self._exchange, status, why, cause)


def _nothing() -> None:
    """Nobody has stopped."""
