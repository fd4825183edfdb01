"""The applications that every server under comparison runs: as little as WSGI allows.

What is measured is the server, so an application does no work of its own, and states its
Content-Length, so that no server is made to guess or to chunk.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

HELLO = b"Hello World\n"
TEN_KIB = b"x" * 10 * 1024
ONE_MIB = b"x" * 1024 * 1024


def _rows(count: int) -> list[dict[str, Any]]:
    """What an API gives: the same keys again and again, values of few words and many numbers."""
    dice = random.Random(1)
    words = ["".join(dice.choices("etaoinshrdlu", k=dice.randint(3, 9))) for _ in range(400)]
    return [
        {
            "id": number,
            "name": f"{dice.choice(words)} {dice.choice(words)}",
            "email": f"{dice.choice(words)}@example.com",
            "active": dice.random() < 0.7,
            "score": dice.random(),
            "tags": dice.choices(words, k=4),
        }
        for number in range(count)
    ]


TWENTY_KIB_JSON = json.dumps(_rows(130)).encode()


def _answer(body: bytes, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    return _answer(HELLO, start_response)


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The query, and who answers."""
    return _answer(f"{environ['QUERY_STRING']} {os.getpid()}".encode(), start_response)


def ten_kib(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    return _answer(TEN_KIB, start_response)


def one_mib(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    return _answer(ONE_MIB, start_response)


def rows(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    fields = [("Content-Type", "application/json"), ("Content-Length", str(len(TWENTY_KIB_JSON)))]
    start_response("200 OK", fields)
    return [TWENTY_KIB_JSON]


def mixed(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """``/sleep`` waits for 50 ms, ``/burn`` computes for 20 ms of its thread's own time."""
    path = environ["PATH_INFO"]
    if path == "/sleep":
        time.sleep(0.05)
    elif path == "/burn":
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            continue
    return _answer(HELLO, start_response)


def busy(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Waits for 50 ms; and from the first call on a thread computes for as long as the process lives."""
    if not _SPINNING:
        _SPINNING.append(threading.Thread(target=_spin, daemon=True))
        _SPINNING[0].start()
    time.sleep(0.05)
    return _answer(HELLO, start_response)


_SPINNING: list[threading.Thread] = []


def _spin() -> None:
    while True:
        continue


async def awaited(asked: Any, answer: Any, send: Any = None) -> Any:
    """An ``async def`` as each server calls it: with ``environ`` and ``start_response`` or, after the other
    protocol, with ``scope``, ``receive`` and ``send``."""
    if send is None:
        return _answer(HELLO, answer)
    if asked["type"] == "http":
        fields = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(HELLO))]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": HELLO})
    return None


def post(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The body's length, read the way that works on every server: by CONTENT_LENGTH."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    return _answer(b"%d\n" % len(body), start_response)
