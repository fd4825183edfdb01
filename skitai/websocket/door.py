"""In front of `skitai.websocket.upgrades`, which is loaded with the first request for a WebSocket: most
servers get none.

Loop thread, but for `take` and `publish`: as `skitai.core.upgrades.Upgrades` says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from skitai._kernels import engine, http1, websocket
from skitai._lazy import LazyModule
from skitai.core.answer import Answer
from skitai.core.forwarded import ClientView
from skitai.core.upgrades import Caller
from skitai.limits import Limits

if TYPE_CHECKING:
    from skitai.core.bus.frames import Bus, Listener
    from skitai.core.websockets.handles import Message
    from skitai.websocket import upgrades
else:
    upgrades = LazyModule("skitai.websocket.upgrades")

__all__ = ["WebSocketDoor"]


class WebSocketDoor:
    """The `Upgrades` of a process."""

    def __init__(
        self,
        executor: engine.Executor,
        call_soon: Callable[[Callable[[], None]], object],
        limits: Limits,
        report: Callable[[str], None],
        make_bus: Callable[[Listener], Bus],
        make_ids: Callable[[], Iterator[int]],
    ) -> None:
        """As `skitai.websocket.upgrades.WebSockets`."""
        self._given = (executor, call_soon, limits, report, make_bus, make_ids)
        self._entering = threading.Lock()
        self._inside: upgrades.WebSockets | None = None

    def status(self) -> dict[str, object]:
        """Of those inside, if there were any.  Any thread."""
        return {} if self._inside is None else self._inside.status()

    def publish(self, room: str, message: Message) -> None:
        """To everybody in the room.  Any thread.  Raises SendQueueFull."""
        self._enter().rooms.publish(room, message)

    def _enter(self) -> upgrades.WebSockets:
        with self._entering:
            if self._inside is None:
                self._inside = upgrades.WebSockets(*self._given)
            return self._inside

    def is_asked_for(self, head: http1.RequestHead) -> bool:
        if head.get("upgrade") is None or head.method != "GET" or head.has_body:
            return False  # the offer of another protocol may be ignored (RFC 9110 section 7.8)
        return websocket.is_asked_for(head)

    def refusal(self, head: http1.RequestHead, client: ClientView) -> Answer | None:
        return self._enter().refusal(head, client)

    def offer(self, environ: dict[str, Any]) -> None:
        assert self._inside is not None  # whoever is offered one was not refused
        self._inside.offer(environ)

    def take(self, exchange: engine.Exchange, environ: dict[str, Any], caller: Caller) -> bool:
        assert self._inside is not None
        return self._inside.take(exchange, environ, caller)
