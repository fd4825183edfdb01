"""An ordinary handler that asks a database many times, many at once.

    GET /?count=20000&at_once=64&url=postgresql://postgres@127.0.0.1:PORT/postgres   ->   20000 20000

What others do in its place is in `benchmarks.dbclients`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from benchmarks.databases import ROWS, STATEMENT
from skitai import was

__all__ = ["app", "by_was"]

_STATEMENT = STATEMENT.format("%s")


def by_was(url: str, count: int, at_once: int) -> int:
    """Whoever waits, waits for the oldest statement, and sends another one in its place."""
    calls = deque(was.db(url).execute(_STATEMENT, (number + 1,)) for number in range(at_once))
    received = 0
    for number in range(count):
        result: Any = calls.popleft().getwait()
        if result.status != 3 or result.rows[0][0] != number % ROWS + 1:
            raise RuntimeError(f"{result.status} {result.msg}")
        received += len(result.rows)
        if number < count - at_once:
            calls.append(was.db(url).execute(_STATEMENT, ((number + at_once) % ROWS + 1,)))
    return received


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    asked = parse_qs(environ["QUERY_STRING"])
    count = int(asked["count"][0])
    body = b"%d %d\n" % (count, by_was(asked["url"][0], count, int(asked["at_once"][0])))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
