"""The services of one request: what ``was`` is inside a handler.

Made by the gateway (`skitai.was.activate`) or, under a foreign server, by Saddle.  It belongs to
the request: one thread at a time uses it, none after the response is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from skitai.was._shared import SHARED

__all__ = ["Services"]

#: Set by Saddle alone; other frameworks have a request and a response of their own.
_SADDLE_ONLY = frozenset({"request", "response"})

_NAMES = ("app", "env", "request", "response")
_NOTHING: Mapping[str, Callable[[Services], Any]] = {}


class Services:
    """``env``: the WSGI environ (dict).  ``app``: the application that answers.  ``route``: of it, if it
    has such things.

    All else is made when it is first asked for: an application's ``skitai_services`` maps names to
    functions that make it of the services.  What no application has may be an object that one of
    them has registered for all (`SHARED`).
    """

    __slots__ = ("__dict__", "app", "env", "route")

    route: Any

    def __init__(self, environ: dict[str, Any], application: Any = None) -> None:
        self.env = environ
        self.app = application

    def __getattr__(self, name: str) -> Any:
        # Only reached for a slot that was never set, or for a name that is none yet.
        make = getattr(self.app, "skitai_services", _NOTHING).get(name)
        if make is not None:
            made = self.__dict__[name] = make(self)
            return made
        if name in SHARED:
            return getattr(SHARED, name)
        if name in _SADDLE_ONLY:
            raise AttributeError(
                f"was.{name} belongs to Saddle applications; in another framework use its own {name}"
            )
        raise AttributeError(f"was has no service {name!r}; it has {', '.join(_NAMES)}")


SHARED.reserve([*_NAMES, "route"])
