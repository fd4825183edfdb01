"""``async def`` under a server that knows nothing of it, and the end of asynchronous bodies.

Under Skitai an awaitable and an asynchronous generator go to the server as they are.  A foreign server
calls us in a thread of its own, and there a loop is run for the one request: libraries of asyncio work,
but what they keep for later (connections) belongs to a loop that has ended by then.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from skitai._lazy import LazyModule
from skitai.core.coroutines import is_async_iterable
from skitai.saddle.response import Response
from skitai.saddle.returns import discard

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LazyModule("asyncio")

__all__ = ["AwaitedClosing", "Pulled", "drop", "run_here"]

T = TypeVar("T")


def run_here(steps: Coroutine[Any, Any, T]) -> T:
    """The result of ``steps``, in this thread.

    Raises:
        RuntimeError: a loop is running in this thread already, and would be held up.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(steps)
    steps.close()
    raise RuntimeError(
        "an async handler was called by a WSGI server inside a running asyncio loop: "
        "serve the application by Skitai, or by a WSGI server with threads"
    )


class Pulled:
    """The pieces of an asynchronous iterator, one by one, for a server that can only iterate."""

    def __init__(self, pieces: AsyncIterator[Any]) -> None:
        self.pieces = pieces

    @functools.cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            piece = self._loop.run_until_complete(_next(self.pieces))
        except StopAsyncIteration:
            raise StopIteration from None
        return piece.encode() if isinstance(piece, str) else bytes(piece)

    def close(self) -> None:
        try:
            self._loop.run_until_complete(_close(self.pieces))
        finally:
            self._loop.close()


class AwaitedClosing:
    """``pieces``, and behind them the end of the request."""

    def __init__(self, pieces: AsyncIterator[Any], response: Response) -> None:
        self._pieces = pieces
        self._response = response

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._pieces.__aiter__()

    async def aclose(self) -> None:
        try:
            await _close(self._pieces)
        finally:
            self._response.close()


async def drop(value: Any) -> None:
    """Close what a function has given and nobody sends; `discard`, for asynchronous streams too."""
    if isinstance(value, Pulled):
        value = value.pieces  # which has no loop of its own yet, and here one may be running
    if is_async_iterable(value):
        await _close(value)
    else:
        discard(value)


async def _next(pieces: AsyncIterator[Any]) -> Any:
    return await pieces.__anext__()


async def _close(pieces: AsyncIterator[Any]) -> None:
    close = getattr(pieces, "aclose", None)
    if close is not None:
        await close()
