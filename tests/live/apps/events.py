"""Server-sent events without end: ``/events`` by a generator, ``/async`` by an asynchronous one.

Each tells on stderr that it was closed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from skitai.saddle import Saddle

app = Saddle(__name__)


@app.route("/events")
def events(was: Any) -> Any:
    was.response["Content-Type"] = "text/event-stream"
    return _events()


@app.route("/async")
async def async_events(was: Any) -> Any:
    was.response["Content-Type"] = "text/event-stream"
    return _async_events()


@app.route("/plain")
def plain(was: Any) -> Any:
    """No events: it has an end, and is to come to it."""
    was.response["Content-Type"] = "text/plain"
    return _plain()


def _events() -> Iterator[str]:
    number = 0
    try:
        while True:
            yield f"id: {number}\n"
            time.sleep(0.02)
            yield f"data: {number}\n\n"
            number += 1
    finally:
        print("closed", file=sys.stderr, flush=True)


async def _async_events() -> AsyncIterator[str]:
    number = 0
    try:
        while True:
            await asyncio.sleep(0.02)
            yield f"id: {number}\ndata: {number}\n\n"
            number += 1
    finally:
        print("closed", file=sys.stderr, flush=True)


def _plain() -> Iterator[str]:
    for number in range(50):
        time.sleep(0.02)
        yield f"{number}\n\n"
