"""The services of one request: what ``was`` is inside a handler.

Made by the gateway (`skitai.was.activate`) or, under a foreign server, by Saddle.  It belongs to
the request: one thread at a time uses it, none after the response is complete.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from time import monotonic, time
from typing import Any

from skitai.was._mailing import email
from skitai.was._publishing import publish
from skitai.was._shared import SHARED
from skitai.was._status import STATUS
from skitai.was._verbs import DB, RPC, VERBS, WS
from skitai.was._xml import fromjson, fromxml, tojson, toxml

__all__ = ["Services"]

#: Set by Saddle alone; other frameworks have a request and a response of their own.
_SADDLE_ONLY = frozenset({"request", "response"})

_NAMES = ("app", "env", "request", "response", *VERBS, "rpc", "db", "ws")
#: Of no request: these are in the package itself, too.
_ANYWHERE = ("email", "fromjson", "fromxml", "publish", "status", "tojson", "toxml")
_FOREVER = float("inf")
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_NOTHING: Mapping[str, Callable[[Services], Any]] = {}


class Services:
    """``env``: the WSGI environ (dict).  ``app``: the application that answers.  ``route``: of it, if it
    has such things.  ``get`` and the other verbs ask others (`skitai.was._verbs`).

    All else is made when it is first asked for: an application's ``skitai_services`` maps names to
    functions that make it of the services.  What no application has may be an object that one of
    them has registered for all (`SHARED`).
    """

    __slots__ = ("__dict__", "app", "env", "route")

    route: Any

    get, post, put, delete = VERBS["get"], VERBS["post"], VERBS["put"], VERBS["delete"]
    patch, head, options = VERBS["patch"], VERBS["head"], VERBS["options"]
    upload, rpc, db, ws = VERBS["upload"], RPC, DB, WS
    email = staticmethod(email)
    fromjson = staticmethod(fromjson)
    fromxml = staticmethod(fromxml)
    publish = staticmethod(publish)
    status = STATUS
    tojson = staticmethod(tojson)
    toxml = staticmethod(toxml)

    def __init__(self, environ: dict[str, Any], application: Any = None) -> None:
        self.env = environ
        self.app = application

    @property
    def deadline(self) -> float:
        """By when the response has to begin, as a time of `time.monotonic`: as ``response_timeout`` says, or
        a trusted proxy by ``X-Request-Deadline`` (seconds since 1970).  Infinite where nobody says so.

        Who is still at work when the first of these has passed has begun the response, and is streaming it;
        or it was answered 503, and its waits end by themselves.
        """
        own, said = self.deadlines
        return said if monotonic() >= own else min(own, said)

    @cached_property
    def deadlines(self) -> tuple[float, float]:
        """Both of these times, in this order."""
        now = monotonic()
        said = self.env.get("HTTP_X_REQUEST_DEADLINE", "")
        left = max(0.0, float(said) - time()) if _SECONDS.fullmatch(said) else _FOREVER
        return now + float(self.env.get("skitai.response_timeout", _FOREVER)), now + left

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
        raise AttributeError(f"was has no service {name!r}; it has {', '.join((*_NAMES, *_ANYWHERE))}")


SHARED.reserve([*_NAMES, *_ANYWHERE, "deadline", "deadlines", "route"])
