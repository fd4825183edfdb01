"""One rule with its function, as one application knows it: all that can be settled before a request.

A route belongs to scopes, the application and the packages around it (`skitai.saddle.scope`).  What it
takes from them (hooks, fields of every answer) is settled anew whenever one of them changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from skitai.errors import HTTPError
from skitai.saddle.authorization import guard_of
from skitai.saddle.cors import CORS
from skitai.saddle.csrf import FIELD, check_csrf, csrf_mark
from skitai.saddle.forms import has_form, merged
from skitai.saddle.handlers import Handler, convert_typed, query_arguments
from skitai.saddle.hooks import Hooks
from skitai.saddle.rules import Variable, parse
from skitai.saddle.security import SecurityHeaders
from skitai.was import Services

if TYPE_CHECKING:
    from skitai.saddle.scope import Scope

__all__ = ["Around", "Definition", "Route"]


class Definition(NamedTuple):
    """What ``@route`` was told.  ``scopes``: outermost first; the rule is as the outermost sees it."""

    rule: str
    methods: tuple[str, ...]
    handler: Handler
    cors: CORS | None
    security: SecurityHeaders | None
    scopes: tuple[Scope, ...]

    def within(self, scope: Scope, prefix: str) -> Definition:
        """As ``scope`` sees it, where it stands below ``prefix``."""
        return self._replace(rule=prefix + self.rule, scopes=(scope, *self.scopes))


class Around(NamedTuple):
    """What stands around an answer.  ``scopes``: the outermost first; ``name``: who is named in errors."""

    hooks: Sequence[Hooks]
    scopes: tuple[Scope, ...]
    cors: CORS | None
    security: SecurityHeaders | None
    name: str
    is_async: bool


class Route:
    """``is_plain``: nothing but the function has a word about its answer."""

    __slots__ = (
        "_is_direct",
        "_variables",
        "around",
        "definition",
        "guard",
        "handler",
        "is_plain",
        "needs_csrf_token",
        "parts",
    )

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.handler = handler = definition.handler
        self.guard = guard_of(handler.function)
        self.parts = parse(definition.rule)
        self._variables = tuple(part.name for part in self.parts if isinstance(part, Variable))
        count = len(self._variables)
        #: The path alone has all that the function needs, in its order and as it takes it.
        self._is_direct = (
            handler.required.issubset(self._variables)
            and handler.parameters[:count] == self._variables
            and handler.positional >= count
            and all(_is_taken_as_it_is(part, handler) for part in self.parts)
        )
        self.settle()

    def settle(self) -> None:
        """Take over what the scopes say by now; the innermost is heard first."""
        definition, handler = self.definition, self.handler
        inner_first = definition.scopes[::-1]
        cors = definition.cors or next((scope.cors for scope in inner_first if scope.cors), None)
        security = definition.security or next(
            (scope.security for scope in inner_first if scope.security), None
        )
        hooks = tuple(scope.hooks for scope in definition.scopes if scope.hooks)
        self.around = Around(hooks, definition.scopes, cors, security, handler.name, handler.is_async)
        self.is_plain = not (hooks or cors or security or handler.is_async)
        marks = (csrf_mark(handler.function), *(scope.csrf for scope in inner_first))
        self.needs_csrf_token = next((mark for mark in marks if mark is not None), False)

    def call(self, services: Services, environ: dict[str, Any], values: tuple[Any, ...]) -> Any:
        """What the function gives for this request; ``values`` are those of the path's variables.

        Raises:
            HTTPError: 400, an argument does not fit, or the form is none; 413, it is too long; 403, it was
                forged.
        """
        if self.needs_csrf_token:
            if self.handler.is_async and has_form(environ):
                return self._call_behind_form(services, environ, values)
            check_csrf(services)
        query = environ.get("QUERY_STRING")
        if self._is_direct and not query and not environ.get("CONTENT_TYPE"):
            return self.handler.function(services, *values)
        if self.handler.is_async and self.handler.takes_any and has_form(environ):
            return self._call_behind_form(services, environ, values)
        arguments = self.handler.bind(self._sent(services, environ), self.variables(values))
        return self.handler.function(services, **arguments)

    def check_call(self, services: Services) -> None:
        """That who calls the function by another way than its path may do so.

        Raises:
            HTTPError: 401 and 403.
        """
        if self.guard is not None and self.guard.refusal(services.env) is not None:
            raise HTTPError(401, "User and password are needed.")
        if self.needs_csrf_token:
            check_csrf(services)

    async def _call_behind_form(
        self, services: Services, environ: dict[str, Any], values: tuple[Any, ...]
    ) -> Any:
        await services.request.form_in_turns()
        if self.needs_csrf_token:
            check_csrf(services)
        arguments = self.handler.bind(self._sent(services, environ), self.variables(values))
        return await self.handler.function(services, **arguments)

    def variables(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """The ``values`` of the path's variables by name."""
        return dict(zip(self._variables, values, strict=True))

    @property
    def has_one_path(self) -> bool:
        """There is no variable in its rule."""
        return not self._variables

    def _sent(self, services: Services, environ: dict[str, Any]) -> dict[str, Any]:
        """What query and form give by name.  A form is left to a function that takes no arguments."""
        query = environ.get("QUERY_STRING")
        sent = query_arguments(query) if query else {}
        if self.handler.takes_any and has_form(environ):
            sent = merged(sent, services.request.form())
        if self.needs_csrf_token:
            sent.pop(FIELD, None)
        convert_typed(sent)
        return sent


def _is_taken_as_it_is(part: str | Variable, handler: Handler) -> bool:
    """Whether the annotation makes nothing else of what the rule gives, as for ``<int:n>`` and ``n: int``."""
    if isinstance(part, str):
        return True
    convert = handler.converter(part.name)
    sample = {"int": 1, "float": 0.5}.get(part.kind)
    return convert is None or (sample is not None and convert(sample) is sample)
