"""What a build needs that calls applications itself for the messages of a WebSocket.

The compiled build does so in the thread that leads the loop, where a message is plain and its route is not
known to last (`skitai/_speedups/wscalls.pyx`).  Here nobody does, and every message goes to the receiver.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any, NamedTuple, Protocol

from skitai._pure.engine.service import Begun, Run

__all__ = ["CallTerms", "MessageCaller", "MessageCalls"]


class CallTerms(NamedTuple):
    """How the application of one connection is called for a message, as `Lane` says it of requests.

    ``environ`` is the handshake's, ``variable`` the argument that is to hold the message (None: none does);
    ``context`` is copied for each call, ``services`` and ``services_in`` as in `Lane`; ``stage(on_done)``
    makes
    what stands in the place of an exchange, ``go_on(stage, begun, context)`` the run of a call that was begun
    here; ``failure`` as in `Lane`; ``host``, ``mount`` and ``target`` name the route, ``learns`` says whether
    it is learnt how long its calls last, ``parks`` whether they may be parked."""

    application: Callable[..., Any]
    environ: dict[str, Any]
    variable: str | None
    context: Context
    services: ContextVar[Any]
    services_in: Callable[[dict[str, Any], Any], Any]
    stage: Callable[[Callable[[Any], None]], Any]
    go_on: Callable[[Any, Begun, Context], Run]
    failure: Callable[[dict[str, Any], str, BaseException], None]
    host: str
    mount: str
    target: str
    learns: bool
    parks: bool


class MessageCaller(Protocol):
    """The receiver for whom messages are answered."""

    #: The stage of the call that is under way.
    call: Any
    #: Nothing that comes any more is for the application.
    is_closed: bool

    def answered(self, status: int, headers: Any, body: bytes) -> None:
        """A call of `MessageCalls.take` has ended with a plain answer.  Loop thread."""

    def on_done(self, outcome: Any) -> None:
        """A call has ended: what its stage is told.  The thread of the call."""


class MessageCalls(Protocol):
    def take(self, message: str | bytes) -> bool:
        """Call the application for ``message``, and have its answer sent.  Loop thread, while no call is
        under way.  False: it is to be called elsewhere, with what `stage` gives."""

    def stage(self) -> Any:
        """For a call that is made elsewhere: what it is measured by goes with it."""
