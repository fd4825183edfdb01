"""The door to the thread in which ``async def`` runs: who goes in, how many there are, how it ends.

An application may be ``async def``, or give something to be awaited, or an asynchronous iterator of
pieces.  The `Run` that finds this out goes in here, as one task of one asyncio loop
(`skitai.core.awaiting`), and holds no thread of the pool while it waits.

That module is loaded with the first use: asyncio takes 2 MiB and 20 ms that most sites never need.

`Coroutines` may be used from any thread.
"""

from __future__ import annotations

import contextvars
import enum
import importlib
import inspect
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from skitai._kernels import engine

__all__ = ["Asking", "Coroutines", "Sent", "is_async_iterable", "is_asynchronous", "is_coroutine_function"]


class Sent(enum.Enum):
    """A piece of a body was taken, and ..."""

    MORE = "the next one may come"
    NO_ROOM = "the client is slower than the application"
    ENOUGH = "no other is wanted"


class Asking(Protocol):
    """What is needed of a `Run`, which knows what an application owes."""

    context: contextvars.Context

    @property
    def exchange(self) -> engine.Exchange: ...
    def ask(self) -> Any:
        """What the application gave; calls it if nobody has."""

    def returned(self, value: Any, context: contextvars.Context) -> None:
        """Go on with what the coroutine gave, elsewhere; ``context`` is the one that it has left."""

    def send_piece(self, piece: Any) -> Sent: ...
    def finish(self) -> None: ...
    def fail(self, error: BaseException) -> None: ...
    def fail_closing(self, error: BaseException) -> None: ...
    def forsake(self) -> None: ...
    def give_up(self) -> None: ...
    def leave(self) -> None: ...


class _AsyncThread(Protocol):
    """`skitai.core.awaiting.AsyncThread`."""

    def begin(self, run: Asking) -> None: ...
    def stop(self) -> None: ...


def is_asynchronous(result: Any) -> bool:
    """Whether what an application gave is for asyncio.

    Who can be awaited is, even if it can be iterated too (a future); what has both kinds of
    iteration is a plain iterable (Django's streaming response).  The compiled lane has the same
    rule (`sk_is_asynchronous`).
    """
    return hasattr(type(result), "__await__") or is_async_iterable(result)


def is_async_iterable(result: Any) -> bool:
    kind = type(result)
    return hasattr(kind, "__aiter__") and not hasattr(kind, "__iter__")


def is_coroutine_function(application: Any) -> bool:
    """Whether calling it does nothing but make a coroutine or an asynchronous generator."""
    return any(
        inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
        for function in (application, getattr(type(application), "__call__", None))  # noqa: B004
    )


class Coroutines:
    def __init__(self, most: int, report: Callable[[str], None]) -> None:
        """``most``: requests that may be inside at once; ``report(what)`` is called inside the ``except``
        block of a call that broke its promise."""
        self._most = most
        self._report = report
        #: Guards all that follows.
        self._empty = threading.Condition()
        self._thread: _AsyncThread | None = None
        self._inside = 0
        self._stopping = False

    def submit(self, run: Asking) -> bool:
        """Go on with ``run`` in asyncio's thread, once its context is left; False if there is no room.

        Raises what the system or uvloop has against that thread.
        """
        with self._empty:
            if self._inside >= self._most or self._stopping:
                return False
            if self._thread is None:
                awaiting = importlib.import_module("skitai.core.awaiting")
                self._thread = awaiting.AsyncThread(self._leave, self._report)
            self._inside += 1
        self._thread.begin(run)
        return True

    def _leave(self) -> None:
        """One request is over."""
        with self._empty:
            self._inside -= 1
            if not self._inside:
                self._empty.notify_all()

    @property
    def inside(self) -> int:
        return self._inside

    def stop(self, patience: float) -> None:
        """Give those inside ``patience`` seconds, then cancel them."""
        deadline = monotonic() + patience
        with self._empty:
            self._stopping = True
            while self._inside and (left := deadline - monotonic()) > 0:
                self._empty.wait(left)
        if self._thread is not None:
            self._thread.stop()
