"""Which request is being answered here: one context variable.

Any thread; a request runs in a `contextvars.Context` of its own, so what one sets no other sees.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any, Protocol

from skitai.errors import OutsideRequest
from skitai.was._services import Services

__all__ = ["CALLS", "VARIABLE", "activate", "current", "deactivate", "give_up"]


class _Maker(Protocol):
    def services(self) -> Services: ...


class _Group(Protocol):
    def cancel(self) -> None: ...


#: Of a request's calls, in the ``__dict__`` of its services, where no application's service has this name.
CALLS = "_calls"

#: The services, or what makes them when they are first asked for: most requests never ask.
VARIABLE: ContextVar[Services | _Maker] = ContextVar("skitai.was")


def activate(environ: dict[str, Any], application: Any = None) -> Token[Any]:
    """Have `skitai.was` mean the request of ``environ`` in this context.

    Called with the request's own context entered, the token need not be kept: the setting goes
    with the context.
    """
    return VARIABLE.set(Services(environ, application))


def deactivate(token: Token[Any]) -> None:
    """Undo one `activate` in the same context."""
    VARIABLE.reset(token)


def current(wanted: str = "") -> Services:
    """The services of the request that is being answered in this context.

    Raises:
        OutsideRequest: there is none; ``wanted`` is named in the text.
    """
    try:
        found = VARIABLE.get()
    except LookupError:
        raise OutsideRequest(
            f"was.{wanted or 'current'} is used outside a request: the services of skitai.was belong to "
            f"the request that is being answered. Use them inside a handler, and not in the body of a "
            f"module or in a thread of your own; start such a thread's function with "
            f"contextvars.copy_context().run. What asks others (was.get and the like), was.rpc, was.status, "
            f"was.tojson and the like can be used anywhere"
        ) from None
    return found if isinstance(found, Services) else found.services()


def give_up() -> None:
    """Nobody will get the response to the request of this context: its calls are wanted no more, but for
    those that are detached."""
    found = VARIABLE.get(None)
    if found is not None:
        services = found if isinstance(found, Services) else found.services()
        group: _Group | None = services.__dict__.get(CALLS)
        if group is not None:
            group.cancel()
