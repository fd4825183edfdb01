"""Applications written with ``async def``; `app` does what the path says."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

from skitai import was

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

#: What came to its end, and how.
ended: list[str] = []
inside = 0


def _text(start_response: StartResponse, *headers: tuple[str, str], status: str = "200 OK") -> None:
    start_response(status, [("Content-Type", "text/plain"), *headers])


async def _sleep(environ: Environ, start_response: StartResponse, seconds: float) -> Iterable[bytes]:
    await asyncio.sleep(seconds)
    _text(start_response)
    return [f"slept in {threading.current_thread().name}".encode()]


async def _until_cancelled(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    global inside
    inside += 1
    environ["wsgi.errors"].write("it waits\n")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        ended.append("cancelled")
        raise
    finally:
        inside -= 1
    return []


async def _stubborn(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(0.5)
        ended.append("swallowed")
    _text(start_response)
    return [b"too late"]


async def _never_gives_in() -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("not yet")


async def _pieces(size: int, count: int) -> AsyncIterator[bytes]:
    global inside
    inside += 1
    made = 0
    try:
        for _ in range(count):
            yield bytes(size)
            made += 1
            ended[:] = [f"made {made}"]
    finally:
        inside -= 1
        await asyncio.sleep(0.05)
        ended.append("closed")


def _in_thread(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield f"{number} {threading.current_thread().name}\n".encode()


async def _services(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    mine = environ["QUERY_STRING"]
    seen = set()
    for _ in range(5):
        await asyncio.sleep(0.01)
        seen.add(was.env["QUERY_STRING"])
    _text(start_response)
    return [b"mine" if seen == {mine} else f"{mine} saw {seen}".encode()]


async def app(environ: Environ, start_response: StartResponse) -> Any:
    path = environ["PATH_INFO"]
    query = parse_qs(environ["QUERY_STRING"])

    def number(name: str, default: float = 0) -> float:
        return float(query.get(name, [default])[0])

    if path == "/hello":
        _text(start_response)
        return [b"Hello World"]
    if path == "/sleep":
        return await _sleep(environ, start_response, number("s"))
    if path == "/wait":
        return await _until_cancelled(environ, start_response)
    if path == "/stubborn":
        return await _stubborn(environ, start_response)
    if path == "/never":
        environ["wsgi.errors"].write("it waits\n")
        await _never_gives_in()
    if path == "/blocks":
        time.sleep(number("s"))
        return await _sleep(environ, start_response, 0)
    if path == "/services":
        return await _services(environ, start_response)
    if path == "/token":
        return await _token(start_response, query["token"][0], number("s"), query["kind"][0])
    if path == "/pieces":
        _text(start_response)
        return _pieces(int(number("size")), int(number("count")))
    if path == "/thread":
        _text(start_response)
        return _in_thread(3)
    if path == "/body":
        body = environ["wsgi.input"].read()
        await asyncio.sleep(0)
        _text(start_response, ("Content-Length", str(len(body))))
        return [body]
    if path == "/raises":
        await asyncio.sleep(0)
        raise LookupError("a mistake of the application")
    if path == "/raises-later":
        _text(start_response)
        return _fails()
    if path == "/exits":
        raise SystemExit(3)
    if path == "/task-exits":
        task = asyncio.create_task(_exit())
        await asyncio.wait([task])
        _text(start_response)
        return [b"the loop goes on"]
    if path == "/twice":
        _text(start_response)
        _text(start_response)
    if path == "/writes":
        start_response("200 OK", [])(b"piece")
    if path == "/nothing":
        return [b"body without head"]
    if path == "/ended":
        _text(start_response)
        return [f"{inside} {' '.join(ended)}".encode()]
    _text(start_response, status="404 Not Found")
    return [b"no such path"]


async def _token(start_response: StartResponse, token: str, seconds: float, kind: str) -> Any:
    """The token in an answer of some kind, after a while; ``inside`` counts what is not over."""
    global inside
    inside += 1
    try:
        await asyncio.sleep(seconds)
    finally:
        inside -= 1
    start_response("200 OK", [("X-Token", token)])
    pieces = [token.encode()] * 20
    return _slowly(pieces, seconds / 20) if kind == "pieces" else iter(pieces) if kind == "iter" else pieces


async def _slowly(pieces: list[bytes], seconds: float) -> AsyncIterator[bytes]:
    global inside
    inside += 1
    try:
        for piece in pieces:
            await asyncio.sleep(seconds)
            yield piece
    finally:
        inside -= 1


async def _exit() -> None:
    raise SystemExit(4)


async def _fails() -> AsyncIterator[bytes]:
    yield b"begun"
    raise LookupError("a mistake behind the head")


def gives(environ: Environ, start_response: StartResponse) -> Awaitable[Iterable[bytes]] | Iterable[bytes]:
    """A plain callable, which answers some paths by itself and gives a coroutine for the others."""
    if environ["PATH_INFO"] == "/plain":
        _text(start_response)
        return [b"plain"]
    if environ["PATH_INFO"] == "/early":
        # A length that is known before the coroutine has begun.
        _text(start_response, ("Content-Length", "5"))
        return _later(b"later")
    if environ["PATH_INFO"] == "/future":
        _text(start_response)
        return _Ready([b"ready"])
    return app(environ, start_response)


async def _later(body: bytes) -> Iterable[bytes]:
    await asyncio.sleep(0.01)
    return [body]


class _Ready:
    """It can be awaited, and iterated too, as a future can."""

    def __init__(self, value: Iterable[bytes]) -> None:
        self._value = value

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return self._value

    __iter__ = __await__


async def stream(environ: Environ, start_response: StartResponse) -> AsyncIterator[bytes]:
    """The application itself is an asynchronous generator."""
    _text(start_response)
    for number in range(3):
        await asyncio.sleep(0.01)
        yield f"{number}\n".encode()


class _Object:
    async def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        _text(start_response)
        return [b"an object"]


instance = _Object()
