"""Asks an application in process, under the validator of the standard library."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest


class Reply:
    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.code = int(status[:3])
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.all_headers = [(name.lower(), value) for name, value in headers]
        self.body = body
        self.text = body.decode(errors="replace")


def ask(
    app: Callable[..., Any], target: str = "/", method: str = "GET", body: bytes = b"", **environ: Any
) -> Reply:
    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        **environ,
    }
    setup_testing_defaults(environ)
    head: list[Any] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[..., Any]:
        head[:] = status, headers
        return lambda data: pytest.fail("write() is for old applications")

    iterable = validator(app)(environ, start_response)
    try:
        body = b"".join(iterable)
    finally:
        iterable.close()
    return Reply(*head, body)
