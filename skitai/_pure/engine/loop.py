"""The event loop: ready sockets, calls from other threads, timers.

One thread, the *loop thread*, is inside `run` from start to stop.  `call_soon` may be
used from any thread, `call_later`, `watch` and `unwatch` only from the loop thread (or
before `run`).  A callback that raises is reported to ``on_error`` and the loop goes on:
nothing that one connection does may end the service of the others.
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

__all__ = ["READ", "WRITE", "EventLoop", "Timer", "Watchable"]

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE


class Watchable(Protocol):
    """A socket, or what else has a descriptor that becomes ready."""

    def fileno(self) -> int: ...


class Timer:
    """One call in the future; ``cancel()`` it in the loop thread."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class EventLoop:
    def __init__(self, on_error: Callable[[str], None]) -> None:
        """``on_error(what)`` is called inside the ``except`` block of a failed callback."""
        self._on_error = on_error
        self._selector = selectors.DefaultSelector()
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._timer_order = count()
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
        timer = Timer(callback)
        heapq.heappush(self._timers, (monotonic() + delay, next(self._timer_order), timer))
        return timer

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
        for key, events in self._selector.select(self._patience()):
            self._guarded(key.data, events)
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
        now = monotonic()
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                self._guarded(callback)

    def _guarded(self, callback: Callable[..., None], *args: Any) -> None:
        try:
            callback(*args)
        except Exception:
            self._on_error(f"event loop callback {getattr(callback, '__qualname__', callback)}")

    def _on_wake(self, events: int) -> None:
        try:
            while self._wake_reader.recv(4096):
                continue
        except (BlockingIOError, InterruptedError):
            self._wake_pending = False
