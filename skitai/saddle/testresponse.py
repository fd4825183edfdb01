"""What the test client gets: the answer of an application, read whole or piece by piece."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator
from email.message import Message
from typing import Any, cast
from wsgiref.headers import Headers

__all__ = ["Body", "TestResponse"]


class Body:
    """The pieces of a body as the application makes them; closed behind the last one, or when it raises."""

    def __init__(self, result: Any) -> None:
        self._iterator = iter(result)
        self._close = result.close
        self._is_open = True
        self._ready: list[bytes] = []
        # PEP 3333: the head may wait for the first piece that is not empty.
        for piece in self:
            if piece:
                self._ready.append(piece)
                break

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._ready:
            return self._ready.pop()
        if not self._is_open:
            raise StopIteration
        try:
            return cast(bytes, next(self._iterator))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._close()


class TestResponse:
    """What the application answered.

    Attributes:
        status: ``"200 OK"``; ``status_code`` is its number.
        headers: names in any case; ``headers.get_all(name)`` for fields that are there several times.
        url: what was asked for, after redirects.
        history: the responses that redirected here, the first one first.
    """

    __test__ = False  # pytest: no class of tests, in spite of its name

    def __init__(self, url: str, status: str, headers: list[tuple[str, str]], body: Body | None) -> None:
        self.url = url
        self.status = status
        self.headers = Headers(headers)
        self.history: list[TestResponse] = []
        self._body = body
        self._data: bytes | None = None

    @property
    def status_code(self) -> int:
        """The number of `status`."""
        return int(self.status[:3])

    @property
    def data(self) -> bytes:
        """The whole body."""
        if self._data is None:
            self._data = b"".join(self)
        return self._data

    def read(self) -> TestResponse:
        """The same, once the application has given the whole body."""
        self._data = self.data
        return self

    @property
    def text(self) -> str:
        """The body in the charset of its Content-Type, or in UTF-8."""
        message = Message()
        message["Content-Type"] = self.headers.get("Content-Type") or "text/plain"
        return self.data.decode(message.get_content_charset("utf-8"), "replace")

    def json(self) -> Any:
        """The value of a JSON body.  Raises ValueError: it is none."""
        return json_module.loads(self.data)

    def __iter__(self) -> Iterator[bytes]:
        """The pieces of the body as the application gives them, once; for ``stream=True``."""
        return iter(self._body or ())

    def close(self) -> None:
        """As if the client hung up: the application is not asked for more, and its body is closed."""
        if self._body is not None:
            self._body.close()

    def __repr__(self) -> str:
        return f"<{self.status} of {self.url}>"
