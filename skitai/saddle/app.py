"""The application object: a WSGI callable that finds the function and words its answer.

Under Skitai the services of the request are in ``environ["skitai.was"]``; under another server
they are made here.  There are two ways to an answer: that of a plain function that returns text, which
makes nothing that nobody asked for; and that of everything else (`Saddle._respond`), a coroutine that only
waits where the function is ``async def``.  Exceptions that nobody handles go out to the server, which
logs them.

Threads: routes are added while the module is imported; requests come in any thread.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from skitai import was
from skitai._lazy import LazyModule
from skitai.core.redirects import quote_path
from skitai.errors import ClientDisconnected, HTTPError, OutsideRequest
from skitai.limits import FormLimits
from skitai.saddle.answering import Body, apply_page, begin, body_from, error_page, finish, log, quick_answer
from skitai.saddle.authorization import AuthorizationSettings, Guard, Refusal
from skitai.saddle.cookies import Cookies
from skitai.saddle.coroutines import drop, run_here
from skitai.saddle.csrf import csrf_input, csrf_token
from skitai.saddle.debugpage import detail_of
from skitai.saddle.forms import early_refusal
from skitai.saddle.handlers import is_coroutine_function
from skitai.saddle.hooks import drive, must_be_awaited, run_within
from skitai.saddle.messages import MessageBox
from skitai.saddle.request import Request
from skitai.saddle.response import Response
from skitai.saddle.route import Around, Definition, Route
from skitai.saddle.rpc import answer_call, is_call, procedures_of
from skitai.saddle.rules import Rules
from skitai.saddle.scope import Scope
from skitai.saddle.sessions import SessionSettings
from skitai.saddle.temp import Temp
from skitai.saddle.templates import TemplateSettings
from skitai.saddle.urls import Names

if TYPE_CHECKING:
    from skitai.saddle import testclient
else:
    testclient = LazyModule("skitai.saddle.testclient")

__all__ = ["Saddle"]

Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]

#: Attributes whose values are masked on debug pages.
_SECRETS = ("password", "securekey", "users")

_CURRENT = was.BINDING.variable


class _MethodNotAllowed(HTTPError):
    def __init__(self, method: str, allow: str) -> None:
        super().__init__(405, f"{method} is not possible here.")
        self.allow = allow


class Saddle(AuthorizationSettings, SessionSettings, TemplateSettings, Scope):
    """A web application.

    Args:
        import_name: ``__name__`` of the module it is made in.

    Attributes:
        debug: clients are shown exceptions, with source lines and locals.
        use_reloader: the server looks for changed files before each request.
        limits: of forms, uploads and other bodies: ``app.limits.upload_max = 1 << 30``.
    """

    #: Nothing here is kept for a thread: handlers that wait are parked (docs/waiting.md).
    skitai_parks = True
    #: What makes ``was.NAME`` of the services of a request, when it is first asked for.
    skitai_services: ClassVar[dict[str, Callable[[was.Services], Any]]] = {
        "ab": lambda services: services.app.build_url,
        "cookie": lambda services: Cookies(services.env, services.response),
        "csrf_token": lambda services: csrf_token(services.session),
        "csrf_token_input": lambda services: csrf_input(services.csrf_token),
        "flash": lambda services: services.mbox,
        "mbox": lambda services: MessageBox(services.session),
        "redirect": lambda services: functools.partial(_redirect, services.response),
        "render": lambda services: services.app.renderer_of(services),
        "request": lambda services: Request(services.env, services),
        "response": lambda services: Response(),
        "session": lambda services: services.app.session_of(services),
        "temp": lambda services: Temp(),
    }

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name)
        self.import_name = import_name
        self.debug = False
        self.use_reloader = False
        self.limits = FormLimits()
        self._has_guarded_routes = False
        self._routes: list[Route] = []
        self._rules: Rules[Route] = Rules()
        self._names = Names()

    @property
    def upload_file_max_size(self) -> int:
        """``limits.upload_file_max``, under its name of 0.11."""
        return self.limits.upload_file_max

    @upload_file_max_size.setter
    def upload_file_max_size(self, size: int) -> None:
        self.limits.upload_file_max = size

    def build_url(self, name: str, /, *args: Any, **keywords: Any) -> str:
        """The URL of the function ``name``, with the mount of the request that is being answered.

        Args:
            name: of a function; ``package.function`` where several have that name; or a path, which
                begins with a slash and is put behind the mount as it is.
            args, keywords: values of its arguments.

        Raises:
            LookupError: there is no such function.
            TypeError, ValueError: an argument is too much, missing in the path, or does not fit.
        """
        mount = ""
        scope: Scope = self
        try:
            services = was.current()
        except OutsideRequest:
            services = None
        if services is not None and services.app is self:
            mount = services.env.get("SCRIPT_NAME", "").encode("latin-1").decode("utf-8", "replace")
            route = getattr(services, "route", None)
            if route is not None:
                scope = route.definition.scopes[-1]
        if name.startswith("/"):
            return quote(mount) + name
        return self._names.build(name, args, keywords, mount, scope)

    def test_client(
        self, base_url: str = "http://localhost", mount: str = "", *, raise_exceptions: bool = True
    ) -> testclient.TestClient:
        """A client that calls the application without a server: see `skitai.saddle.testclient`."""
        return testclient.TestClient(self, base_url, mount, raise_exceptions=raise_exceptions)

    # -- told by its packages and itself -----------------------------------------------------

    def _take(self, definition: Definition) -> None:
        super()._take(definition)
        route = Route(definition)
        self._has_guarded_routes |= route.guard is not None
        self._rules.add(definition.rule, definition.methods, route)
        self._routes.append(route)
        self._names.add(route)

    def _changed(self) -> None:
        for route in self._routes:
            route.settle()

    # -- the server's side ------------------------------------------------------------------

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Any:
        admit = self.skitai_admit
        if admit is not None:
            refused = admit(environ)
            if refused is not None:
                status, headers, page = refused
                start_response(status, headers)
                return [] if environ["REQUEST_METHOD"] == "HEAD" else [page]
        if "skitai.was" in environ:
            services = was.current()
            # Otherwise it is the second application that answers this request: see below.
            if not services.__dict__:
                services.app = self
                return self._answer(services, environ, start_response)
        services = was.Services(environ, self)
        token = _CURRENT.set(services)
        try:
            return self._answer(services, environ, start_response)
        finally:
            _CURRENT.reset(token)

    @property
    def skitai_admit(self) -> Callable[[dict[str, Any]], Refusal | None] | None:
        """None where all are let in, so that a server need not ask.  Else gives None, or the refusal
        (status line, fields, body) of a request without authorization.

        A server may ask before it reads the body; ``wsgi.input`` is not touched.  Quick and
        without I/O, so it may run in the server's loop.
        """
        return self._refusal if self._is_guarded or self._has_guarded_routes else None

    def _refusal(self, environ: dict[str, Any]) -> Refusal | None:
        guard = self.guard
        refused = None if guard is None else guard.refusal(environ)
        if refused is not None and self._preflighted(environ) is not None:
            return None  # browsers ask before they send a password
        if refused is not None or not self._has_guarded_routes:
            return refused
        guard = self._guard_of_route(environ)
        return None if guard is None else guard.refusal(environ)

    def _guard_of_route(self, environ: dict[str, Any]) -> Guard | None:
        path = (environ.get("PATH_INFO") or "/").encode("latin-1").decode("utf-8", "replace")
        found = self._rules.find(path, environ["REQUEST_METHOD"])
        if found is None and environ["REQUEST_METHOD"] == "HEAD":
            found = self._rules.find(path, "GET")
        return None if found is None else found[0].guard

    def skitai_admit_body(self, environ: dict[str, Any]) -> tuple[str, Headers, bytes] | None:
        """The same for a request with a long body that has not come yet: of a form that is too long."""
        error = early_refusal(environ, self.limits)
        return None if error is None else error_page(environ, error.status, error.why, ())

    def skitai_started(self) -> None:
        """The server begins to serve: in its main thread, before the first request."""
        self._tell([function for scope in self.within() for function in scope._startup])

    def skitai_reloaded(self, former: object) -> None:
        """This has taken the place of ``former``: in a request's thread, while the others wait."""
        self._tell([function for scope in self.within() for function in scope._onreload])

    def skitai_stopped(self) -> None:
        """The server stops: in its main thread, behind the last request."""
        self._tell([function for scope in self.within()[::-1] for function in scope._shutdown])

    def _tell(self, functions: list[Callable[..., Any]]) -> None:
        """All of them, whatever one raises; the first exception goes on."""
        first: BaseException | None = None
        for function in functions:
            try:
                function(was.SHARED, self)
            except BaseException as error:
                first = first or error
        if first is not None:
            raise first

    # -- one request ------------------------------------------------------------------------

    def _answer(self, services: was.Services, environ: dict[str, Any], start_response: StartResponse) -> Any:
        if self._sealer is not None:
            self.renew_session(services)
        if environ["REQUEST_METHOD"] == "POST" and is_call(environ):
            around, produce = self._nowhere(), functools.partial(self._answer_call, services, environ)
            return drive(self._respond(services, environ, start_response, around, produce))
        path = environ.get("PATH_INFO") or "/"
        found = self._rules.find(path, environ["REQUEST_METHOD"]) if path.isascii() else None
        if found is None or not found[0].is_plain:
            return self._answer_fully(services, environ, start_response)
        route, values = found
        services.route = route
        try:
            content = route.call(services, environ, values)
        except BaseException as error:  # SystemExit too: who waits for the end of the request is to be told
            produce = functools.partial(_raise, [error])
        else:
            made = services.__dict__
            if "response" not in made and "temp" not in made:
                quick = quick_answer(content)
                if quick is not None:
                    headers, body = quick
                    start_response("200 OK", headers)
                    return [body]
            produce = functools.partial(_give, content)
        around = route.around
        return drive(self._respond(services, environ, start_response, around, produce))

    def _answer_fully(
        self, services: was.Services, environ: dict[str, Any], start_response: StartResponse
    ) -> Any:
        around, produce = self._find(services, environ)
        steps = self._respond(services, environ, start_response, around, produce)
        if not around.is_async:
            return drive(steps)
        if "skitai.was" in environ:
            return _activated(services, steps)
        return run_here(steps)

    def _find(self, services: was.Services, environ: dict[str, Any]) -> tuple[Around, Callable[[], Any]]:
        """What stands around the answer, and what gives it."""
        method = environ["REQUEST_METHOD"]
        try:
            path = (environ.get("PATH_INFO") or "/").encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            return self._nowhere(), functools.partial(_raise, [HTTPError(400, "The path is not UTF-8.")])
        found = self._rules.find(path, method)
        if found is None and method == "HEAD":
            found = self._rules.find(path, "GET")
        if found is not None:
            route, values = found
            services.route = route
            return route.around, functools.partial(route.call, services, environ, values)
        asked = self._preflighted(environ)
        if asked is not None:
            produce = functools.partial(self._preflight, services, environ, path, asked)
            # Without hooks: a preflight never carries what would let it in.
            return asked._replace(hooks=(), is_async=False), produce
        return self._nowhere(), functools.partial(self._answer_nothing, services, environ, path, method)

    def _nowhere(self) -> Around:
        """What stands around an answer where there is no function."""
        is_async = any(map(is_coroutine_function, self._error_handlers.values()))
        return Around((), (self,), self.cors, self.security, self.import_name, is_async)

    def _answer_call(self, services: was.Services, environ: dict[str, Any]) -> bytes:
        """By XML-RPC; the hooks run around each function that is called."""
        procedures = procedures_of(services, self._rules, self._routes)
        response: Response = services.response
        try:
            answer = answer_call(services.request.read_all, environ, procedures, self.limits, self.debug)
        except HTTPError as error:
            return apply_page(response, environ, error.status, error.why)
        response.set_status(200)
        response["Content-Type"] = "text/xml; charset=utf-8"
        return answer

    async def _respond(
        self,
        services: was.Services,
        environ: dict[str, Any],
        start_response: StartResponse,
        around: Around,
        produce: Callable[[], Any],
    ) -> Any:
        response: Response = services.response
        try:
            try:
                content = await run_within(around.hooks, services, produce)
                if response.error is not None:
                    await drop(content)
                    body = await self._body_of_error(
                        services, environ, around, HTTPError(*response.error), was_asked=True
                    )
                else:
                    body = body_from(content, response, environ, around.name)
            except Exception as error:
                body = await self._body_of_error(services, environ, around, error)
                if body is None:
                    raise
            is_sent = False
            try:
                is_sent = begin(response, environ, start_response, around, body)
            finally:
                if not is_sent:
                    await drop(body)
            return finish(response, body if is_sent else [])
        except BaseException:
            response.close()
            raise

    async def _body_of_error(
        self,
        services: was.Services,
        environ: dict[str, Any],
        around: Around,
        error: Exception,
        *,
        was_asked: bool = False,
    ) -> Body:
        """What ``error`` looks like to the client; None if the server is to decide.

        ``was_asked``: by ``send_error``, behind fields that are meant for it.
        """
        if isinstance(error, ClientDisconnected):
            return None  # nobody is left to be answered
        response: Response = services.response
        if not was_asked:
            response.clear()
            response.set_status(error.status if isinstance(error, HTTPError) else 500)
        if isinstance(error, _MethodNotAllowed):
            response["Allow"] = error.allow
        handlers = (scope.error_handler(error) for scope in reversed(around.scopes))
        handler = next((handler for handler in handlers if handler is not None), None)
        if handler is not None:
            response.error = None
            content = handler(services, error)
            if must_be_awaited(content):
                content = await content
            if not isinstance(error, HTTPError) and response.status >= "500":
                log(environ, error)
            return body_from(content, response, environ, "an error handler")
        if isinstance(error, HTTPError):
            return apply_page(response, environ, error.status, error.why)
        if self.debug:
            log(environ, error)
            secrets = _texts([getattr(self, name, "") for name in _SECRETS])
            detail = detail_of(error, secrets)
            return apply_page(response, environ, 500, "The application failed.", detail)
        return None

    def _preflighted(self, environ: dict[str, Any]) -> Around | None:
        """What a browser asks about before a page of another origin gets it; None if this asks for no such
        thing, or there is nothing that pages of other origins may have."""
        wanted = environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD")
        if environ["REQUEST_METHOD"] != "OPTIONS" or not wanted:
            return None
        path = (environ.get("PATH_INFO") or "/").encode("latin-1").decode("utf-8", "replace")
        asked = None if self._rules.find(path, "OPTIONS") else self._rules.find(path, wanted)
        return asked[0].around if asked is not None and asked[0].around.cors is not None else None

    def _preflight(self, services: was.Services, environ: dict[str, Any], path: str, asked: Around) -> str:
        assert asked.cors is not None
        services.response.set_status(204)
        asked.cors.answer_preflight(environ, services.response, self._rules.methods_at(path))
        return ""

    def _answer_nothing(self, services: was.Services, environ: dict[str, Any], path: str, method: str) -> str:
        """Where there is no function: what is possible instead, or where to."""
        response: Response = services.response
        possible = self._rules.methods_at(path)
        if possible:
            # RFC 9110 sections 9.3.7 and 15.5.6.
            possible |= {"OPTIONS", "HEAD"} if "GET" in possible else {"OPTIONS"}
            allow = ", ".join(sorted(possible))
            if method != "OPTIONS":
                raise _MethodNotAllowed(method, allow)
            response.set_status(204)
            response["Allow"] = allow
            return ""
        other = path[:-1] if path.endswith("/") else f"{path}/"
        # Clients turn a redirected POST into a GET (RFC 9110 section 15.4.2), so only safe methods.
        if method not in ("GET", "HEAD") or self._rules.find(other, "GET") is None:
            raise HTTPError(404, "Nothing is routed to this path.")
        target = quote_path(environ.get("SCRIPT_NAME", "").encode("latin-1") + other.encode())
        query = environ.get("QUERY_STRING")
        # One slash at the beginning: two would name another host.
        response["Location"] = f"/{target.lstrip('/')}" + (f"?{query}" if query else "")
        response.set_status(301)
        return ""


was.SHARED.reserve(Saddle.skitai_services)


def _redirect(response: Response, url: str, status: int = 302) -> str:
    """Send the client to ``url``: return what this gives.  303 has it come by GET, 307 as it came."""
    if status not in (301, 302, 303, 307, 308):
        raise ValueError(f"{status!r} is no redirect: 301, 302, 303, 307 and 308 are")
    response.set_status(status)
    # What no URL has is quoted, line ends among it.
    response["Location"] = quote(url, safe="%/:=&?~#+!$,;'@()*[]")
    return ""


def _give(content: Any) -> Any:
    return content


def _raise(errors: list[BaseException]) -> Any:
    # Taken out of the list: else the frames in its traceback would keep it, and it them.
    raise errors.pop()


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []


async def _activated(services: was.Services, steps: Any) -> Any:
    """The task's context is a copy: `skitai.was` means this request there, and nowhere else."""
    _CURRENT.set(services)
    return await steps
