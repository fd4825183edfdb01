"""The thread `skitai-async`: one asyncio loop, and in it one task for each request.

    application ──awaitable──▶ task ──list──▶ answered here
         │                      │└──iterable──▶ its run, in a worker: it may block
         └──async iterator──────┴──async iterator──▶ pieces, as the client takes them

The loop is uvloop's where that is installed.  What comes in from other threads stands in one queue, and
only who finds no wake-up on its way sends one: a thousand requests, or cancellations, that come
together cost one.  In the other direction the engine's loop does the same (`EventLoop.call_soon`).
Neither side wakes the other before its own turn is over, because from then on the two would fight for
the GIL: measured, that is a sixth of the processor time of a quick request.

A task is cancelled when its response can never be complete: the client has gone, or the engine has
answered 503 in the handler's place.  That clock is the engine's: who swallows the cancellation keeps
a place of ``coroutines_max``, and no client waits for it.

`AsyncThread.begin`, `call_soon` and `stop` may be called from any thread; all else runs in this one.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import importlib
import importlib.util
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any
from weakref import WeakSet

from skitai import _forks
from skitai.core.coroutines import Asking, Sent, is_async_iterable
from skitai.errors import ClientDisconnected, HTTPError

__all__ = ["AsyncThread", "new_loop"]

#: Pieces sent before other coroutines get their turn: a generator that never waits would keep it.
_PIECES = 16
#: Seconds that cancelled coroutines have for their ``finally`` when the server stops.
_CANCEL_PATIENCE = 0.5


def new_loop() -> asyncio.AbstractEventLoop:
    """Of uvloop where it is installed; it has none for Windows."""
    if sys.platform != "win32" and importlib.util.find_spec("uvloop") is not None:
        return importlib.import_module("uvloop").new_event_loop()  # type: ignore[no-any-return]
    return asyncio.new_event_loop()


#: Those that there are, for `_follow`.
_threads: WeakSet[AsyncThread] = WeakSet()


class AsyncThread:
    def __init__(
        self,
        on_left: Callable[[], None],
        report: Callable[[str], None],
        *,
        make_loop: Callable[[], asyncio.AbstractEventLoop] = new_loop,
    ) -> None:
        """Started at once.  ``on_left()`` is called at the end of each request; ``report(what)`` inside the
        ``except`` block of a call that broke its promise."""
        self.on_left = on_left
        self._report = report
        self.loop = make_loop()
        self._calls: deque[Callable[[], object]] = deque()
        # Set by who wakes, cleared by the loop *before* it takes the calls.
        self._wake_pending = False
        #: Guards `_ended`: a loop that is closed cannot be woken.
        self._lock = threading.Lock()
        self._ended = False
        #: What is cancelled from here on is so because the server ends.
        self.stopping = False
        self._thread = threading.Thread(target=self._run, name="skitai-async", daemon=True)
        _threads.add(self)
        self._thread.start()

    # -- any thread -----------------------------------------------------------------------

    def begin(self, run: Asking) -> None:
        self._calls.append(_Task(self, run).begin)
        if not self._wake_pending:
            self._wake_pending = True
            # When the engine has read what else there is: woken now, this thread would fight it for the GIL.
            run.exchange.yield_turn(self._wake)

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call ``callback()`` in the loop's thread; of no effect once that has ended."""
        self._calls.append(callback)
        if not self._wake_pending:
            self._wake_pending = True
            self._wake()

    def _wake(self) -> None:
        with self._lock:
            if not self._ended:
                self.loop.call_soon_threadsafe(self._run_calls)

    def stop(self) -> None:
        """Cancel what there is, and end."""
        self.stopping = True
        self._calls.append(self._end)
        self._wake()  # the engine, which may owe us a wake-up, may have ended
        # Who never gives way, or swallows its cancellation, ends with the process.
        self._thread.join(2 * _CANCEL_PATIENCE)

    # -- the loop's thread ------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._ended:
                self._run_until_stopped()
        finally:
            self.loop.close()

    def _run_until_stopped(self) -> None:
        try:
            self.loop.run_forever()
        except BaseException:
            # SystemExit in a task that an application has started leaves the loop; the others go on.
            self._report("a task of asyncio")

    def _run_calls(self) -> None:
        self._wake_pending = False
        # As many as there are now: what they add comes after the others' turn.
        for _ in range(len(self._calls)):
            callback = self._calls.popleft()
            try:
                callback()
            except Exception:
                self._report("a call in asyncio's thread")

    def _end(self) -> None:
        ending = self.loop.create_task(self._cancel_all())
        ending.add_done_callback(lambda _: self._leave_loop())

    async def _cancel_all(self) -> None:
        """Tasks that applications have started of their own too, as `asyncio.run` does it."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_PATIENCE)
        await self.loop.shutdown_asyncgens()

    def end_child(self) -> None:
        """In a child that a coroutine has forked: before it goes on with the tasks of others."""
        if threading.current_thread() is self._thread:
            self.loop.call_soon(_forks.end)

    def _leave_loop(self) -> None:
        with self._lock:
            self._ended = True
        self.loop.stop()


class _Task:
    """One request."""

    __slots__ = ("_given", "_is_over", "_run", "_task", "_thread")

    def __init__(self, thread: AsyncThread, run: Asking) -> None:
        self._thread = thread
        self._run = run
        self._task: asyncio.Task[None] | None = None
        #: What the run goes on with, and in which context.
        self._given: tuple[Any, contextvars.Context] | None = None
        #: The response is complete, or never will be: what is cleaned up behind it is not cancelled.
        self._is_over = False

    def begin(self) -> None:
        run = self._run
        if not run.exchange.when_lost(self._on_lost):
            self._end()
            return
        # The task gets a copy of the context that it is made in: there is no other way in Python 3.10.
        self._task = run.context.run(self._thread.loop.create_task, self._answer())
        # Not at the end of `_answer`, which is never begun if it is cancelled before.  So, too, all that
        # end in one turn of the loop go back together.
        self._task.add_done_callback(lambda _: self._end())

    def _end(self) -> None:
        try:
            if self._given is not None:
                self._run.returned(*self._given)
            else:
                self._run.leave()
        finally:
            self._thread.on_left()

    def _on_lost(self) -> None:
        """The engine's thread."""
        self._thread.call_soon(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None and not self._is_over:
            self._task.cancel()

    async def _answer(self) -> None:
        run = self._run
        try:
            result = run.ask()
            if hasattr(type(result), "__await__"):
                result = await result
            _forks.check()
            if is_async_iterable(result):
                await self._stream(result)
            else:
                self._given = (result, contextvars.copy_context())
                self._is_over = True
        except BaseException as error:  # SystemExit of an application ends its request only
            self._fail(error)
        finally:
            run.give_up()  # here, for the run knows nothing of the task's context

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            if not self._run.exchange.is_current:
                return  # it was us, and nobody is left to be told
            if self._thread.stopping:
                error = HTTPError(503, "The server is stopping.")
        if isinstance(error, ClientDisconnected):
            self._run.forsake()
        else:
            self._run.fail(error)

    async def _stream(self, pieces: AsyncIterator[Any]) -> None:
        try:
            await self._send_all(pieces)
            self._run.finish()
        finally:
            self._is_over = True
            close = getattr(pieces, "aclose", None)
            if close is not None:
                try:
                    await close()
                except Exception as error:
                    self._run.fail_closing(error)

    async def _send_all(self, pieces: AsyncIterator[Any]) -> None:
        run = self._run
        count = 0
        async for piece in pieces:
            sent = run.send_piece(piece)
            if sent is Sent.ENOUGH:
                return
            count += 1
            if sent is Sent.NO_ROOM:
                await self._room()
            elif not count % _PIECES:
                await asyncio.sleep(0)

    async def _room(self) -> None:
        """Until the client has taken most of what waits, or has gone."""
        room: asyncio.Future[None] = self._thread.loop.create_future()
        wake = functools.partial(self._thread.call_soon, functools.partial(_set, room))
        if self._run.exchange.when_room(wake):
            await room


def _follow(is_child: bool) -> None:
    if is_child:
        for thread in _threads:
            thread.end_child()


_forks.follow(_follow)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():  # it may have been cancelled
        future.set_result(None)
