"""The body of a request as bytes, under any WSGI server.

Skitai has the whole body before the application is called and says so by
``wsgi.input_terminated``: it can be read again from its beginning.  Other servers may block behind
CONTENT_LENGTH bytes (PEP 3333) and give each byte once.

Belongs to one request and its thread.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from skitai.errors import HTTPError

__all__ = ["Body"]

_BLOCK = 65536


class Body:
    __slots__ = ("_file", "_is_begun", "_is_whole", "_kept", "_length", "_rest")

    def __init__(self, environ: dict[str, Any]) -> None:
        """Raises HTTPError (400): the Content-Length is no number."""
        self._file = environ["wsgi.input"]
        self._length = _declared_length(environ)
        #: It is all there, and ends by itself.
        self._is_whole = bool(environ.get("wsgi.input_terminated"))
        #: Bytes that may still be read, where it does not end by itself.
        self._rest = self._length or 0
        self._is_begun = False
        self._kept: bytes | None = None

    def read_all(self, limit: int | None = None, name: str = "") -> bytes:
        """All of it; the same again when asked again.

        Raises:
            HTTPError: 413, it is longer than ``limit``, whose ``name`` is given; 400, it is not complete.
            RuntimeError: it was read in pieces, and this server does not have it any more.
        """
        if self._kept is None:
            if limit is None:
                self._begin()
                self._kept = self._take(None)
            else:
                read = self.reader(limit, name)
                self._kept = b"".join(iter(lambda: read(_BLOCK), b""))
            if not self._is_whole and self._rest:
                raise HTTPError(400, "The body is shorter than its Content-Length.")
        elif limit is not None and len(self._kept) > limit:
            raise _too_large(limit, name)
        return self._kept

    def reader(self, limit: int, name: str) -> Callable[[int], bytes]:
        """``read(size)`` from the beginning, which raises HTTPError (413) behind ``limit`` bytes.

        Raises:
            HTTPError: 413, the Content-Length says already that it is too long.
            RuntimeError: as `read_all`.
        """
        if self._length is not None and self._length > limit:
            raise _too_large(limit, name)
        take: Callable[[int], bytes] = self._take
        if self._kept is None:
            self._begin()
        else:
            take = io.BytesIO(self._kept).read
        left = limit

        def read(size: int) -> bytes:
            nonlocal left
            data = take(size)
            left -= len(data)
            if left < 0:
                raise _too_large(limit, name)
            return data

        return read

    def _begin(self) -> None:
        if self._is_begun:
            if not (self._is_whole and hasattr(self._file, "seek")):
                raise RuntimeError(
                    "the body was read as a form, and this server does not keep it: "
                    "ask for get_body() before form(), or for the form only"
                )
            self._file.seek(0)
        self._is_begun = True

    def _take(self, size: int | None) -> bytes:
        """At most ``size`` bytes; None for all that are left."""
        if self._is_whole:
            data: bytes = self._file.read() if size is None else self._file.read(size)
            return data
        size = self._rest if size is None else min(size, self._rest)
        data = self._file.read(size) if size else b""
        self._rest -= len(data)
        return data


def _too_large(limit: int, name: str) -> HTTPError:
    return HTTPError(413, f"The body is longer than {name} allows ({limit} bytes).")


def _declared_length(environ: dict[str, Any]) -> int | None:
    """CONTENT_LENGTH, if there is one.

    Raises:
        HTTPError: 400, it is no number.
    """
    text = environ.get("CONTENT_LENGTH")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise HTTPError(400, "The Content-Length is no number.")
    return int(text)
