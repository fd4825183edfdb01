"""``was.request``: the request as README names its parts, read from the WSGI environ.

Made for each request of a Saddle application; it parses nothing that is not asked for.
"""

from __future__ import annotations

from typing import Any

from skitai.core.redirects import quote_path

__all__ = ["Request"]

_NO_PREFIX = {"CONTENT_TYPE": "Content-Type", "CONTENT_LENGTH": "Content-Length"}


class Request:
    """Belongs to one request and its thread."""

    __slots__ = ("_body", "_environ")

    def __init__(self, environ: dict[str, Any]) -> None:
        self._environ = environ
        self._body: bytes | None = None

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

    def get_body(self) -> bytes:
        """The whole body; the same again when asked again."""
        if self._body is None:
            file = self._environ["wsgi.input"]
            if self._environ.get("wsgi.input_terminated"):
                self._body = file.read()
            else:
                # PEP 3333: beyond CONTENT_LENGTH a server may block.
                self._body = file.read(int(self._environ.get("CONTENT_LENGTH") or 0))
        return self._body

    def get_remote_addr(self) -> str:
        """The address of the client; of a proxy only if the server does not trust it."""
        return str(self._environ.get("REMOTE_ADDR", ""))

    def get_user_agent(self) -> str:
        """The User-Agent field, or an empty text."""
        return str(self._environ.get("HTTP_USER_AGENT", ""))
