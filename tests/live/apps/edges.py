"""Every edge of PEP 3333 that a correct application may use; ``app`` is under the validator.

`wsgiref.validate` stands between the server and these handlers and raises AssertionError
where either side breaks the PEP; a raise shows as a 500.  The path chooses the handler.
``/stream`` and ``/close/...`` report through second requests what happened to a first.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TEXT = [("Content-Type", "text/plain; charset=utf-8")]

#: The file that /file sends; larger than the socket buffers of both sides.
BIG = bytes(range(256)) * (3 * 4096)

_closed: Counter[str] = Counter()
_closed_lock = threading.Lock()
_go = threading.Event()


class Closing:
    """An iterable that counts its close() calls under ``name``."""

    def __init__(self, name: str, items: Iterable[bytes]) -> None:
        self._name = name
        self._items = iter(items)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._items)

    def close(self) -> None:
        with _closed_lock:
            _closed[self._name] += 1


def reply_json(start_response: StartResponse, value: Any) -> list[bytes]:
    body = json.dumps(value).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


# --- the environment


def show_environ(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    shown = {key: value for key, value in environ.items() if isinstance(value, (str, bool))}
    shown["wsgi.version"] = environ["wsgi.version"]
    return reply_json(start_response, shown)


# --- start_response and write


def use_write(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    write = start_response("200 OK", TEXT)
    write(b"one ")
    write(b"two ")
    return [b"three"]


def only_write(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)(b"written")
    return []


def write_seen_at_once(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The PEP: write() must not return before its data is on its way to the client."""
    _go.clear()
    write = start_response("200 OK", TEXT)
    write(b"first")
    _go.wait(5)
    write(b"second")
    return []


def replaced_by_exc_info(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Nothing has been sent, so the error page takes the place of the first answer."""
    start_response("200 OK", [*TEXT, ("X-First", "yes")])
    try:
        raise LookupError("changed my mind")
    except LookupError:
        start_response("503 Later", [*TEXT, ("X-Second", "yes")], sys.exc_info())
    return [b"the second answer"]


def raised_by_exc_info(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Data has been sent, so start_response must raise what it is given."""
    start_response("200 OK", TEXT)
    yield b"sent before the error"
    try:
        raise LookupError("too late to change")
    except LookupError:
        start_response("500 Oops", TEXT, sys.exc_info())
    yield b"never sent"


def late_start(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """start_response is called only when the iterable is asked for its first item."""
    start_response("201 Created", TEXT)
    yield b"late"


# --- iterables


def stream(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The second item is not made before /go has been asked for."""
    start_response("200 OK", TEXT)
    _go.clear()
    yield b"first"
    yield b"second" if _go.wait(5) else b"nobody said go"


def go(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    _go.set()
    return reply_json(start_response, True)


def empty(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return []


def empty_items(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """An empty item must not become the last chunk of a chunked body."""
    start_response("200 OK", TEXT)
    return iter([b"", b"a", b"", b"", b"b", b""])


def no_body(status: str, *headers: tuple[str, str]) -> WSGIApplication:
    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, list(headers))
        return []

    return answer


def sized(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", "10")])
    return [b"01234", b"56789"]


def unsized(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return iter([b"01234", b"56789"])


def cookies(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [b"two cookies"]


# --- close()


def closing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return Closing(environ["QUERY_STRING"], [b"a", b"b"])


def closing_after_error(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)

    def items() -> Iterator[bytes]:
        yield b"a"
        raise LookupError("in the middle of the body")

    return Closing(environ["QUERY_STRING"], items())


def closing_endless(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)

    def items() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    return Closing(environ["QUERY_STRING"], items())


def closing_ticking(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)

    def items() -> Iterator[bytes]:
        while True:
            yield b"tick"
            time.sleep(0.02)

    return Closing(environ["QUERY_STRING"], items())


def closed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return reply_json(start_response, _closed[environ["QUERY_STRING"]])


# --- wsgi.file_wrapper


def send_file(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(BIG)))])
    return environ["wsgi.file_wrapper"](open(os.environ["EDGES_FILE"], "rb"), 8192)


def send_rest_of_file(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The PEP: transmission begins at the file's current position."""
    file = open(os.environ["EDGES_FILE"], "rb")  # noqa: SIM115 - the server closes it
    file.seek(len(BIG) - 1000)
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](file)


def send_file_like(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"not a real file"), 4)


ROUTES: dict[str, Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]] = {
    "/write": use_write,
    "/write/only": only_write,
    "/write/at-once": write_seen_at_once,
    "/exc-info/before": replaced_by_exc_info,
    "/exc-info/after": raised_by_exc_info,
    "/late-start": late_start,
    "/stream": stream,
    "/go": go,
    "/empty": empty,
    "/empty-items": empty_items,
    "/204": no_body("204 No Content"),
    "/304": no_body("304 Not Modified", ("ETag", '"v1"')),
    "/sized": sized,
    "/unsized": unsized,
    "/cookies": cookies,
    "/close": closing,
    "/close/error": closing_after_error,
    "/close/endless": closing_endless,
    "/close/ticking": closing_ticking,
    "/closed": closed,
    "/file": send_file,
    "/file/rest": send_rest_of_file,
    "/file/like": send_file_like,
}


def unchecked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return ROUTES.get(environ["PATH_INFO"], show_environ)(environ, start_response)


app = validator(unchecked)
