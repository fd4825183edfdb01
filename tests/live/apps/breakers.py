"""Applications that break PEP 3333 or themselves, one for each path.

None of them may take the server down, put bytes of its own on the wire between two
messages, or let a client believe that a cut answer is whole.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TEXT = [("Content-Type", "text/plain")]

Handler = Callable[["WSGIEnvironment", "StartResponse"], Any]


def answer(body: Any, *headers: tuple[str, Any], status: Any = "200 OK") -> Handler:
    """A handler that gives just this to the server, right or wrong."""

    def handler(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response(status, [*TEXT, *headers])
        return body

    return handler


def raising(error: BaseException) -> Handler:
    def handler(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        raise error

    return handler


def raising_late(error: BaseException) -> Handler:
    def handler(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        yield b"begun"
        raise error

    return handler


def leaving(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    sys.exit(3)


def started_twice(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The PEP: a second call without exc_info is a fatal error, which the server raises."""
    start_response("200 OK", TEXT)
    try:
        start_response("200 OK", TEXT)
    except Exception as error:
        return [f"refused: {type(error).__name__}".encode()]
    return [b"the server has allowed it"]


def long_by_items(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", "5")])
    return iter([b"01234", b"56789"])


def long_by_write(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    write = start_response("200 OK", [*TEXT, ("Content-Length", "5")])
    write(b"01234")
    write(b"56789")
    return []


class CloseRaises:
    def __iter__(self) -> Iterator[bytes]:
        return iter([b"whole"])

    def close(self) -> None:
        raise LookupError("close() has failed")


ROUTES: dict[str, Handler] = {
    "/fine": answer([b"fine"], ("Content-Length", "4")),
    "/short": answer([b"01234"], ("Content-Length", "10")),
    "/long": answer([b"0123456789"], ("Content-Length", "5")),
    "/long/iterator": long_by_items,
    "/long/write": long_by_write,
    "/raise": raising(LookupError("before the head")),
    "/raise/exit": leaving,
    "/raise/interrupt": raising(KeyboardInterrupt()),
    "/raise/base": raising(type("Odd", (BaseException,), {})("odd")),
    "/raise/memory": raising(MemoryError()),
    "/raise/late": raising_late(LookupError("after the head")),
    "/raise/late/exit": raising_late(SystemExit(3)),
    "/no-start": lambda environ, start_response: [b"no start_response"],
    "/none": answer(None),
    "/number": answer(42),
    "/numbers": answer([1, 2]),
    "/text": answer(["text of the README, ", "süß"]),
    "/started-twice": started_twice,
    "/close-raises": answer(CloseRaises()),
    "/status/number": answer([b""], status=200),
    "/status/word": answer([b""], status="OK"),
    "/status/crlf": answer([b""], status="200 OK\r\nInjected: yes"),
    "/header/cr": answer([b""], ("X-A", "a\rInjected: yes")),
    "/header/lf": answer([b""], ("X-A", "a\nInjected: yes")),
    "/header/crlf": answer([b""], ("X-A", "a\r\nInjected: yes")),
    "/header/nul": answer([b""], ("X-A", "a\0b")),
    "/header/name-crlf": answer([b""], ("X-A: b\r\nInjected", "yes")),
    "/header/name-space": answer([b""], ("X A", "b")),
    "/header/name-empty": answer([b""], ("", "b")),
    "/header/unicode": answer([b""], ("X-A", "\u20ac")),
    "/header/number": answer([b""], ("X-A", 1)),
    "/header/bad-length": answer([b""], ("Content-Length", "five")),
    "/header/two-lengths": answer([b"a"], ("Content-Length", "1"), ("Content-Length", "2")),
}


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    return ROUTES[environ["PATH_INFO"]](environ, start_response)
