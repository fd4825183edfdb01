"""Which request is being answered here: one context variable.

Any thread; a request runs in a `contextvars.Context` of its own, so what one sets no other sees.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any

from skitai.errors import OutsideRequest
from skitai.was._services import Services

__all__ = ["activate", "current", "deactivate"]

_current: ContextVar[Services] = ContextVar("skitai.was")


def activate(environ: dict[str, Any], application: Any = None) -> Token[Services]:
    """Make services for the request of ``environ`` and have `skitai.was` mean them in this context.

    They are put into ``environ["skitai.was"]`` too, where Saddle finds them.  Called with the
    request's own context entered, the token need not be kept: the setting goes with the context.
    Costs about half a microsecond.
    """
    services = environ["skitai.was"] = Services(environ, application)
    return _current.set(services)


def deactivate(token: Token[Services]) -> None:
    """Undo one `activate` in the same context."""
    _current.reset(token)


def current(wanted: str = "") -> Services:
    """The services of the request that is being answered in this context.

    Raises:
        OutsideRequest: there is none; ``wanted`` is named in the text.
    """
    try:
        return _current.get()
    except LookupError:
        raise OutsideRequest(
            f"was.{wanted or 'current'} is used outside a request: the services of skitai.was belong to "
            f"the request that is being answered. Use them inside a handler, and not in the body of a "
            f"module or in a thread of your own; start such a thread's function with "
            f"contextvars.copy_context().run"
        ) from None
