"""Handlers that tell their process, stay away, or end it.

``/sleep?SECONDS`` says on stderr when it has begun, and so does ``/until?PATH``, which stays until there is
such a file, but for a minute at most; ``/hang`` never returns, but for a test's end.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/sleep":
        print(f"begun {environ['QUERY_STRING']}", file=sys.stderr, flush=True)
        time.sleep(float(environ["QUERY_STRING"]))
    elif path == "/until":
        print(f"begun {environ['QUERY_STRING']}", file=sys.stderr, flush=True)
        deadline = time.monotonic() + 60
        while not os.path.exists(environ["QUERY_STRING"]) and time.monotonic() < deadline:
            time.sleep(0.01)
    elif path == "/hang":
        time.sleep(300)
    elif path == "/exit":
        os._exit(7)
    elif path == "/error":
        raise LookupError("an application's mistake")
    body = str(os.getpid()).encode()
    if path == "/multiprocess":
        body = str(environ["wsgi.multiprocess"]).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
