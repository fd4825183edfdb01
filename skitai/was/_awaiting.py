"""Waiting where asyncio runs, in an ``async def``, for what the loop of calls completes."""

from __future__ import annotations

import functools
from contextlib import suppress
from typing import TYPE_CHECKING

from skitai._lazy import LazyModule
from skitai._waiting import Future

if TYPE_CHECKING:
    import asyncio
else:  # who waits in threads has no use for it
    asyncio = LazyModule("asyncio")

__all__ = ["until_done"]


async def until_done(future: Future, timeout: float | None = None) -> bool:
    """Whether ``future`` is completed within ``timeout`` seconds; None: however long it takes."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "a call can be awaited where asyncio runs, in an async def; elsewhere getwait() gives its "
            "result, and the result is what a handler can answer with: result.data"
        ) from None
    waiting: asyncio.Future[None] = loop.create_future()
    if future.when_done(functools.partial(_wake, loop, waiting)):
        try:
            await asyncio.wait_for(waiting, None if timeout is None else max(0.0, timeout))
        except asyncio.TimeoutError:
            return False
    return True


def _wake(loop: asyncio.AbstractEventLoop, waiting: asyncio.Future[None]) -> None:
    with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
        loop.call_soon_threadsafe(_set, waiting)


def _set(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():  # it may have been cancelled
        waiting.set_result(None)
