"""What the load tests ask for.  It keeps nothing, but for /leak... which is there to be found."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TYPE = ("Content-Type", "text/plain")

LARGE = bytes(range(256)) * (4 * 1024)  # 1 MiB
HUGE = LARGE * 10

_kept = bytearray()
_kept_objects: list[object] = []


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TYPE, ("Content-Length", "5")])
    return [b"hello"]


def size(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """How many bytes the request's body has."""
    answer = b"%d" % len(environ["wsgi.input"].read())
    start_response("200 OK", [TYPE, ("Content-Length", str(len(answer)))])
    return [answer]


def stream(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Of unknown length: chunked, or for HTTP/1.0 until the end of the connection."""
    start_response("200 OK", [TYPE])
    yield b"one "
    yield b"two "
    yield b"three"


def error(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    raise LookupError("an application's mistake")


def large(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TYPE, ("Content-Length", str(len(LARGE)))])
    return [LARGE]


def huge(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TYPE, ("Content-Length", str(len(HUGE)))])
    return [HUGE]


def huge_in_pieces(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Each piece is an object of its own, as a template engine or a database would make them."""
    start_response("200 OK", [TYPE, ("Content-Length", str(len(HUGE)))])
    for start in range(0, len(HUGE), 65536):
        yield HUGE[start : start + 65536]


def leak(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Keeps 16 bytes of each request."""
    _kept.extend(b"16 bytes of leak")
    return hello(environ, start_response)


def leak_an_object(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Keeps one object of each request."""
    _kept_objects.append(object())
    return hello(environ, start_response)


def blocks(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """How many blocks of memory Python's objects take, once all garbage is collected; what malloc
    holds in reserve is given back to the system."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # of glibc only
        ctypes.CDLL(None).malloc_trim(0)
    answer = b"%d" % sys.getallocatedblocks()
    start_response("200 OK", [TYPE, ("Content-Length", str(len(answer)))])
    return [answer]


def wait(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    time.sleep(0.02)
    return hello(environ, start_response)


ROUTES: dict[str, Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]] = {
    "/size": size,
    "/stream": stream,
    "/error": error,
    "/large": large,
    "/huge": huge,
    "/huge/pieces": huge_in_pieces,
    "/leak": leak,
    "/leak/object": leak_an_object,
    "/blocks": blocks,
    "/wait": wait,
}


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return ROUTES.get(environ["PATH_INFO"], hello)(environ, start_response)
