"""What the designs need of the application that has a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from skitai._kernels import engine
from skitai.websocket.callstage import CallStage, Outcome

__all__ = ["Application"]


class Application(Protocol):
    """Any thread, but for `run` and `run_loop`: the loop's."""

    #: Of the handshake; calls get copies.
    environ: dict[str, Any]

    def debug(self) -> bool:
        """Whether a client may see what went wrong."""

    def stage(self, on_done: Callable[[Outcome], None]) -> CallStage: ...

    def terms(self, variable: str | None) -> engine.CallTerms | None:
        """For calls that the engine makes; None: the application is not to be called without ado."""

    def run(self, stage: CallStage, environ: dict[str, Any]) -> None:
        """Call the application, soon: as a request's handler."""

    def run_behind(self, stage: CallStage, environ: dict[str, Any]) -> None:
        """The same at the end of another call, which may be in asyncio's thread."""

    def run_loop(self, stage: CallStage, environ: dict[str, Any]) -> None:
        """Call it for as long as it likes."""
