"""An application whose responses are worth compressing, given in every way there is; chosen by the path.

``?size=N`` is the length of the body; pieces of a stream wait for `gate` where the path says so.
"""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

Start = Callable[..., Callable[[bytes], object]]
LINE = b'{"id": 12345, "name": "somebody", "tags": ["one", "two"]},\n'
#: Opened by ``/open``: lets a stream that waits go on.
gate = threading.Event()
#: What became of streams.
seen: list[str] = []


def body_of(size: int) -> bytes:
    return (LINE * (size // len(LINE) + 1))[:size]


def pieces_of(body: bytes) -> list[bytes]:
    return [body[at : at + 3000] for at in range(0, len(body), 3000)]


def one(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", [("Content-Type", "application/json")])
    return [body]


def announced(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return iter([body, b""])


def several(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", [("Content-Type", "application/json")])
    return pieces_of(body)


def stream(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", [("Content-Type", "application/json")])
    yield from pieces_of(body)


def announced_stream(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return iter(pieces_of(body))


def writes(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    write = start("200 OK", [("Content-Type", "application/json")])
    for piece in pieces_of(body)[:-1]:
        write(piece)
    return pieces_of(body)[-1:]


def file(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", [("Content-Type", "application/json")])
    real = tempfile.TemporaryFile()  # noqa: SIM115 (the wrapper closes it)
    real.write(body)
    real.seek(0)
    return environ["wsgi.file_wrapper"](real)


def memory_file(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", [("Content-Type", "application/json")])
    return environ["wsgi.file_wrapper"](io.BytesIO(body), 1000)


def coroutine(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    async def answer() -> Iterable[bytes]:
        start("200 OK", [("Content-Type", "application/json")])
        return [body]

    return answer()


def async_stream(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    async def answer() -> AsyncIterator[bytes]:
        start("200 OK", [("Content-Type", "application/json")])
        for piece in pieces_of(body):
            yield piece

    return answer()


def image(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", [("Content-Type", "image/png"), ("ETag", '"x"')])
    return [body]


def own(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", [("Content-Type", "application/json"), ("Content-Encoding", "identity")])
    return [body]


def no_transform(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", [("Content-Type", "application/json"), ("Cache-Control", "no-transform")])
    return [body]


def digest(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", [("Content-Type", "application/json"), ("Content-Digest", "sha-256=:x:")])
    return [body]


def part(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    fields = [("Content-Type", "application/json"), ("Content-Range", f"bytes 0-{len(body) - 1}/1000000")]
    start("206 Partial Content", fields)
    return [body]


def reset(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("205 Reset Content", [("Content-Type", "application/json")])
    return [body]


def tagged(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    fields = [
        ("Content-Type", "application/json"),
        ("ETag", '"x"'),
        ("Vary", "Cookie"),
        ("Accept-Ranges", "bytes"),
    ]
    start("200 OK", fields)
    return [body]


def unchanged(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("304 Not Modified", [("ETag", '"x"')])
    return []


def missing(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("404 Not Found", [("Content-Type", "text/html")])
    return [body]


def too_long(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(body)))])
    return iter([body, b"more"])


def too_short(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(body) + 1))])
    return iter([body])


def events(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    """Server-sent events: the second is not there before the client has asked for it."""
    start("200 OK", [("Content-Type", "text/event-stream")])

    def give() -> Iterator[bytes]:
        try:
            yield b"data: first\n\n"
            assert gate.wait(10)
            yield b"data: second\n\n"
        finally:
            seen.append("events closed")

    return give()


def endless(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    start("200 OK", [("Content-Type", "text/plain")])

    def give() -> Iterator[bytes]:
        try:
            while True:
                yield body
        finally:
            seen.append("endless closed")

    return give()


def opens(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    gate.set()
    start("200 OK", [])
    return []


def closes(body: bytes, environ: dict[str, Any], start: Start) -> Any:
    """The gate again, and what was seen since."""
    gate.clear()
    told = ", ".join(seen)
    seen.clear()
    start("200 OK", [("Content-Type", "text/plain")])
    return [told.encode()]


#: Those that give the whole body, in whatever way.
WHOLE = (
    one, announced, several, stream, announced_stream, writes, file, memory_file, coroutine, async_stream,
    tagged, missing, too_long,
)  # fmt: skip
#: Those that are never coded.
NEVER = (image, own, no_transform, digest, part)
KINDS: dict[str, Callable[[bytes, dict[str, Any], Start], Any]] = {
    function.__name__: function
    for function in (*WHOLE, *NEVER, reset, unchanged, too_short, events, endless, opens, closes)
}


def app(environ: dict[str, Any], start: Start) -> Any:
    size = parse_qs(environ["QUERY_STRING"]).get("size", ["5000"])[0]
    return KINDS[environ["PATH_INFO"].strip("/")](body_of(int(size)), environ, start)
