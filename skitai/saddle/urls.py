"""URLs of functions: ``was.ab("add", 10, 40)`` is ``/mount/add?num1=10&num2=40``.

A rule's variables go into the path, all other arguments into the query, in the order given.  Values
stand for the function's parameters in their order, then for variables of the rule that the function
does not take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from skitai._lazy import LazyModule
from skitai.saddle.route import Route
from skitai.saddle.rules import CONVERTERS, Variable
from skitai.saddle.scope import Scope

if TYPE_CHECKING:
    import difflib
else:
    difflib = LazyModule("difflib")

__all__ = ["Names"]

#: Of a path segment (RFC 3986 section 3.3) that may stay as they are.
_SAFE = "!$&'()*+,;=:@"


class Names:
    """The routes of one application, by the names of their functions."""

    def __init__(self) -> None:
        self._routes: dict[str, list[Route]] = {}

    def add(self, route: Route) -> None:
        name = getattr(route.handler.function, "__name__", "")
        self._routes.setdefault(name, []).append(route)

    def build(
        self, name: str, args: Sequence[Any], keywords: dict[str, Any], mount: str, scope: Scope
    ) -> str:
        """The URL of the function ``name`` below ``mount``, seen from ``scope``.

        Raises:
            LookupError: there is no such function, or there are several.
            TypeError: too many arguments, or one too much.
            ValueError: a variable of the rule is missing, or its value does not fit.
        """
        # Of a function with several rules, the one that takes most of what is given.
        candidates = sorted(self._find(name, scope), key=lambda route: len(_variables(route)), reverse=True)
        refusal: Exception | None = None
        for route in candidates:
            try:
                return _url(route, _named(route, name, args, keywords), name, mount)
            except (TypeError, ValueError) as error:
                refusal = error
        assert refusal is not None
        raise refusal

    def _find(self, name: str, scope: Scope) -> list[Route]:
        """By its bare name: of the package that asks, of the application, or the only one there is."""
        package, _, function = name.rpartition(".")
        known = self._routes.get(function, [])
        if package:
            found = [route for route in known if _owner(route).name.rpartition(".")[2] == package]
        else:
            found = [route for route in known if _owner(route) is scope]
            found = found or [route for route in known if len(route.definition.scopes) == 1]
            if not found and len({_owner(route) for route in known}) > 1:
                names = " or ".join(f"{_owner(route).name.rpartition('.')[2]}.{name}" for route in known)
                raise LookupError(f"several packages have a function {name!r}: say {names}")
            found = found or known
        if not found:
            near = difflib.get_close_matches(function, self._routes, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise LookupError(f"there is no function {name!r} that a URL could lead to{hint}")
        return found


def _owner(route: Route) -> Scope:
    return route.definition.scopes[-1]


def _variables(route: Route) -> list[str]:
    return [part.name for part in route.parts if isinstance(part, Variable)]


def _named(route: Route, name: str, args: Sequence[Any], keywords: dict[str, Any]) -> dict[str, Any]:
    handler = route.handler
    names = [*handler.parameters, *(item for item in _variables(route) if item not in handler.parameters)]
    if len(args) > len(names):
        raise TypeError(f"{name!r} takes {len(names)} arguments, and {len(args)} are given")
    given = dict(zip(names, args, strict=False))
    for key, value in keywords.items():
        if key in given:
            raise TypeError(f"{name!r} is given {key!r} twice")
        if key not in names and not handler.accepts(key):
            raise TypeError(f"{name!r} takes no argument {key!r}")
        given[key] = value
    return given


def _url(route: Route, given: dict[str, Any], name: str, mount: str) -> str:
    path = ""
    for part in route.parts:
        if isinstance(part, str):
            path += f"/{quote(part, safe=_SAFE)}"
            continue
        value = given.pop(part.name, None)
        if value is None:
            raise ValueError(
                f"the URL of {name!r} needs {part.name!r}: its rule is {route.definition.rule!r}"
            )
        path += f"/{_segment(part, str(value), name)}"
    query = urlencode({key: value for key, value in given.items() if value is not None}, doseq=True)
    # The mount itself has no slash at its end, and the server would send a client there.
    url = quote(mount, safe="/" + _SAFE) + ("" if mount and path == "/" else path)
    if url.startswith("//"):  # from here on it would name another host (RFC 3986 section 4.2)
        url = f"/%2F{url[2:]}"
    return f"{url}?{query}" if query else url


def _segment(variable: Variable, text: str, name: str) -> str:
    if variable.kind == "path":
        fits, safe = bool(text), "/" + _SAFE
    else:
        fits, safe = "/" not in text and CONVERTERS[variable.kind](text) is not None, _SAFE
    if not fits:
        raise ValueError(f"the URL of {name!r}: {text!r} does not fit {variable.name!r}, {variable.kind}")
    return quote(text.replace(" ", "_") if variable.kind == "string" else text, safe=safe)
