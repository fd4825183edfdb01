"""``was.request``: the request as README names its parts, read from the WSGI environ.

Made for each request of a Saddle application; it parses nothing that is not asked for, and nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from skitai._lazy import LazyModule
from skitai.core.contenttype import parse_content_type
from skitai.core.redirects import quote_path
from skitai.errors import HTTPError
from skitai.limits import FormLimits
from skitai.saddle.body import Body
from skitai.saddle.forms import gather, has_form, merged, read_form
from skitai.saddle.jsontext import read_json
from skitai.saddle.uploads import UploadedFile
from skitai.saddle.urlencoded import parse_urlencoded
from skitai.was import Services

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LazyModule("asyncio")

__all__ = ["Request"]

_NO_PREFIX = {"CONTENT_TYPE": "Content-Type", "CONTENT_LENGTH": "Content-Length"}


class Request:
    """Belongs to one request and its thread."""

    __slots__ = ("_body", "_environ", "_form", "_services")

    def __init__(self, environ: dict[str, Any], services: Services | None = None) -> None:
        """``services``: their application limits bodies, their response takes temporary files away when
        it is over.  Without them only the head can be asked."""
        self._environ = environ
        self._services = services
        self._body: Body | None = None
        self._form: dict[str, Any] | None = None

    @property
    def method(self) -> str:
        """``GET``, ``POST``, …: as sent."""
        method: str = self._environ["REQUEST_METHOD"]
        return method

    @property
    def command(self) -> str:
        """The method in lower case."""
        return self.method.lower()

    @property
    def version(self) -> str:
        """``1.0`` or ``1.1``."""
        return str(self._environ.get("SERVER_PROTOCOL", "HTTP/1.0")).removeprefix("HTTP/")

    @property
    def uri(self) -> str:
        """The request target as it was sent, query included."""
        sent: str | None = self._environ.get("REQUEST_URI")
        if sent is not None:
            return sent
        # A foreign server need not keep it: RFC 3986 gives an equal one.
        path = self._environ.get("SCRIPT_NAME", "") + self._environ.get("PATH_INFO", "")
        query = self._environ.get("QUERY_STRING", "")
        uri = quote_path(path.encode("latin-1"))
        return f"{uri}?{query}" if query else uri

    def split_uri(self) -> tuple[str, str, str, str]:
        """``uri`` in its parts: path, parameters of the last segment, query, fragment; all as sent."""
        parts = urlparse(self.uri)
        return parts.path, parts.params, parts.query, parts.fragment

    def get_header(self, name: str | None = None, default: str | None = None) -> Any:
        """The field ``name`` (in any case) or ``default``; without a name all, as ``Name: value``."""
        if name is None:
            return [f"{key}: {value}" for key, value in self._headers()]
        key = name.upper().replace("-", "_")
        return self._environ.get(key if key in _NO_PREFIX else f"HTTP_{key}") or default

    def _headers(self) -> list[tuple[str, str]]:
        headers: list[tuple[str, str]] = []
        for key, value in self._environ.items():
            if key.startswith("HTTP_"):
                headers.append((key[5:].replace("_", "-").title(), value))
            elif key in _NO_PREFIX and value:
                headers.append((_NO_PREFIX[key], value))
        return headers

    def get_content_type(self) -> str:
        """The media type in lower case without its parameters, or an empty text."""
        return parse_content_type(self._environ.get("CONTENT_TYPE", ""))[0]

    # -- what the client gives --------------------------------------------------------------

    @property
    def args(self) -> dict[str, Any]:
        """What query and form give by name, as text and files; a name in both has all its values."""
        # PEP 3333: the characters of the query stand for its bytes.
        query = self._environ.get("QUERY_STRING", "").encode("latin-1")
        given = gather(parse_urlencoded(query, self._limits.form_fields_max)) if query else {}
        return merged(given, self.form()) if has_form(self._environ) else given

    def form(self) -> dict[str, Any]:
        """The fields of the form in the body by name; empty if there is none.

        The values are str and `UploadedFile`; a name that came several times has a list.

        Raises:
            HTTPError: 400, the body is not the form that it says; 413, a limit is passed.
        """
        for _ in self._read_form():
            pass
        assert self._form is not None
        return self._form

    async def form_in_turns(self) -> dict[str, Any]:
        """The same, for an ``async def``: others have their turn while a long form is read."""
        for _ in self._read_form():
            await asyncio.sleep(0)
        return self.form()

    def _read_form(self) -> Iterator[None]:
        if self._form is None:
            services = self._answered
            self._form = yield from read_form(
                self._environ.get("CONTENT_TYPE", ""),
                self._whole_body,
                self._limits,
                self._environ.get("skitai.spool"),
                lambda call: services.response.at_close(call),
            )

    @property
    def files(self) -> dict[str, UploadedFile | list[UploadedFile]]:
        """The files of the form by name; a name that came several times has a list."""
        return gather(
            (name, value)
            for name, values in self.form().items()
            for value in (values if isinstance(values, list) else [values])
            if isinstance(value, UploadedFile)
        )

    def json(self) -> Any:
        """The body, which is JSON (RFC 8259).

        Raises:
            HTTPError: 415, the Content-Type is not that of JSON; 400, the body is none; 413, it is
                longer than ``json_max``.
        """
        media_type = self.get_content_type()
        # A page of another site may send any other type with the user's cookies, without CORS.
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise HTTPError(415, "The Content-Type of the body is not application/json.")
        body = self.read_all(self._limits.json_max, "json_max")
        try:
            return read_json(body)
        except ValueError as error:
            raise HTTPError(400, f"The body is no JSON: {error}.") from None

    def get_body(self) -> bytes:
        """The whole body; the same again when asked again."""
        return self._whole_body.read_all()

    def read_all(self, limit: int, name: str) -> bytes:
        """The whole body, if it is not longer than ``limit``, whose ``name`` the refusal gives.

        Raises:
            HTTPError: 413, it is longer.
        """
        return self._whole_body.read_all(limit, name)

    @property
    def _whole_body(self) -> Body:
        if self._body is None:
            self._body = Body(self._environ)
        return self._body

    @property
    def _limits(self) -> FormLimits:
        limits: FormLimits = self._answered.app.limits
        return limits

    @property
    def _answered(self) -> Services:
        if self._services is None:
            raise RuntimeError("a request outside an application has a head, and no body that it may read")
        return self._services

    # -- the client -------------------------------------------------------------------------

    def get_remote_addr(self) -> str:
        """The address of the client; of a proxy only if the server does not trust it."""
        return str(self._environ.get("REMOTE_ADDR", ""))

    def get_user_agent(self) -> str:
        """The User-Agent field, or an empty text."""
        return str(self._environ.get("HTTP_USER_AGENT", ""))

    def get_scheme(self) -> str:
        """``http`` or ``https``, as the client asked."""
        return str(self._environ.get("wsgi.url_scheme", "http"))

    #: In 0.11 the one was the peer's address; here both are the client's, if the proxy is trusted.
    get_real_ip = get_remote_addr
