"""What the engine asks of the layer above it.

The engine knows sockets, HTTP and time; what a request means is the service's.  The
service hands itself to `Engine` and is called back; it never imports the engine's inside.
"""

from __future__ import annotations

from typing import Protocol

from skitai._pure.engine.exchange import Exchange
from skitai._pure.http1 import Headers
from skitai.errors import RemoteProtocolError

__all__ = ["Refusal", "Service"]

#: Headers and body of a refusal.
Refusal = tuple[Headers, bytes]


class Service(Protocol):
    """All methods run in the loop thread and must be quick."""

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
        """``limit`` (a name of `skitai.limits`) has cut a connection without a response."""
