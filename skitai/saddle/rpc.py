"""XML-RPC as the application sees it: which requests are calls, and how a call finds its arguments.

A procedure is a function of the application like any other: ``a.b`` is the one at ``/a/b``, and it is
called with the parameters of the call in the order of its own.  The XML is read and written by
`skitai.saddle.xmlrpc`, which is loaded with the first call: it brings `xmlrpc.client`, which
takes 2 MB and 30 ms, and most applications are never called so.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skitai.core.contenttype import parse_content_type
from skitai.errors import HTTPError
from skitai.limits import FormLimits
from skitai.saddle.coroutines import run_here
from skitai.saddle.handlers import convert_typed, query_arguments
from skitai.saddle.hooks import drive, run_within
from skitai.saddle.returns import discard
from skitai.saddle.route import Route
from skitai.saddle.rules import Rules
from skitai.was import Services

__all__ = [
    "INVALID_PARAMS",
    "METHOD_NOT_FOUND",
    "Procedures",
    "Refused",
    "answer_call",
    "is_call",
    "procedures_of",
]

# "Specification for Fault Code Interoperability", version 20010516.
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602

#: The mount point with and without its slash, and where `ServerProxy` asks if its address has no path.
_PATHS = frozenset({"", "/", "/RPC2"})
_MEDIA_TYPES = frozenset({"text/xml", "application/xml", "application/xmlrpc+xml"})


class Refused(Exception):
    """The call is answered with this fault."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Procedures:
    """The functions of an application, for who answers calls.

    Attributes:
        call: ``call(path, method, args)`` calls the function at ``path`` for this HTTP method with
            ``args`` in order, hooks around it, and gives its value.  Raises `Refused`, HTTPError, or
            whatever the function raises.
        functions: gives the functions by their paths, without those that have variables in them.
    """

    call: Callable[[str, str, Sequence[Any]], Any]
    functions: Callable[[], Mapping[str, Callable[..., Any]]]


def is_call(environ: Mapping[str, Any]) -> bool:
    """Whether this request is an XML-RPC call, by its method, path and type."""
    return (
        environ["REQUEST_METHOD"] == "POST"
        and environ.get("PATH_INFO", "") in _PATHS
        and parse_content_type(environ.get("CONTENT_TYPE", ""))[0] in _MEDIA_TYPES
    )


def answer_call(
    read_all: Callable[[int, str], bytes],
    environ: Mapping[str, Any],
    procedures: Procedures,
    limits: FormLimits,
    debug: bool,
) -> bytes:
    """The XML of the answer to the call that ``read_all(limit, its name)`` gives: a value or a fault.

    Raises:
        HTTPError: 413, 415 or 400: the body is too long, is compressed, or has not come.
    """
    module = importlib.import_module("skitai.saddle.xmlrpc")
    answer: bytes = module.answer(read_all, environ, procedures, limits, debug)
    return answer


def procedures_of(services: Services, rules: Rules[Route], routes: Iterable[Route]) -> Procedures:
    """The functions of an application as procedures, for one request."""

    def call(path: str, method: str, args: Sequence[Any]) -> Any:
        found = rules.find(path, method)
        if found is None:
            raise Refused(METHOD_NOT_FOUND, f"There is no method at {path}.")
        route, values = found
        route.check_call(services)
        services.route = route
        steps = run_within(route.around.hooks, services, lambda: _call(services, route, values, args))
        content = run_here(steps) if route.handler.is_async else drive(steps)
        error, services.response.error = services.response.error, None
        if error is not None:
            discard(content)
            raise HTTPError(*error)
        return content

    def functions() -> dict[str, Callable[..., Any]]:
        return {
            route.definition.rule: route.handler.function
            for route in routes
            if route.has_one_path and "POST" in route.definition.methods
        }

    return Procedures(call, functions)


def _call(services: Services, route: Route, values: tuple[Any, ...], args: Sequence[Any]) -> Any:
    handler = route.handler
    variables = route.variables(values)
    try:
        query = query_arguments(services.env.get("QUERY_STRING", ""))
        convert_typed(query)
        arguments = handler.bind(_by_name(handler.parameters, variables, query, args), variables)
    except HTTPError as error:
        raise Refused(INVALID_PARAMS, error.why) from None
    return handler.function(services, **arguments)


def _by_name(
    parameters: Iterable[str], variables: Mapping[str, Any], query: Mapping[str, Any], args: Sequence[Any]
) -> dict[str, Any]:
    """``args`` by the names of those ``parameters`` that are no variables of the path, and the ``query``."""
    names = [name for name in parameters if name not in variables]
    if len(args) > len(names):
        raise Refused(INVALID_PARAMS, f"{len(args)} parameters are given, where {len(names)} are taken.")
    given = dict(zip(names, args, strict=False))
    for name, value in query.items():
        if name in given:
            raise Refused(INVALID_PARAMS, f"{name!r} is given as a parameter and in the address.")
        given[name] = value
    return given
