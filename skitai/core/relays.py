"""Requests that another server answers, as a floor above passes them on.

Who is asked for a path, and refusals that need nobody, are the service's; from there on the passage has the
exchange.  Loop thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias

from skitai._kernels import engine
from skitai.core.forwarded import ClientView

__all__ = ["Asked", "Begun", "Cut", "Failed", "Passage", "PlainWay", "Relay"]

#: ``failed(exchange, status, why, cause)``: answer with an error page, and tell the operator what was wrong.
Failed: TypeAlias = Callable[[engine.Exchange, int, str, str], None]


class Asked(NamedTuple):
    """A request that is to be passed on."""

    exchange: engine.Exchange
    client: ClientView
    #: Its path, decoded.
    path: str
    failed: Failed
    #: Who is asked has given the last byte of its answer, or has failed.
    answered: Callable[[], None]
    #: What ``X-Request-ID`` says to it; empty: whatever the client has sent.
    request_id: str


class Passage(Protocol):
    """One request on its way."""

    def over(self) -> None:
        """The exchange is, with or without an answer: nobody waits any more.  May be called again."""


class Begun(NamedTuple):
    """A request that was to be passed on plainly, by the compiled engine."""

    #: Who was chosen to answer it, and when.
    peer: Any
    began_at: float
    #: Over which it was asked, of this pool; None: it is still to be asked.
    connection: Any
    pool: Any
    body: bytes


#: ``cut(status, text)`` tells the operator of an answer that a member has not come to the end of.
Cut: TypeAlias = Callable[[int, str], None]


class PlainWay(engine.RelayWay, Protocol):
    def go_on(self, asked: Asked, begun: Begun) -> Passage:
        """Go on with what was begun by this way, and has turned out not to be plain."""


class Relay(Protocol):
    """What is mounted at a path in the place of an application."""

    def way(self, scheme: str, cut: Cut) -> PlainWay | None:
        """By which the engine passes on plain requests itself, of clients that it speaks ``scheme`` with;
        always the same one.  None: it may not."""

    def begin(self, asked: Asked) -> Passage:
        """Pass it on; where it has a body, that is still to come.  Raises HTTPError to refuse it."""
