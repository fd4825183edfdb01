"""A function of the application: what arguments it takes, and those of a request for it.

The signature is read once, when the function is given its route, so a request whose arguments do
not fit is refused with 400 before the call, and a TypeError out of the function stays what it is:
a fault of the application (500).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from skitai.errors import HTTPError

__all__ = ["Handler"]

#: Arguments of one query: more cost memory and time, and no form has them.
_ARGUMENTS_MAX = 1000

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Handler:
    """``function(was, ...)`` of one route; immutable."""

    __slots__ = ("_accepted", "_first", "_required", "_takes_all", "function", "name")

    def __init__(self, function: Callable[..., Any]) -> None:
        """Raises TypeError when ``function`` cannot be called as ``function(was, name=value)``."""
        self.function = function
        self.name = name = f"{getattr(function, '__qualname__', type(function).__name__)}()"
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters or parameters[0].kind not in _POSITIONAL:
            raise TypeError(f"{name} takes no first argument: a handler is called with was first")
        self._first = parameters[0].name
        by_name: dict[str, bool] = {}
        self._takes_all = False
        for parameter in parameters[1:]:
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                raise TypeError(f"{name}: {parameter.name!r} must be possible to give by its name")
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                self._takes_all = True
            elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
                by_name[parameter.name] = parameter.default is inspect.Parameter.empty
        self._accepted = frozenset(by_name)
        self._required = frozenset(name for name, is_required in by_name.items() if is_required)

    def accepts(self, name: str) -> bool:
        """Whether an argument of this name can be given."""
        return name in self._accepted or (self._takes_all and name != self._first)

    def arguments(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Keyword arguments of a request: the path's ``variables`` and those of ``query``.

        A name that is there several times gives a list; a path variable is never overridden.

        Raises:
            HTTPError: 400, naming the argument that is missing, unknown or too much.
        """
        given: dict[str, Any] = {}
        if query:
            for name, value in _parse(query):
                if name not in given:
                    given[name] = value
                elif isinstance(given[name], list):
                    given[name].append(value)
                else:
                    given[name] = [given[name], value]
        for name in given:
            if name in variables:
                raise HTTPError(400, f"The argument {name!r} is in the path already.")
            if not self.accepts(name):
                raise HTTPError(400, f"There is no argument {name!r} here.")
        # README's `def hello(was)` of `/hello/<name>` leaves a path variable out; a query may not.
        given.update((name, value) for name, value in variables.items() if self.accepts(name))
        missing = self._required - given.keys()
        if missing:
            names = ", ".join(repr(name) for name in sorted(missing))
            raise HTTPError(400, f"Missing: {names}.")
        return given


def _parse(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=_ARGUMENTS_MAX)
    except ValueError:
        raise HTTPError(400, f"There are more than {_ARGUMENTS_MAX} arguments.") from None
