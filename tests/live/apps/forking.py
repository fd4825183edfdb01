"""Handlers that fork: the parent answers with its child's status, the child does what the path says."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import skitai
from skitai import was

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TEXT = ("Content-Type", "text/plain")


def status_of(child: int) -> bytes:
    return b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _answer(start_response: StartResponse, child: int) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return [status_of(child) if child else b"of the child"]


def returns(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return _answer(start_response, os.fork())


def raises(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    child = os.fork()
    if not child:
        raise LookupError("in the child")
    return _answer(start_response, child)


def exits(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    child = os.fork()
    if not child:
        sys.exit(0)
    return _answer(start_response, child)


def waits(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    child = os.fork()
    if not child:
        skitai.sleep(0.01)
    return _answer(start_response, child)


def writes(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    child = os.fork()
    write = start_response("200 OK", [TEXT])
    write(status_of(child) if child else b"of the child")
    return []


def streams(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [TEXT])
    yield b"begun, "
    child = os.fork()
    yield status_of(child) if child else b"of the child"


def gives_one(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Its length is known: a lane takes it."""
    start_response("200 OK", [TEXT, ("Content-Length", "2")])
    child = os.fork()
    yield status_of(child) if child else b"no"


class _Closes(list[bytes]):
    def close(self) -> None:
        child = os.fork()
        if child:
            print("closed:", status_of(child).decode(), flush=True)


def closes(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return _Closes([b"closes, ", b"70"])


async def _awaits(start_response: StartResponse) -> Iterable[bytes]:
    child = os.fork()
    if not child:
        await asyncio.sleep(0.01)
    return _answer(start_response, child)


def awaits(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    return _awaits(start_response)


def leaves(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    child = os.fork()
    if not child:
        os._exit(7)
    return _answer(start_response, child)


def asks(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    child = os.fork()
    if not child:
        answer = was.get(environ["QUERY_STRING"]).getwait(5)
        os._exit(answer.code // 100)
    return _answer(start_response, child)


#: All but `leaves` and `asks` come back.
KINDS: dict[str, Callable[[WSGIEnvironment, StartResponse], Any]] = {
    function.__name__: function
    for function in (returns, raises, exits, waits, writes, streams, gives_one, closes, awaits)
}


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    kind = environ["PATH_INFO"].strip("/")
    if kind:
        return {**KINDS, "leaves": leaves, "asks": asks}[kind](environ, start_response)
    start_response("200 OK", [TEXT])
    return [b"plain"]
