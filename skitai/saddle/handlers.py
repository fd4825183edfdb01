"""A function of the application: what arguments it takes, and those of a request for it.

The signature is read once, when the function is given its route, so a request whose arguments do
not fit is refused with 400 before the call, and a TypeError out of the function stays what it is:
a fault of the application (500).
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from skitai.errors import HTTPError
from skitai.saddle.conversion import TYPED_NAMES, Converter, converter_of

__all__ = ["Handler", "convert_typed", "is_coroutine_function", "name_of", "query_arguments"]

_log = logging.getLogger(__name__)

#: Arguments of one query: more cost memory and time, and no form has them.
_ARGUMENTS_MAX = 1000

#: A text in a module whose annotations are all texts.
_TEXTS_MAX = 2

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Handler:
    """``function(was, ...)`` of one route; immutable.

    ``parameters``: their names behind ``was``, in order; the first ``positional`` of them need not be
    given by name.  ``required``: those without a default.  ``takes_any``: there are some, or ``**``.
    """

    __slots__ = (
        "_accepted",
        "_converters",
        "_first",
        "_takes_all",
        "function",
        "is_async",
        "name",
        "parameters",
        "positional",
        "required",
        "takes_any",
    )

    def __init__(self, function: Callable[..., Any]) -> None:
        """Raises TypeError when ``function`` cannot be called as ``function(was, name=value)``."""
        self.function = function
        self.name = name = name_of(function)
        self.is_async = is_coroutine_function(function)
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters or parameters[0].kind not in _POSITIONAL:
            raise TypeError(f"{name} takes no first argument: a handler is called with was first")
        self._first = parameters[0].name
        self._takes_all = False
        required: set[str] = set()
        names: list[str] = []
        self.positional = 0
        self._converters: dict[str, Converter] = {}
        for parameter in parameters[1:]:
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                raise TypeError(f"{name}: {parameter.name!r} must be possible to give by its name")
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                self._takes_all = True
            elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
                names.append(parameter.name)
                self.positional += parameter.kind in _POSITIONAL
                if parameter.default is inspect.Parameter.empty:
                    required.add(parameter.name)
                convert = converter_of(_annotation(parameter, function))
                if convert is not None:
                    self._converters[parameter.name] = convert
        self.parameters = tuple(names)
        self.takes_any = bool(names) or self._takes_all
        self.required = frozenset(required)
        self._accepted = frozenset(names)

    def accepts(self, name: str) -> bool:
        """Whether an argument of this name can be given."""
        return name in self._accepted or (self._takes_all and name != self._first)

    def converter(self, name: str) -> Converter | None:
        """What the annotation of an argument makes of a text."""
        return self._converters.get(name)

    def bind(self, sent: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        """Keyword arguments of a request: the path's ``variables``, and what was ``sent`` otherwise.

        Raises:
            HTTPError: 400, naming the argument that is missing, unknown, or of the wrong type.
        """
        for name in sent:
            if name in variables:
                raise HTTPError(400, f"The argument {name!r} is in the path already.")
            if name not in self._accepted and not self.accepts(name):
                raise HTTPError(400, f"There is no argument {name!r} here.")
        given = dict(sent)
        # README's `def hello(was)` of `/hello/<name>` leaves a path variable out; a query may not.
        for name, value in variables.items():
            if self.accepts(name):
                given[name] = value
        if not given.keys() >= self.required:
            missing = self.required - given.keys()
            names = ", ".join(repr(name) for name in sorted(missing))
            raise HTTPError(400, f"Missing: {names}.")
        for name, convert in self._converters.items():
            if name in given:
                try:
                    given[name] = convert(given[name])
                except ValueError as error:
                    raise HTTPError(400, f"The argument {name!r} {error}.") from None
        return given


def query_arguments(query: str) -> dict[str, Any]:
    """The arguments of a query (WHATWG URL, section 5.1): several of one name are a list.

    Raises:
        HTTPError: 400, if there are too many.
    """
    if query.count("&") >= _ARGUMENTS_MAX:
        raise HTTPError(400, f"There are more than {_ARGUMENTS_MAX} arguments.")
    given: dict[str, Any] = {}
    for name, value in _fields(query):
        if name not in given:
            given[name] = value
        elif isinstance(given[name], list):
            given[name].append(value)
        else:
            given[name] = [given[name], value]
    return given


def convert_typed(given: dict[str, Any]) -> None:
    """Have ``{"int:n": "3"}`` say ``{"n": 3}``, where ``n`` is not there itself.

    Raises:
        HTTPError: 400, a value does not fit the type that its name carries.
    """
    for typed in [name for name in given if ":" in name]:
        kind, _, name = typed.partition(":")
        if kind in TYPED_NAMES and name not in given:
            given[name] = _typed(name, given.pop(typed), TYPED_NAMES[kind])


def _fields(query: str) -> Iterator[tuple[str, str]]:
    if not query.isascii():  # sent as it is, which no client should; PEP 3333 gives bytes as latin-1
        query = query.encode("latin-1").decode("utf-8", "replace")
    is_quoted = "%" in query or "+" in query
    for field in query.split("&"):
        if field:
            name, _, value = field.partition("=")
            yield (unquote_plus(name), unquote_plus(value)) if is_quoted else (name, value)


def _typed(name: str, value: Any, convert: Callable[[str], Any]) -> Any:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in values):
        raise HTTPError(400, f"The argument {name!r} is a file.")
    try:
        return [convert(item) for item in values] if isinstance(value, list) else convert(value)
    except ValueError as error:
        raise HTTPError(400, f"The argument {name!r} {error}.") from None


def name_of(function: Callable[..., Any]) -> str:
    """As it is named in errors."""
    return f"{getattr(function, '__qualname__', type(function).__name__)}()"


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Whether what it gives must be awaited: also of partials, and of objects that are called."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004
    )


def _annotation(parameter: inspect.Parameter, function: Callable[..., Any]) -> Any:
    """One that is a text (PEP 563) stands for what it names; None, and a warning, where that is not there.

    One by one, because one that is only imported for the type checker must not hide the others.
    """
    annotation = parameter.annotation
    try:
        for _ in range(_TEXTS_MAX):
            if isinstance(annotation, str):
                annotation = eval(annotation, getattr(inspect.unwrap(function), "__globals__", {}))
    except Exception as error:
        _log.warning(
            "%s: the annotation %s of the argument %r cannot be read (%s: %s), so nothing is converted; "
            "what it names must be there when the route is made, not only for the type checker",
            name_of(function),
            annotation,
            parameter.name,
            type(error).__name__,
            error,
        )
        return None
    return annotation
