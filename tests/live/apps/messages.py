"""WebSockets whose messages are calls, plain ones and others: for `tests.live.test_message_calls`."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import skitai
from skitai.saddle import Saddle

Environ = dict[str, Any]
Start = Callable[..., Any]

TEXT = [("Content-Type", "text/plain")]
BINARY = [("Content-Type", "application/octet-stream")]
GO = threading.Event()
CLOSED: list[str] = []


class Pieces:
    """An iterable with a `close`."""

    def __init__(self, message: str) -> None:
        self.message = message

    def __iter__(self) -> Iterator[bytes]:
        yield from (b"one ", b"two ")

    def close(self) -> None:
        CLOSED.append(self.message)


def _twice(message: str, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    start("200 OK", TEXT)
    return [b"never"]


def _again(message: str, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    try:
        raise LookupError("a secret")
    except LookupError:
        start("200 OK", BINARY, sys.exc_info())
    return [b"again"]


def _written(message: str, start: Start) -> Iterable[bytes]:
    write = start("200 OK", TEXT)
    write(b"written ")
    return [b"returned"]


def _pieces(message: str, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    return Pieces(message)


def _refused(message: str, start: Start) -> Iterable[bytes]:
    start("404 Not Found", TEXT)
    return [b"no"]


def _short(message: str, start: Start) -> Iterable[bytes]:
    start("200 OK", [("Content-Length", "10")])
    return [b"short"]


def _bad_length(message: str, start: Start) -> Iterable[bytes]:
    start("200 OK", [("Content-Length", "many")])
    return [b"never"]


def _raises(message: str, start: Start) -> Iterable[bytes]:
    raise LookupError(f"{message} was not found")


def _unstarted(message: str, start: Start) -> Iterable[bytes]:
    return [b"never"]


def _wait(message: str, start: Start) -> Iterable[bytes]:
    GO.wait(20)
    start("200 OK", TEXT)
    return [message.encode()]


def _wait_and_raise(message: str, start: Start) -> Iterable[bytes]:
    GO.wait(20)
    raise LookupError(f"{message} was not found")


def _nap(message: str, start: Start) -> Iterable[bytes]:
    time.sleep(0.02)
    start("200 OK", TEXT)
    return [message.encode()]


def _go(message: str, start: Start) -> Iterable[bytes]:
    GO.set()
    start("200 OK", TEXT)
    return [b"gone"]


def _stop(message: str, start: Start) -> Iterable[bytes]:
    GO.clear()
    start("200 OK", TEXT)
    return [b"stopped"]


def _closed(message: str, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    return [" ".join(CLOSED).encode()]


def _no_text(message: str, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    return [b"\xff\xfe"]


def _nothing(message: str, start: Start) -> Iterable[bytes]:
    start("204 No Content", [])
    return []


def _query(message: str, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    return [message.encode()]


DEEDS: dict[str, Callable[[str, Start], Iterable[bytes]]] = {
    "again": _again,
    "bad-length": _bad_length,
    "closed": _closed,
    "go": _go,
    "nap": _nap,
    "no-text": _no_text,
    "nothing": _nothing,
    "pieces": _pieces,
    "raises": _raises,
    "refused": _refused,
    "short": _short,
    "stop": _stop,
    "twice": _twice,
    "unstarted": _unstarted,
    "wait": _wait,
    "wait-and-raise": _wait_and_raise,
    "written": _written,
}


def app(environ: Environ, start: Start) -> Iterable[bytes]:
    """A text of `DEEDS` does that; any other message comes back."""
    if "websocket_init" in environ:
        environ["websocket_init"] = (skitai.WEBSOCKET_REQDATA, 60, "m")
        start("200 OK", [])
        return []
    message = environ["skitai.websocket.message"]
    if environ["PATH_INFO"] == "/query":
        return _query(environ["QUERY_STRING"], start)
    environ.clear()  # nobody else may see that
    if isinstance(message, bytes):
        start("200 OK", BINARY)
        return [message]
    deed = DEEDS.get(message.partition(" ")[0])
    if deed is not None:
        return deed(message, start)
    start("200 OK", TEXT)
    return [message.encode()]


saddle = Saddle(__name__)


@saddle.route("/parked")
def parked(was: Any, m: str = "") -> Any:
    if "websocket_init" in was.env:
        was.env["websocket_init"] = (skitai.WEBSOCKET_REQDATA, 60, "m")
        return ""
    if m == "stop":
        GO.clear()
    elif m == "go":
        GO.set()
    elif m == "wait":
        while not GO.is_set():
            skitai.sleep(0.01)
    elif m == "raise":
        raise LookupError("not found")
    return m
