"""An ordinary handler that fetches a small file many times, many at once.

    GET /?count=20000&at_once=100&url=http://127.0.0.1:PORT/1k.bin   ->   20000 20480000

What others do in its place is in `benchmarks.clients`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from skitai import was

__all__ = ["app", "by_was"]


def by_was(url: str, count: int, at_once: int) -> int:
    """Whoever waits, waits for the oldest call, and sends another one in its place."""
    calls = deque(was.get(url) for _ in range(at_once))
    received = 0
    for number in range(count):
        result = calls.popleft().getwait()
        if (result.status, result.code) != (3, 200):
            raise RuntimeError(f"{result.code} {result.msg}")
        received += len(result.data)
        if number < count - at_once:
            calls.append(was.get(url))
    return received


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    asked = parse_qs(environ["QUERY_STRING"])
    count = int(asked["count"][0])
    body = b"%d %d\n" % (count, by_was(asked["url"][0], count, int(asked["at_once"][0])))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
