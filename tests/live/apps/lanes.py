"""Applications of every kind of answer, chosen by the path: plain ones stay in a fast lane, the others
leave it (tests/pure/test_lanes.py)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

#: What the applications saw: environ without objects, and "close" for each iterable closed.
seen: list[Any] = []

Start = Callable[..., Callable[[bytes], object]]
PLAIN = [("Content-Type", "text/plain")]


class Closing:
    """An iterable as Flask's: it has a close()."""

    def __init__(self, pieces: Iterable[bytes], error: Exception | None = None) -> None:
        self._pieces = iter(pieces)
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._error:
            raise self._error

    def close(self) -> None:
        seen.append("close")


def one_list(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", PLAIN)
    return [b"plain"]


def empty_list(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", PLAIN)
    return []


def several(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("201 Created", [*PLAIN, ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d"), ("X-Latin", "caf\xe9")])
    return (b"a", b"", b"b")


def own_date(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("Server", "mine")])
    return [b"x"]


def text(environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", PLAIN)
    return ["text"]


def announced(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [*PLAIN, ("Content-Length", "5")])
    return Closing([b"12345"])


def announced_in_two(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [*PLAIN, ("Content-Length", "5")])
    return Closing([b"123", b"45"])


def announced_too_long(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [*PLAIN, ("Content-Length", "5")])
    return Closing([b"12345", b"678"])


def announced_too_short(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [*PLAIN, ("Content-Length", "5")])
    return [b"123"]


def fails_behind(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [*PLAIN, ("Content-Length", "5")])
    return Closing([b"12345"], ValueError("behind the body"))


def fails_at_once(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [*PLAIN, ("Content-Length", "5")])
    return Closing([], ValueError("before the body"))


def stream(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", PLAIN)
    return Closing([b"one", b"two"])


def lazy(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", PLAIN)
    yield b"lazy"


def writes(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    write = start("200 OK", PLAIN)
    write(b"written ")
    write(b"twice ")
    return [b"returned"]


def raises(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    raise ValueError("no answer")


def raises_late(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", PLAIN)
    raise SystemExit(3)


def replaced(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", PLAIN)
    try:
        raise ValueError("replaced")
    except ValueError as error:
        start("500 Sorry", [("X-Replaced", "yes")], (type(error), error, error.__traceback__))
    return [b"sorry"]


def started_twice(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", PLAIN)
    try:
        start("200 OK", PLAIN)
    except AssertionError as error:
        seen.append(str(error))
    return [b"x"]


def bad_status(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    try:
        start("fine", PLAIN)
    except ValueError as error:
        seen.append(str(error))
    start("200 OK", PLAIN)
    return [b"x"]


def never_starts(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    return [b"x"]


def hop_by_hop(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [*PLAIN, ("Keep-Alive", "timeout=5"), ("Connection", "close")])
    return [b"x"]


def line_end(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [("X-Bad", "a\r\nSet-Cookie: evil=1")])
    return [b"x"]


def no_content(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("204 No Content", [])
    return []


def not_modified(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("304 Not Modified", [("ETag", '"x"'), ("Content-Length", "10")])
    return []


def odd_reason(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 Alles gut, \xfcberall", PLAIN)
    return [b"x"]


def large(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", PLAIN)
    return [b"x" * 300_000]


def file(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [*PLAIN, ("Content-Length", "4")])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(b"file"))
    return wrapped


def echo(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    start(
        "200 OK",
        [("X-Type", str(environ.get("CONTENT_TYPE"))), ("X-Length", str(environ.get("CONTENT_LENGTH")))],
    )
    return [body]


KINDS: dict[str, Callable[[dict[str, Any], Start], Any]] = {
    function.__name__: function
    for function in (
        one_list, empty_list, several, own_date, text, announced, announced_in_two, announced_too_long,
        announced_too_short, fails_behind, fails_at_once, stream, lazy, writes, raises, raises_late, replaced,
        started_twice, bad_status, never_starts, hop_by_hop, line_end, no_content, not_modified, odd_reason,
        large, file, echo,
    )
}  # fmt: skip


def app(environ: dict[str, Any], start: Start) -> Any:
    seen.append(
        {
            key: value
            for key, value in environ.items()
            if isinstance(value, (str, tuple, bool))
            and key not in ("REMOTE_PORT", "SERVER_PORT", "HTTP_HOST")
        }
    )
    return KINDS.get(environ["PATH_INFO"].strip("/"), one_list)(environ, start)
