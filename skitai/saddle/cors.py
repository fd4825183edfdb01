"""CORS: which pages of other origins may ask, and read the answer (Fetch standard, section 3.3).

    app.cors = CORS(["https://www.example.com"], credentials=True)

    @app.route("/fonts/<path>", cors=CORS("*"))

A browser sends what is harmless at once and hides the answer from the page if it does not allow it; of
the rest it asks before (a *preflight*: OPTIONS with ``Access-Control-Request-Method``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from skitai.saddle.response import Response

__all__ = ["CORS"]


class CORS:
    """Immutable; for any number of applications and routes.

    Args:
        origins: such as ``https://www.example.com``, or ``"*"`` for all.
        methods: that a preflight may ask for; all that the route has, if none is given.
        headers: of requests, beside those that are always allowed; ``"*"`` for whatever is asked for.
        expose: fields of answers that pages may read, beside the usual ones.
        credentials: cookies and passwords come along, and the answer may be read all the same.
        max_age: seconds for which a browser need not ask again.

    Raises:
        ValueError: credentials for all origins: every page of the world could act in a user's name.
    """

    def __init__(
        self,
        origins: str | Iterable[str],
        *,
        methods: Iterable[str] = (),
        headers: str | Iterable[str] = (),
        expose: Iterable[str] = (),
        credentials: bool = False,
        max_age: int = 600,
    ) -> None:
        names = (origins,) if isinstance(origins, str) else tuple(origins)
        for name in names:
            if name != "*" and ("://" not in name or name.count("/") != 2 or "*" in name):
                raise ValueError(f"{name!r} is no origin: 'https://host' or 'https://host:port' is, or '*'")
        self._takes_all = "*" in names
        if self._takes_all and credentials:
            raise ValueError("credentials for the origin '*': name the origins that may act in a user's name")
        self._origins = frozenset(name.lower() for name in names)
        self._methods = tuple(method.upper() for method in methods)
        self._headers = (headers,) if isinstance(headers, str) else tuple(headers)
        self._expose = ", ".join(expose)
        self._credentials = credentials
        self._max_age = str(max_age)

    def allows(self, origin: str) -> bool:
        """Whether pages of ``origin`` may read answers."""
        return self._takes_all or origin.lower() in self._origins

    def apply(self, environ: dict[str, Any], response: Response) -> None:
        """Say in the head of ``response`` who may read it."""
        if self._takes_all:
            response["Access-Control-Allow-Origin"] = "*"
        else:
            response.add("Vary", "Origin")  # also where there is none: caches keep the answer for others
            origin = environ.get("HTTP_ORIGIN", "")
            if not self.allows(origin):
                return
            response["Access-Control-Allow-Origin"] = origin
            if self._credentials:
                response["Access-Control-Allow-Credentials"] = "true"
        if self._expose:
            response["Access-Control-Expose-Headers"] = self._expose

    def answer_preflight(self, environ: dict[str, Any], response: Response, possible: Iterable[str]) -> None:
        """What may be asked, beside what `apply` says; ``possible`` are the methods of the path."""
        response.add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
        if not self.allows(environ.get("HTTP_ORIGIN", "")):
            return
        response["Access-Control-Allow-Methods"] = ", ".join(self._methods or sorted(possible))
        asked = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
        # By name, not "*": with credentials that would be a field of this name.
        headers = asked if self._headers == ("*",) else ", ".join(self._headers)
        if headers:
            response["Access-Control-Allow-Headers"] = headers
        response["Access-Control-Max-Age"] = self._max_age
