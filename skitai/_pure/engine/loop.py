"""The event loop: ready sockets, calls from other threads, timers.

One thread, the *loop thread*, is inside `run` from start to stop.  `call_soon` may be
used from any thread, `call_later`, `watch` and `unwatch` only from the loop thread (or
before `run`).  A callback that raises is reported to ``on_error`` and the loop goes on:
nothing that one connection does may end the service of the others.

Most timers are cancelled long before they are due.  They stay in the heap, where nobody could find them
soon enough, until they are more than the others: then the heap is made anew, which costs each of them
about one comparison.
"""

from __future__ import annotations

import heapq
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from itertools import count
from time import monotonic
from typing import Any, Protocol

from skitai import _forks

__all__ = ["READ", "WRITE", "EventLoop", "Timer", "Watchable", "change_watch"]

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE


class Watchable(Protocol):
    """A socket, or what else has a descriptor that becomes ready."""

    def fileno(self) -> int: ...


#: So few timers that are cancelled are no burden.
_CANCELLED_MIN = 64


class Timer:
    """One call in the future; ``cancel()`` it in the loop thread."""

    __slots__ = ("_loop", "callback")

    def __init__(self, loop: EventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        #: None: it was called, or cancelled.
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            self._loop.timer_cancelled()


def change_watch(
    loop: EventLoop, sock: Watchable, before: int, events: int, callback: Callable[[int], None]
) -> int:
    """Have ``sock`` watched for ``events``, or for none, in the place of ``before``; gives ``events``."""
    if events == before:
        return events
    if not events:
        loop.unwatch(sock)
    elif before:
        loop.rewatch(sock, events, callback)
    else:
        loop.watch(sock, events, callback)
    return events


class EventLoop:
    def __init__(self, on_error: Callable[[str], None]) -> None:
        """``on_error(what)`` is called inside the ``except`` block of a failed callback."""
        self._on_error = on_error
        # A child that a handler has forked has made it for itself, and serves nobody by it.
        self._is_of_child = _forks.is_child()
        self._selector = selectors.DefaultSelector()
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        #: When the system said last what is ready.
        self._heard_at = 0.0
        self._timer_order = count()
        #: Of these, those that were cancelled.
        self._cancelled = 0
        self._stopping = False
        self._thread_id = 0
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        # A byte is in the pipe, or about to be: set by the waker, cleared by the loop *before*
        # it takes the calls, so that a call appended after the taking always writes anew.
        self._wake_pending = False
        self._selector.register(self._wake_reader, READ, self._on_wake)

    def in_loop_thread(self) -> bool:
        return threading.get_ident() == self._thread_id

    # -- any thread ---------------------------------------------------------------------

    def call_soon(self, callback: Callable[..., None], *args: Any) -> None:
        """Run ``callback(*args)`` in the loop thread, after what is already waiting."""
        self._calls.append((callback, args))
        if not self._wake_pending and threading.get_ident() != self._thread_id:
            self._wake()

    def stop(self) -> None:
        self._stopping = True
        self._wake()

    def _wake(self) -> None:
        self._wake_pending = True
        try:
            self._wake_writer.send(b"\0")
        except (BlockingIOError, InterruptedError):
            return  # the pipe is full of wake-ups: the loop will see one
        except OSError:
            return  # the loop is closed: there is nothing left to wake

    # -- loop thread --------------------------------------------------------------------

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback()`` once, ``delay`` seconds from now."""
        timer = Timer(self, callback)
        heapq.heappush(self._timers, (monotonic() + delay, next(self._timer_order), timer))
        return timer

    def timer_cancelled(self) -> None:
        """One more of them; called by itself."""
        self._cancelled += 1
        if self._cancelled > _CANCELLED_MIN and self._cancelled * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if entry[2].callback is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def watch(self, sock: Watchable, events: int, callback: Callable[[int], None]) -> None:
        """Call ``callback(events)`` whenever ``sock`` is ready (level-triggered)."""
        self._selector.register(sock, events, callback)

    def rewatch(self, sock: Watchable, events: int, callback: Callable[[int], None]) -> None:
        self._selector.modify(sock, events, callback)

    def unwatch(self, sock: Watchable) -> None:
        self._selector.unregister(sock)

    def run(self) -> None:
        """Serve until `stop`; then close the loop's own descriptors."""
        self._thread_id = threading.get_ident()
        try:
            while not self._stopping:
                self._turn()
        finally:
            self._thread_id = 0
            self._selector.close()
            self._wake_reader.close()
            self._wake_writer.close()

    def _turn(self) -> None:
        if not self._is_of_child:
            _forks.check()
        ready = self._selector.select(self._patience())
        if self._timers:
            self._heard_at = monotonic()
        for key, events in ready:
            # `_guarded` written out: a call less for each event.
            try:
                key.data(events)
            except Exception:
                self._failed(key.data)
        # As many calls as there are now: those that they add come after the next poll, so
        # that a call which renews itself (a long generator) never starves the sockets.
        for _ in range(len(self._calls)):
            callback, args = self._calls.popleft()
            self._guarded(callback, *args)
        if self._timers:
            self._run_timers()

    def _patience(self) -> float | None:
        if self._calls or self._stopping:
            return 0
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - monotonic())

    def _run_timers(self) -> None:
        """Those that were due when the system was asked last: what came before a clock rings is heard first,
        also where this thread has stood still meanwhile, as while a handler holds the GIL."""
        while self._timers and self._timers[0][0] <= self._heard_at:
            timer = heapq.heappop(self._timers)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                self._guarded(callback)
            else:
                self._cancelled -= 1

    def _guarded(self, callback: Callable[..., None], *args: Any) -> None:
        try:
            callback(*args)
        except Exception:
            self._failed(callback)

    def _failed(self, callback: Callable[..., None]) -> None:
        """Within the ``except`` block."""
        self._on_error(f"event loop callback {getattr(callback, '__qualname__', callback)}")

    def _on_wake(self, events: int) -> None:
        try:
            while self._wake_reader.recv(4096):
                continue
        except (BlockingIOError, InterruptedError):
            self._wake_pending = False
