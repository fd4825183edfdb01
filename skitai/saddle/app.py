"""The application object: a WSGI callable that finds the handler and words its response.

Under Skitai the services of the request are in ``environ["skitai.was"]``; under another server
they are made here.  Exceptions of a handler go out to the server, which logs them and knows
whether they may be shown (``app.debug``); only HTTPError is a response.

Threads: routes are added while the module is imported; requests come in any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from skitai import was
from skitai._constants import reason_phrase
from skitai.core.errorpages import error_answer
from skitai.core.redirects import quote_path
from skitai.errors import HTTPError
from skitai.saddle.authorization import BasicRealm
from skitai.saddle.handlers import Handler
from skitai.saddle.request import Request
from skitai.saddle.response import Closing, Response
from skitai.saddle.returns import body_of, discard
from skitai.saddle.rules import Rules

__all__ = ["Saddle"]

Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Function = TypeVar("Function", bound=Callable[..., Any])

#: The methods of a route that names none; HEAD and OPTIONS come by themselves.
_DEFAULT_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Saddle:
    """A web application.

    Args:
        import_name: ``__name__`` of the module it is made in.

    Attributes:
        debug: exceptions may be shown to the client, by a server that does so.
        use_reloader: the server looks for changed files before each request.
        realm, user, password: with a user or a password set, every request needs them by basic
            authorization; with one of the two missing, none is let in.
    """

    def __init__(self, import_name: str) -> None:
        self.import_name = import_name
        self.debug = False
        self.use_reloader = False
        self.realm = "Saddle"
        self.user = ""
        self.password = ""
        self._authorization = ""
        self._rules: Rules[Handler] = Rules()
        self._guard: tuple[tuple[str, str, str], BasicRealm] | None = None

    @property
    def authorization(self) -> str:
        """``"basic"``, or empty: then user and password decide whether there is any."""
        return self._authorization

    @authorization.setter
    def authorization(self, scheme: str) -> None:
        if scheme not in ("", "basic"):
            raise ValueError(
                f"authorization {scheme!r} is not in this version of Saddle; "
                f'use "basic", behind TLS, for it sends the password with each request'
            )
        self._authorization = scheme

    def route(self, rule: str, methods: Iterable[str] | None = None) -> Callable[[Function], Function]:
        """Have the decorated ``function(was, ...)`` answer at ``rule``; returns the function.

        Args:
            rule: below the mount, see `rules`: ``/``, ``/hello/<name>``, ``/add/<int:n>``.
            methods: None for GET, POST, PUT, PATCH and DELETE.

        Raises:
            ValueError: the rule is malformed or there already.
            TypeError: the function cannot be called with ``was`` and the arguments by name.
        """
        if isinstance(methods, str):
            methods = (methods,)
        names = _DEFAULT_METHODS if methods is None else tuple(method.upper() for method in methods)

        def decorate(function: Function) -> Function:
            self._rules.add(rule, names, Handler(function))
            return function

        return decorate

    # -- the server's side ------------------------------------------------------------------

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        refused = self.skitai_admit(environ)
        if refused is not None:
            status, headers, page = refused
            start_response(status, headers)
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [page]
        if "skitai.was" in environ:
            return self._answer(was.current(), environ, start_response)
        token = was.activate(environ, self)
        try:
            return self._answer(was.current(), environ, start_response)
        finally:
            was.deactivate(token)

    def skitai_admit(self, environ: dict[str, Any]) -> tuple[str, Headers, bytes] | None:
        """None, or the refusal (status line, fields, body) of a request without authorization.

        A server may ask before it reads the body; ``wsgi.input`` is not touched.  Quick and
        without I/O, so it may run in the server's loop.
        """
        if not (self.user or self.password or self._authorization):
            return None
        key = (self.realm, self.user, self.password)
        guard = self._guard
        if guard is None or guard[0] != key:
            self._guard = guard = (key, BasicRealm(*key))
        realm = guard[1]
        if self.user and self.password and realm.admits(environ.get("HTTP_AUTHORIZATION", "")):
            return None
        return _page(environ, 401, "User and password are needed.", [("WWW-Authenticate", realm.challenge)])

    # -- one request ------------------------------------------------------------------------

    def _answer(
        self, services: Any, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        services.app = self
        services.request = Request(environ)
        services.response = response = Response()
        try:
            body = self._respond(services, response, environ, start_response)
        except BaseException:
            response.close()
            raise
        if not response.is_awaited:
            return body
        if isinstance(body, list):
            response.close()
            return body
        return Closing(body, response)

    def _respond(
        self, services: Any, response: Response, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        is_head = environ["REQUEST_METHOD"] == "HEAD"
        try:
            body = self._call(services, environ)
        except HTTPError as error:
            response.clear()
            body = _apply_page(response, environ, error.status, error.why)
        if not response.has_body:
            for name in ("Content-Type", "Content-Length"):
                if name in response:
                    del response[name]
        else:
            if "Content-Type" not in response:
                response["Content-Type"] = "text/html; charset=utf-8"
            if isinstance(body, bytes) and "Content-Length" not in response:
                response["Content-Length"] = str(len(body))
        start_response(response.status, response.decide_head())
        if is_head or not response.has_body:
            discard(body)
            return []
        return [body] if isinstance(body, bytes) else body

    def _call(self, services: Any, environ: dict[str, Any]) -> bytes | Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        try:
            path = (environ.get("PATH_INFO") or "/").encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            raise HTTPError(400, "The path is not UTF-8.") from None
        found = self._rules.find(path, method)
        if found is not None and method == "HEAD" and method not in found.handlers:
            found = self._rules.find(path, "GET")
            method = "GET"
        if found is None:
            return self._redirect_slash(services.response, environ, path, method)
        handler = found.handlers.get(method)
        if handler is None:
            return _other_method(services.response, environ, method, found.handlers)
        arguments = handler.arguments(environ.get("QUERY_STRING", ""), found.variables)
        value = handler.function(services, **arguments)
        error = services.response.error
        if error is None:
            return body_of(value, services.response, environ, handler.name)
        discard(value)
        return _apply_page(services.response, environ, *error)

    def _redirect_slash(self, response: Response, environ: dict[str, Any], path: str, method: str) -> bytes:
        """The same path with or without a slash at its end, if that is a route."""
        other = path[:-1] if path.endswith("/") else f"{path}/"
        # Clients turn a redirected POST into a GET (RFC 9110 section 15.4.2), so only safe methods.
        if method not in ("GET", "HEAD") or self._rules.find(other, "GET") is None:
            raise HTTPError(404, "Nothing is routed to this path.")
        target = quote_path(environ.get("SCRIPT_NAME", "").encode("latin-1") + other.encode())
        query = environ.get("QUERY_STRING")
        # One slash at the beginning: two would name another host.
        response["Location"] = f"/{target.lstrip('/')}" + (f"?{query}" if query else "")
        response.set_status(301)
        return b""


def _other_method(
    response: Response, environ: dict[str, Any], method: str, handlers: dict[str, Handler]
) -> bytes:
    """204 for OPTIONS, else 405; both say what is possible (RFC 9110 sections 9.3.7 and 15.5.6)."""
    possible = {*handlers, "OPTIONS", *(["HEAD"] if "GET" in handlers else [])}
    allow = ", ".join(sorted(possible))
    if method == "OPTIONS":
        response.set_status(204)
        response["Allow"] = allow
        return b""
    body = _apply_page(response, environ, 405, f"{method} is not possible here.")
    response["Allow"] = allow
    return body


def _apply_page(response: Response, environ: dict[str, Any], status: int, why: str) -> bytes:
    line, headers, page = _page(environ, status, why, ())
    if not response.status.startswith(line[:3]):  # a phrase of the application's own stays
        response.set_status(line)
    for name, value in headers:
        response[name] = value
    return page


def _page(
    environ: dict[str, Any], status: int, why: str, extra: Iterable[tuple[str, str]]
) -> tuple[str, Headers, bytes]:
    answer = error_answer(status, why, accept=environ.get("HTTP_ACCEPT", ""), extra_headers=list(extra))
    return f"{status} {reason_phrase(status)}", answer.headers, answer.body
