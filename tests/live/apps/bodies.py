"""Reads the request body in every way of PEP 3333; the path says how, the answer is JSON."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def sha256(environ: WSGIEnvironment) -> dict[str, Any]:
    """Read in blocks until the end: works without CONTENT_LENGTH as wsgi.input ends itself."""
    digest, size = hashlib.sha256(), 0
    while block := environ["wsgi.input"].read(65536):
        digest.update(block)
        size += len(block)
    return {"size": size, "sha256": digest.hexdigest()}


def read_past_end(environ: WSGIEnvironment) -> list[str]:
    stream = environ["wsgi.input"]
    return [stream.read(n).decode() for n in (2, 0, 1000, 1000, 1)]


def read_lines(environ: WSGIEnvironment) -> list[str]:
    stream = environ["wsgi.input"]
    lines = []
    while line := stream.readline():
        lines.append(line.decode())
    return lines


def readlines(environ: WSGIEnvironment) -> list[str]:
    return [line.decode() for line in environ["wsgi.input"].readlines()]


def iterate(environ: WSGIEnvironment) -> list[str]:
    return [line.decode() for line in environ["wsgi.input"]]


def mixed(environ: WSGIEnvironment) -> list[str]:
    """read, readline and iteration share one position."""
    stream = environ["wsgi.input"]
    return [stream.read(3).decode(), stream.readline().decode(), *iterate(environ)]


def unread(environ: WSGIEnvironment) -> str:
    return "not read"


def terminated(environ: WSGIEnvironment) -> dict[str, Any]:
    return {
        "wsgi.input_terminated": environ.get("wsgi.input_terminated"),
        "HTTP_TRANSFER_ENCODING": environ.get("HTTP_TRANSFER_ENCODING"),
        "CONTENT_LENGTH": environ.get("CONTENT_LENGTH"),
        "CONTENT_TYPE": environ.get("CONTENT_TYPE"),
    }


def whole(environ: WSGIEnvironment) -> str:
    """read() and read(-1) without a length, readline(hint), seek, tell: what files also have."""
    stream = environ["wsgi.input"]
    text = stream.read()
    assert stream.read(-1) == b""
    assert stream.tell() == len(text)
    stream.seek(0)
    assert stream.readline(3) == text[:3]
    return str(text.decode())


def where(environ: WSGIEnvironment) -> str:
    """The spool file of a large body; "memory" for a small one.  Linux only."""
    try:
        number = environ["wsgi.input"].fileno()
    except OSError:
        return "memory"
    return os.readlink(f"/proc/self/fd/{number}")


VALID: dict[str, Callable[[WSGIEnvironment], Any]] = {
    "/sha256": sha256,
    "/read-past-end": read_past_end,
    "/read-lines": read_lines,
    "/readlines": readlines,
    "/iterate": iterate,
    "/mixed": mixed,
    "/unread": unread,
    "/terminated": terminated,
}

#: More than the PEP promises, so not under the validator.
BEYOND: dict[str, Callable[[WSGIEnvironment], Any]] = {"/whole": whole, "/where": where}


def respond(value: Any, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(value).encode()]


@validator
def checked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return respond(VALID[environ["PATH_INFO"]](environ), start_response)


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    beyond = BEYOND.get(environ["PATH_INFO"])
    if beyond is not None:
        return respond(beyond(environ), start_response)
    return checked(environ, start_response)
