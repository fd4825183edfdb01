"""What an application and a package have in common: routes, hooks, error handlers, packages.

Everything is told upwards: a package tells whoever it was added to, the application at the top keeps
what it is told.  So the order in which things are defined, and packages added, does not matter.

Threads: while modules are imported, by one thread.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, TypeVar

from skitai.errors import HTTPError
from skitai.saddle.authorization import Guard
from skitai.saddle.cors import CORS
from skitai.saddle.csrf import csrf_exempt, csrf_protect
from skitai.saddle.handlers import Handler, is_coroutine_function, name_of
from skitai.saddle.hooks import Hooks
from skitai.saddle.route import Definition
from skitai.saddle.security import SecurityHeaders

__all__ = ["Scope"]

Function = TypeVar("Function", bound=Callable[..., Any])
ErrorHandler = Callable[[Any, Any], Any]

#: The methods of a route that names none; HEAD and OPTIONS come by themselves.
_DEFAULT_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Scope:
    """``name``: of the module, by whose last part URLs are built."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.hooks = Hooks()
        self._definitions: list[Definition] = []
        self._packages: list[Scope] = []
        #: To whom this was added, and below which prefix.
        self._places: list[tuple[Scope, str]] = []
        self._cors: CORS | None = None
        self._security: SecurityHeaders | None = None
        self._csrf: bool | None = None
        self._error_handlers: dict[int | type[BaseException], ErrorHandler] = {}
        self._startup: list[Callable[..., Any]] = []
        self._onreload: list[Callable[..., Any]] = []
        self._shutdown: list[Callable[..., Any]] = []

    # -- routes -----------------------------------------------------------------------------

    def route(
        self,
        rule: str,
        methods: str | Iterable[str] | None = None,
        *,
        cors: CORS | None = None,
        security: SecurityHeaders | None = None,
        authorization: Guard | None = None,
    ) -> Callable[[Function], Function]:
        """Have the decorated ``function(was, ...)`` answer at ``rule``; returns the function.

        Args:
            rule: below the mount, see `rules`: ``/``, ``/hello/<name>``, ``/add/<int:n>``.
            methods: None for GET, POST, PUT, PATCH and DELETE.
            cors, security: instead of those of the application or package.
            authorization: who may come in here, besides what the application asks for; see `authorized`.

        Raises:
            ValueError: the rule is malformed or there already.
            TypeError: the function cannot be called with ``was`` and the arguments by name.
        """
        if isinstance(methods, str):
            methods = (methods,)
        names = _DEFAULT_METHODS if methods is None else tuple(method.upper() for method in methods)

        def decorate(function: Function) -> Function:
            if authorization is not None:
                authorization(function)
            self._take(Definition(rule, names, Handler(function), cors, security, (self,)))
            return function

        return decorate

    def add_package(
        self, module: ModuleType | Scope, attribute: str = "package", *, prefix: str | None = None
    ) -> None:
        """Take in the package that ``module`` has as ``attribute``.

        Args:
            prefix: below which its rules stand, instead of the package's own.

        Raises:
            TypeError: there is no package.
            ValueError: the prefix is malformed, or one of the rules is there already.
        """
        package = module if isinstance(module, Scope) else getattr(module, attribute, None)
        if not isinstance(package, Scope) or not isinstance(package.prefix, str):
            raise TypeError(f"{module!r} has no Package named {attribute!r}")
        if self in package.within():
            raise ValueError(f"the package {package.name!r} is added to itself")
        if isinstance(module, ModuleType):
            package.name = package.name or module.__name__
        place = package.prefix if prefix is None else checked_prefix(prefix)
        package._places.append((self, place))
        self._packages.append(package)
        for definition in package._definitions:
            self._take(definition.within(self, place))
        self._changed()

    #: Below which the rules stand where this is added; only a package has one.
    prefix: str | None = None

    def within(self) -> list[Scope]:
        """This, and all packages inside."""
        return [self, *(scope for package in self._packages for scope in package.within())]

    def _take(self, definition: Definition) -> None:
        self._definitions.append(definition)
        for scope, prefix in self._places:
            scope._take(definition.within(scope, prefix))

    def _changed(self) -> None:
        """What routes take from their scopes is another."""
        for scope, _ in self._places:
            scope._changed()

    @property
    def cors(self) -> CORS | None:
        """Which pages of other origins may ask here; routes and packages may have their own."""
        return self._cors

    @cors.setter
    def cors(self, cors: CORS | None) -> None:
        self._cors = cors
        self._changed()

    @property
    def security(self) -> SecurityHeaders | None:
        """Fields that guard the pages here; routes and packages may have their own."""
        return self._security

    @security.setter
    def security(self, security: SecurityHeaders | None) -> None:
        self._security = security
        self._changed()

    @property
    def csrf(self) -> bool | None:
        """Every POST, PUT, PATCH and DELETE here needs a token; None: as what is around this."""
        return self._csrf

    @csrf.setter
    def csrf(self, csrf: bool | None) -> None:
        self._csrf = csrf
        self._changed()

    csrf_protect = staticmethod(csrf_protect)
    csrf_exempt = staticmethod(csrf_exempt)

    # -- around the functions -----------------------------------------------------------------

    def before_request(self, function: Function) -> Function:
        """``function(was)`` before each request; if it gives something true, that is the answer."""
        return self._hook(self.hooks.before, function)

    def after_request(self, function: Function) -> Function:
        """``function(was)`` when the request's function has returned."""
        return self._hook(self.hooks.after, function)

    def failed_request(self, function: Function) -> Function:
        """``function(was)`` when it has raised."""
        return self._hook(self.hooks.failed, function)

    def teardown_request(self, function: Function) -> Function:
        """``function(was)`` at the end of each request, whatever happened."""
        return self._hook(self.hooks.teardown, function)

    def _hook(self, hooks: list[Callable[[Any], Any]], function: Function) -> Function:
        hooks.append(function)
        self._changed()
        return function

    def errorhandler(self, what: int | type[BaseException]) -> Callable[[Function], Function]:
        """Have ``function(was, error)`` answer where ``what`` has happened.

        Args:
            what: a class of exceptions, or a status from 400 to 599: of `HTTPError`, of
                ``was.response.send_error``, and 500 of every exception that nobody else handles.

        Raises:
            ValueError: it is neither.
        """
        is_class = isinstance(what, type) and issubclass(what, BaseException)
        if not is_class and what not in range(400, 600):
            raise ValueError(f"{what!r} is neither a status of an error (400 to 599) nor an exception class")

        def decorate(function: Function) -> Function:
            self._error_handlers[what] = function
            return function

        return decorate

    def error_handler(self, error: BaseException) -> ErrorHandler | None:
        """Who was named for ``error``: by its status, else by its class or the nearest above it."""
        keys: list[Any] = [error.status] if isinstance(error, HTTPError) else []
        keys += type(error).__mro__
        if isinstance(error, Exception) and not isinstance(error, HTTPError):
            keys.append(500)
        return next((self._error_handlers[key] for key in keys if key in self._error_handlers), None)

    # -- life ---------------------------------------------------------------------------------

    def startup(self, function: Function) -> Function:
        """``function(wasc, app)``, or ``function(wasc)``, when the server begins to serve the application."""
        return _lifecycle(self._startup, function)

    def onreload(self, function: Function) -> Function:
        """The same when changed files were loaded anew."""
        return _lifecycle(self._onreload, function)

    def shutdown(self, function: Function) -> Function:
        """The same when the server stops, and no request is under way any more."""
        return _lifecycle(self._shutdown, function)


def _lifecycle(functions: list[Callable[..., Any]], function: Function) -> Function:
    if is_coroutine_function(function):
        raise TypeError(f"{name_of(function)} is async; there is no loop to run it before and after requests")
    try:
        inspect.signature(function).bind(None, None)
        functions.append(function)
    except TypeError:
        inspect.signature(function).bind(None)
        functions.append(lambda wasc, app: function(wasc))
    return function


def checked_prefix(prefix: str) -> str:
    """``prefix`` without a slash at its end.  Raises ValueError if it does not begin with one."""
    if prefix and not prefix.startswith("/"):
        raise ValueError(f"the prefix {prefix!r} does not begin with a slash")
    return prefix.rstrip("/")
