"""How the services of a request, `skitai.was`, are bound to it.

The layer above makes one `Binding` and hands it to the server; what services are, nobody here
knows.  Any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, NamedTuple

__all__ = ["Binding"]


class Binding(NamedTuple):
    """``make(environ, application)`` gives the services of one request; ``variable`` holds them, or
    something whose ``services()`` makes them when they are first asked for; ``face`` is
    ``environ["skitai.was"]`` of all requests, and finds them by the variable; ``give_up()``, in the
    context of a request whose response nobody will get, ends what its services have under way."""

    variable: ContextVar[Any]
    make: Callable[[dict[str, Any], Any], Any]
    face: object
    give_up: Callable[[], None]

    def activate(self, environ: dict[str, Any], application: Any = None) -> Token[Any]:
        """Bind new services to the request of ``environ``, in this context."""
        return self.variable.set(self.make(environ, application))
