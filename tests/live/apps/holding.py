"""``/hold?SECONDS`` stays in C for so long and does not let go of the GIL, as a bad extension may."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: Calls through it keep the GIL.
_LIBC = ctypes.PyDLL(None)


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/hold":
        sys.stderr.write("holding\n")
        sys.stderr.flush()
        _LIBC.usleep(int(float(environ["QUERY_STRING"]) * 1_000_000))
    body = environ["PATH_INFO"].encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
