"""Handlers that ask a database and wait: plain WSGI, told by the path what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from skitai import was

__all__ = ["app"]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    what = environ["PATH_INFO"].rpartition("/")[2]
    text = globals()[f"do_{what}"](environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]


def do_sleep(seconds: str) -> bytes:
    result = was.db("@mydb").execute("SELECT pg_sleep(%s), 'asleep' AS how", (float(seconds),)).getwait(5)
    return f"{result.status} {result.msg}".encode()


def do_one(query: str) -> bytes:
    result = was.db("@mydb").execute("SELECT %s::text AS it", (query,)).getwait(5)
    return result.rows[0][0].encode() if result.status == 3 else f"{result.status} {result.msg}".encode()


def do_hold(query: str) -> bytes:
    with was.db("@mydb").begin() as tx:
        tx.execute("CREATE TABLE held (i int)").getwait(5)
        tx.execute("SELECT pg_sleep(30), 'held'").getwait(30)
    return b"held"
