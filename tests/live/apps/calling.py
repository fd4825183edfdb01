"""A handler that calls others, many at once: ``/?url=...&url=...&count=100``, and options of `was.get`.

It answers with how often each class of outcome came.  ``/blocks`` is that of apps/load.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from skitai import was
from tests.live.apps.load import blocks

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

AT_ONCE = 20


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/blocks":
        return blocks(environ, start_response)
    asked = parse_qsl(environ["QUERY_STRING"])
    urls = [value for name, value in asked if name == "url"]
    options = {name: value for name, value in asked if name not in ("url", "count")}
    count = int(dict(asked)["count"])
    ends: Counter[str] = Counter()
    for start in range(0, count, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, count))
        calls = [
            was.get(urls[number % len(urls)], response_max=100_000, timeout=float(options["timeout"]))
            for number in numbers
        ]
        for call in calls:
            result = call.getwait()
            ends["answer" if result.error is None else type(result.error).__name__] += 1
    body = " ".join(f"{name}:{number}" for name, number in sorted(ends.items())).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
