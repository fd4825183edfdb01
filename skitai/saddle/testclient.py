"""A client for tests: calls an application in this process, without a socket or a server.

    with app.test_client() as client:
        response = client.post("/login", data={"user": "hans"}, follow_redirects=True)
        assert response.status_code == 200
        with client.websocket("/echo") as ws:
            ws.send("hi")
            assert ws.receive() == "ECHO:hi"

It calls by PEP 3333 and no other way, under the validator of the standard library, so that what
breaks the rules of WSGI breaks the test.  Cookies are kept as a browser keeps them.  What a handler
raises comes out of the call, unless the client was made with ``raise_exceptions=False``.

Of one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from email.message import Message
from http.cookiejar import Cookie, CookieJar
from types import TracebackType
from typing import Any, Final, cast
from urllib.parse import quote, urlencode, urljoin, urlsplit
from urllib.request import Request as UrllibRequest
from wsgiref.headers import Headers
from wsgiref.validate import validator

from skitai.saddle.cookies import read_cookies
from skitai.saddle.testrequest import Fields, body_of, credentials_for, environ_of, pairs_of, target_of
from skitai.saddle.testresponse import Body, TestResponse
from skitai.saddle.testsockets import (
    Handshake,
    TestWebSocket,
    WebSocketClosed,
    WebSocketRefused,
    handshake_fields,
    open_socket,
)

__all__ = ["TestClient", "TestResponse", "TestWebSocket", "WebSocketClosed", "WebSocketRefused"]

_REDIRECTS_MAX: Final = 20

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class TestClient:
    """A browser without a screen for one application.

    Attributes:
        cookies: the jar of `http.cookiejar`; see also `cookie` and `set_cookie`.
    """

    __test__ = False

    def __init__(
        self,
        application: Application,
        base_url: str = "http://localhost",
        mount: str = "",
        *,
        raise_exceptions: bool = True,
    ) -> None:
        """
        Args:
            base_url: scheme and host; ``https://localhost`` for what needs TLS.
            mount: SCRIPT_NAME; paths that are asked for begin with it.
            raise_exceptions: False gives a 500 where the application raises.
        """
        self.cookies = CookieJar()
        self._application = application
        self._base_url = base_url
        self._mount = mount
        self._raises = raise_exceptions
        self._open = ExitStack()

    def __enter__(self) -> TestClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes streamed responses and WebSockets that are still open."""
        self._open.__exit__(kind, error, trace)

    def cookie(self, name: str) -> str | None:
        """The value of a cookie as the application will read it; None if there is none."""
        values = (cookie.value or "" for cookie in self.cookies if cookie.name == name)
        return next((read_cookies(f"{name}={value}")[name] for value in values), None)

    def set_cookie(self, name: str, value: str) -> None:
        """Have a cookie as if the application had set it for all its paths."""
        host = urlsplit(self._base_url).hostname or ""
        domain = host if "." in host else f"{host}.local"  # as the jar names hosts without a dot
        self.cookies.set_cookie(
            Cookie(
                0,
                name,
                quote(value),
                None,
                False,
                domain,
                False,
                False,
                "/",
                True,
                False,
                None,
                True,
                None,
                None,
                {},
            )
        )

    def get(self, path: str, **options: Any) -> TestResponse:
        """GET; options as in `request`."""
        return self.request("GET", path, **options)

    def head(self, path: str, **options: Any) -> TestResponse:
        """HEAD; options as in `request`."""
        return self.request("HEAD", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        """POST; options as in `request`."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> TestResponse:
        """PUT; options as in `request`."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        """PATCH; options as in `request`."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        """DELETE; options as in `request`."""
        return self.request("DELETE", path, **options)

    def options(self, path: str, **options: Any) -> TestResponse:
        """OPTIONS; options as in `request`."""
        return self.request("OPTIONS", path, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Fields | None = None,
        data: str | bytes | Fields | Any = None,
        json: Any = None,
        files: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        follow_redirects: bool = False,
        stream: bool = False,
    ) -> TestResponse:
        """Ask for ``path``.

        Args:
            params: added to the query.
            data: fields of a form, or a body: text, bytes, or a file open for reading.
            json: a value to send as JSON.
            files: fields of an upload: bytes, an open file, or ``(name, content[, type])``.
            auth: user and password; digest if the application asks for that, else basic.
            cookies: for this request only, besides those that are kept.
            stream: do not read the body; `close` it, or leave the ``with`` of the client.

        Raises:
            AssertionError: the application breaks a rule of WSGI.
            Exception: what the application raises.
        """
        url = self._url_of(path, params)
        body, kind = body_of(data, json, files)
        fields = dict(headers or {})
        if kind and "content-type" not in {name.lower() for name in fields}:
            fields["Content-Type"] = kind
        history: list[TestResponse] = []
        while True:
            response = self._authorized(method, url, fields, body, auth, cookies or {}, stream)
            location = response.headers.get("Location")
            if not (follow_redirects and location and response.status_code in (301, 302, 303, 307, 308)):
                response.history = history
                return response
            if len(history) == _REDIRECTS_MAX:
                raise AssertionError(f"more than {_REDIRECTS_MAX} redirects, the last one to {location}")
            response.close()
            history.append(response)
            url = urljoin(url, location)
            if urlsplit(url).netloc != urlsplit(self._base_url).netloc:
                raise AssertionError(f"{response!r} redirects to another host: {location}")
            if response.status_code == 303 or (response.status_code in (301, 302) and method == "POST"):
                # RFC 9110 section 15.4: what every browser does.
                method, body = ("HEAD" if method == "HEAD" else "GET"), b""
                fields = {name: value for name, value in fields.items() if name.lower() != "content-type"}

    def websocket(
        self,
        path: str,
        *,
        params: Fields | None = None,
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
    ) -> TestWebSocket:
        """Open a WebSocket; ``close`` it, or use it in a ``with``.

        Clients of one application are in one room where their URLs name the same.

        Args:
            params, headers, cookies: as in `request`.
            subprotocols: those that the client speaks, the best one first.

        Raises:
            WebSocketRefused: there is none; its ``response`` says why.
            Exception: what the application raises.
        """
        url = self._url_of(path, params)
        fields = {**dict(headers or {}), **handshake_fields(subprotocols)}
        environ, asked = self._environ("GET", url, fields, b"", cookies or {})
        debug = bool(getattr(self._application, "debug", False))
        handshake = Handshake(url, environ, self._call, debug=debug, raises=self._raises)
        try:
            response = handshake.ask()
        except Exception as error:
            if self._raises or isinstance(error, AssertionError):
                raise
            raise WebSocketRefused(_failed(url)) from error
        try:
            websocket = open_socket(self._application, handshake, response, subprotocols)
        except WebSocketRefused:
            self._keep_cookies(response, asked)
            raise
        self._open.push(websocket.__exit__)
        return websocket

    def _url_of(self, path: str, params: Fields | None) -> str:
        url = urljoin(self._base_url, path)
        if params is not None:
            url += ("&" if urlsplit(url).query else "?") + urlencode(pairs_of(params))
        return url

    def _authorized(
        self,
        method: str,
        url: str,
        fields: dict[str, str],
        body: bytes,
        auth: tuple[str, str] | None,
        cookies: Mapping[str, str],
        stream: bool,
    ) -> TestResponse:
        response = self._send(method, url, fields, body, cookies, stream)
        if auth is None or response.status_code != 401:
            return response
        challenges = response.headers.get_all("WWW-Authenticate")
        answer = credentials_for(challenges, method, target_of(urlsplit(url)), *auth)
        response.close()
        return self._send(method, url, {**fields, "Authorization": answer}, body, cookies, stream)

    def _send(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str],
        body: bytes,
        cookies: Mapping[str, str],
        stream: bool,
    ) -> TestResponse:
        environ, asked = self._environ(method, url, fields, body, cookies)
        try:
            response = self._call(url, environ, {})
        except Exception as error:
            if self._raises or isinstance(error, AssertionError):
                raise
            return _failed(url)
        self._keep_cookies(response, asked)
        if stream:
            self._open.callback(response.close)
        else:
            assert not (response.data and method == "HEAD"), f"{response!r} to HEAD has a body"
        return response

    def _environ(
        self, method: str, url: str, fields: Mapping[str, str], body: bytes, cookies: Mapping[str, str]
    ) -> tuple[dict[str, Any], UrllibRequest]:
        """That of a request, and the request as the jar knows it."""
        asked = UrllibRequest(url)
        self.cookies.add_cookie_header(asked)
        kept = asked.get_header("Cookie")
        cookie = "; ".join(
            [*([kept] if kept else []), *(f"{name}={quote(value)}" for name, value in cookies.items())]
        )
        headers = {**fields, "Cookie": cookie} if cookie else fields
        return environ_of(method, urlsplit(url), self._mount, headers, body), asked

    def _call(self, url: str, environ: dict[str, Any], added: Mapping[str, Any]) -> TestResponse:
        """``added``: what stands in the environ besides, whatever it is."""
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            head[:] = status, headers
            return _refuse_write

        def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            environ.update(added)  # not before: the validator wants texts under all names without a dot
            return self._application(environ, start_response)

        pieces = Body(validator(cast(Any, application))(environ, start_response))
        status, headers = head
        return TestResponse(url, status, headers, pieces)

    def _keep_cookies(self, response: TestResponse, asked: UrllibRequest) -> None:
        self.cookies.extract_cookies(cast(Any, _Answer(response.headers)), asked)


class _Answer:
    """What `http.cookiejar` asks of a response."""

    def __init__(self, headers: Headers) -> None:
        self._message = Message()
        for value in headers.get_all("Set-Cookie"):
            self._message["Set-Cookie"] = value

    def info(self) -> Message:
        return self._message


def _failed(url: str) -> TestResponse:
    return TestResponse(url, "500 Internal Server Error", [], None)


def _refuse_write(data: bytes) -> None:
    raise AssertionError("write() of start_response is for applications older than PEP 3333; return the body")
