"""Answers with what the server made of the request, as JSON, for test_corpus_live.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    seen = {
        "method": environ["REQUEST_METHOD"],
        "path": environ["SCRIPT_NAME"] + environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "protocol": environ["SERVER_PROTOCOL"],
        "host": environ.get("HTTP_HOST", ""),
        "headers": {name: value for name, value in environ.items() if name.startswith("HTTP_")},
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    answer = json.dumps(seen).encode("ascii")
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
    start_response("200 OK", headers)
    return [answer]
