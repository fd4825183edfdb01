"""From a request that asks for a WebSocket to the one who gets its messages.

    the handshake is checked ──▶ the application is called ──▶ 101, and its design decides
          │                            │
          └── 400, 403, 426            └── it says nothing of WebSockets: its response, as to any request

The application sees an ordinary request, with all that it does to those (authorization, hooks, sessions), and
``environ["websocket_init"]``: see `skitai.core.websockets.designs`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from skitai._constants import WEBSOCKET_DEDICATE, WEBSOCKET_MULTICAST, WEBSOCKET_REQDATA
from skitai._kernels import engine, http1, websocket
from skitai.core.answer import Answer
from skitai.core.bus.frames import Bus, Listener
from skitai.core.errorpages import accept_of, error_answer
from skitai.core.forwarded import ClientView
from skitai.core.upgrades import Caller
from skitai.core.websockets import opening
from skitai.core.websockets.designs import Design
from skitai.core.websockets.numbered import PROTOCOL
from skitai.core.websockets.rooms import Rooms
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits
from skitai.websocket.callstage import CallStage, Origin, Outcome
from skitai.websocket.dedicated import Dedicated
from skitai.websocket.loops import Loops
from skitai.websocket.reqdata import RequestData
from skitai.websocket.rooms import Place

__all__ = ["WebSockets"]

_VERSION = ("Sec-WebSocket-Version", "13")


class WebSockets:
    """Those of a process, behind a `WebSocketDoor`."""

    def __init__(
        self,
        executor: engine.Executor,
        call_soon: Callable[[Callable[[], None]], object],
        limits: Limits,
        report: Callable[[str], None],
        make_bus: Callable[[Listener], Bus],
        make_ids: Callable[[], Iterator[int]],
    ) -> None:
        """``call_soon``: the loop's; ``report(what)`` is called inside an ``except`` block; ``make_bus``: of
        rooms; ``make_ids``: of clients, which no other process has."""
        self.executor = executor
        self.call_soon = call_soon
        self.message_max = limits.ws_message_max
        self.loops = Loops(executor, limits.ws_loops_max, report)
        self.rooms = Rooms(engine.WebSocket.encode, make_bus, make_ids())

    def status(self) -> dict[str, object]:
        """Any thread."""
        return {"loops with a thread": self.loops.threads, **self.rooms.status()}

    # -- the loop thread ------------------------------------------------------------------

    def refusal(self, head: http1.RequestHead, client: ClientView) -> Answer | None:
        try:
            websocket.accept(head)
        except RemoteProtocolError as error:
            extra = [_VERSION] if error.status == 426 else []
            return error_answer(error.status or 400, str(error), accept=accept_of(head), extra_headers=extra)
        return None

    # -- the run's thread -----------------------------------------------------------------

    def offer(self, environ: dict[str, Any]) -> None:
        opening.offer(environ)

    def take(self, exchange: engine.Exchange, environ: dict[str, Any], caller: Caller) -> bool:
        """Raises ValueError: what the application has put there is no design; HTTPError: it is refused."""
        design = opening.design_in(environ)
        if design is None:
            return False
        application = _Application(self, exchange, environ, caller)
        subprotocols = design.options.subprotocols
        engine.WebSocket.accept(
            exchange,
            self._receiver(design, application),
            subprotocols=(*subprotocols, PROTOCOL) if design.spec == WEBSOCKET_MULTICAST else subprotocols,
            idle_timeout=design.keep_alive,
        )
        return True

    def _receiver(self, design: Design, application: _Application) -> engine.Receiver:
        """Raises HTTPError: 400, the request does not say which room; 503, there are too many loops."""
        if design.spec == WEBSOCKET_REQDATA:
            return RequestData(design, application)
        if design.spec == WEBSOCKET_DEDICATE:
            self.loops.check_room(application.parks)
            return Dedicated(application)
        key = opening.room_key(application.environ, design)
        if not self.rooms.is_open(key):  # else its loop runs already
            self.loops.check_room(application.parks)
        return Place(self.rooms, key, design, application)


class _Application:
    """The `Application` of one connection."""

    def __init__(
        self, sockets: WebSockets, exchange: engine.Exchange, environ: dict[str, Any], caller: Caller
    ) -> None:
        self._sockets = sockets
        self._origin = Origin.of(exchange)
        self._caller = caller
        self.environ = environ

    def debug(self) -> bool:
        return self._caller.debug()

    def stage(self, on_done: Callable[[Outcome], None]) -> CallStage:
        sockets = self._sockets
        return CallStage(self._origin, on_done, sockets.call_soon, sockets.message_max)

    def terms(self, variable: str | None) -> engine.CallTerms | None:
        return self._caller.terms(self.environ, variable, self.stage)

    @property
    def parks(self) -> bool:
        return self._caller.parks

    def run(self, stage: CallStage, environ: dict[str, Any]) -> None:
        self._sockets.executor.submit(self._caller.run(stage, environ))

    def run_behind(self, stage: CallStage, environ: dict[str, Any]) -> None:
        sockets = self._sockets
        run = self._caller.run(stage, environ)
        if sockets.executor.inline:  # it runs where it is submitted
            sockets.call_soon(functools.partial(sockets.executor.submit, run))
        else:
            sockets.executor.submit(run)

    def run_loop(self, stage: CallStage, environ: dict[str, Any]) -> None:
        self._sockets.loops.begin(self._caller.run(stage, environ))
