"""Waiting: a value that somebody completes, and how a handler waits for it.

    future = Future()
    loop.call_soon(ask, future.complete)    # whoever completes it, from any thread
    value = future.wait(5.0)

A wait costs a thread unless the engine can *park* the handler's stack (`skitai._speedups.parking`).
So nobody here knows how to wait: the engine says so (`install`).  Without one that can, and
wherever that one does not park, a wait blocks its thread; in the compiled build another
thread then leads the loop.  What is seen is the same.

A wait ends with the value, with the time, or with its request: when the client has hung up, or
was answered 503 in the handler's place (`response_timeout`), nobody needs the value any more.
Which request that is says the context (`REQUEST`), so it is found from a thread of the
application's own, too, if that runs in a copy of the context.

The lowest floor, because ``import skitai`` shall cost no engine.  Any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from skitai import _forks
from skitai.errors import ClientDisconnected, WaitTimeout

__all__ = ["HERE", "REQUEST", "Blocked", "Future", "Request", "Waiter", "install", "sleep"]

#: Seconds between two looks of a blocked thread at its request: the clocks of connections are as exact.
_LOOK = 0.25


class Request(Protocol):
    """What a wait belongs to; an `Exchange`."""

    @property
    def loss(self) -> ClientDisconnected | None:
        """Why no response can be given any more; None while one can, or has been."""


class Waiter(Protocol):
    """One wait of one thread or stack."""

    def wait(self, timeout: float | None) -> bool:
        """Until `wake` (True) or until the time is over (False).  Raises `Request.loss`."""

    def wake(self) -> object:
        """Any thread; before `wait`, too.  Only the first one counts."""


#: The request that is being answered in this context.
REQUEST: ContextVar[Request] = ContextVar("skitai.request")


class _Here(threading.local):
    #: This thread has the loop for good (``threads = 0``): nobody could end a wait that blocks it.
    is_alone = False
    #: The request that this thread answers in a lane, if it does and if that is known.
    in_lane: Callable[[], Request | None] | None = None


def _nowhere() -> Waiter | None:
    return None


HERE = _Here()
_parking: Callable[[], Waiter | None] = _nowhere
_may_park = True


def install(parking: Callable[[], Waiter | None]) -> None:
    """``parking()`` gives the waiter that parks the calling stack; None where that is not possible."""
    global _parking
    _parking = parking


def _follow(is_child: bool) -> None:
    """In a child that a handler has forked nobody would take a parked handler up again: its waits block."""
    global _may_park
    _may_park = not is_child
    if is_child:
        HERE.is_alone = False
        HERE.in_lane = None


_forks.follow(_follow)


def _parked() -> Waiter | None:
    return _parking() if _may_park else None


def _request() -> Request | None:
    """The one that is being answered here."""
    found = REQUEST.get(None)
    if found is None and HERE.in_lane is not None:
        return HERE.in_lane()
    return found


class Blocked:
    """A waiter that blocks its thread."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wake(self) -> None:
        # Only the future wakes it, and forgets it then: never twice.
        self._lock.release()

    def wait(self, timeout: float | None) -> bool:
        if HERE.is_alone:
            raise RuntimeError(
                "this wait would block the thread that has to end it: with threads = 0 a handler can "
                "wait only where it is parked; set park = yes in the section of its [mount], with greenlet "
                "installed, or give threads"
            )
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            request = _request()  # one in its lane has none until another thread leads
            if request is not None and (loss := request.loss) is not None:
                raise loss
            left = _LOOK if until is None else until - time.monotonic()
            if self._lock.acquire(timeout=max(0.0, min(left, _LOOK))):
                return True
            if until is not None and time.monotonic() >= until:
                return False


class _Callback:
    """Who is told of a wait's end and does not wait."""

    __slots__ = ("wake",)

    def __init__(self, wake: Callable[[], object]) -> None:
        self.wake = wake

    def wait(self, timeout: float | None) -> bool:
        raise RuntimeError("it does not wait")


class Future:
    """A value that is completed once, from any thread, and waited for by any number of handlers."""

    __slots__ = ("_done", "_error", "_lock", "_value", "_waiters")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._waiters: list[Waiter] = []

    @property
    def done(self) -> bool:
        return self._done

    def complete(self, value: Any = None) -> bool:
        """The value is there; False if the future was completed before, and nothing has changed."""
        return self._end(value, None)

    def fail(self, error: BaseException) -> bool:
        """There will be no value: whoever waits gets ``error``.  The result as that of `complete`."""
        return self._end(None, error)

    def _end(self, value: Any, error: BaseException | None) -> bool:
        with self._lock:
            if self._done:
                return False
            self._value, self._error, self._done = value, error, True
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.wake()
        return True

    def wait(self, timeout: float | None = None) -> Any:
        """The value, once it is there; at most ``timeout`` seconds from now.

        Raises what `fail` was told, WaitTimeout when the time is over, ClientDisconnected when the
        client has hung up, ResponseOverdue when ``response_timeout`` has passed.
        """
        waiter = self._new_waiter()
        if waiter is not None:
            try:
                woken = waiter.wait(timeout)
            finally:
                self._forget(waiter)
            if not woken and not self._done:
                raise WaitTimeout(f"what was waited for did not come within {timeout:g} s")
        if self._error is not None:
            raise self._error
        return self._value

    def when_done(self, callback: Callable[[], object]) -> bool:
        """Call ``callback()`` once it is completed, in the thread that does it; it must not raise.  False: it
        is complete, and nothing will be called."""
        with self._lock:
            if self._done:
                return False
            self._waiters.append(_Callback(callback))
            return True

    def _new_waiter(self) -> Waiter | None:
        with self._lock:
            if self._done:
                return None
            waiter = _parked() or Blocked()
            self._waiters.append(waiter)
            return waiter

    def _forget(self, waiter: Waiter) -> None:
        with self._lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)


def sleep(seconds: float) -> None:
    """Do nothing for ``seconds`` (float, from 0 on).

    In a handler of a mount with ``park = yes`` the handler's stack is parked: the wait costs some KiB
    and no thread, and the thread goes on with other requests.  Anywhere else, in a thread of the
    application's own too, this is `time.sleep`: it blocks its thread and, in a handler, another
    one takes over what that thread had to do.  May be called from any thread.

    Raises:
        ClientDisconnected: (parked) the client has hung up: nobody waits for the answer.
        ResponseOverdue: (parked) response_timeout has passed; the client was answered 503.
        ValueError, TypeError, OverflowError: as `time.sleep`, for what is no such number.
    """
    waiter = _parked()
    if waiter is None or not 0 <= seconds <= threading.TIMEOUT_MAX:
        time.sleep(seconds)  # whose errors are good ones
    else:
        waiter.wait(seconds)


def parks() -> bool:
    """Whether a wait of the calling stack would park it."""
    return _parked() is not None
