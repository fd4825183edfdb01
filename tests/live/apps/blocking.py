"""Handlers that stay away for a while: ``/sleep?SECONDS&…`` says on stderr when it has begun.

``/until?PATH`` says so too, and stays until there is such a file, but for a minute at most.
``/thread`` leaves a thread behind for which the interpreter would wait at its end.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/sleep":
        sys.stderr.write(f"begun {environ['QUERY_STRING']}\n")
        sys.stderr.flush()
        time.sleep(float(environ["QUERY_STRING"].partition("&")[0]))
    elif environ["PATH_INFO"] == "/until":
        sys.stderr.write(f"begun {environ['QUERY_STRING']}\n")
        sys.stderr.flush()
        deadline = time.monotonic() + 60
        while not os.path.exists(environ["QUERY_STRING"]) and time.monotonic() < deadline:
            time.sleep(0.01)
    if environ["PATH_INFO"] == "/thread":
        threading.Thread(target=time.sleep, args=(60,), daemon=False).start()
    seen = {"pid": os.getpid(), "REMOTE_ADDR": environ["REMOTE_ADDR"]}
    body = json.dumps(seen).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
