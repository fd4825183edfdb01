"""Handlers that work a little (``/work/TOKEN?SIZE``), and one that keeps everybody from working
(``/gate?SECONDS``): it waits in C and does not let go of the GIL."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: Seconds: long enough for an answer to be held, short enough for several of them to be so.
WORK = 100e-6

_c = ctypes.PyDLL(None)


class _Closing:
    """As frameworks return it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterable[bytes]:
        yield self._body

    def close(self) -> None:
        self._body = b""


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    body = path.rpartition("/")[2].encode()
    if path == "/gate":
        sys.stderr.write(f"gate {query}\n")
        sys.stderr.flush()
        _c.usleep(int(float(query) * 1e6))
    else:
        until = perf_counter() + WORK
        while perf_counter() < until:
            pass
        body *= int(query or 1)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return _Closing(body) if path.startswith("/closing") else [body]  # type: ignore[return-value]  # has __iter__
