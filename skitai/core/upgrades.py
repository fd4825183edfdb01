"""Connections that become something else than HTTP (RFC 9110 section 7.8), as a floor above decides.

A request that asks for it is admitted, and its application called, as for any request; the application says
by its environ whether it wants that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from skitai._kernels import engine, http1
from skitai.core.answer import Answer
from skitai.core.forwarded import ClientView
from skitai.core.gateway import Run

__all__ = ["Caller", "Upgrades"]


class Caller(Protocol):
    """The application that a request is for."""

    @property
    def debug(self) -> Callable[[], bool]:
        """Whether clients may see what went wrong."""

    #: Its handlers may be parked.
    parks: bool

    def terms(
        self, environ: dict[str, Any], variable: str | None, stage: Callable[[Callable[[Any], None]], Any]
    ) -> engine.CallTerms | None:
        """For calls that the engine makes, one for each message, of the connection with ``environ``; None: it
        may be another application by then."""

    def run(self, exchange: Any, environ: dict[str, Any]) -> Run:
        """A call of it, which nobody runs yet; ``exchange``: what stands in the place of one."""


class Upgrades(Protocol):
    def is_asked_for(self, head: http1.RequestHead) -> bool:
        """Loop thread."""

    def refusal(self, head: http1.RequestHead, client: ClientView) -> Answer | None:
        """Loop thread: what is wrong with such a request, before the application sees it."""

    def offer(self, environ: dict[str, Any]) -> None:
        """Tell the application that it may have the connection."""

    def take(self, exchange: engine.Exchange, environ: dict[str, Any], caller: Caller) -> bool:
        """The thread of the run: do as the application said; False, it wants to answer by HTTP.  May raise
        whatever is the application's own fault."""
