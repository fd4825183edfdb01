"""c-ares on our loop: its sockets are watched, its clock is a timer of ours.

c-ares calls back from within: about sockets and answers, while it is inside `query` or `process_fd`.  What an
answer is wanted for is done from the loop, when c-ares has been left.

A channel keeps answers by itself, which pycares cannot turn off: positive ones for no longer than we do,
negative ones for as long as their zone says, and "no such record" for an hour.  Whoever needs to ask anew
makes a new channel and retires the old one, which closes when its last query has been answered.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from skitai._kernels import engine
from skitai._lazy import LazyModule
from skitai.core.resolver.resolvconf import ResolvConf

if TYPE_CHECKING:
    import pycares
else:
    pycares = LazyModule("pycares")

__all__ = ["Channel", "OnResult"]

#: Called in the loop thread with what the servers have said, or with a number of `pycares.errno`.
OnResult: TypeAlias = "Callable[[pycares.DNSResult | int], None]"

#: c-ares rounds down; a turn of the loop too early would be one for nothing.
_SOONEST = 0.001
#: pycares tells neither "at once" from "never", nor is it wrong to look in vain.
_UNTOLD = 1.0


class _Descriptor:
    """A socket of c-ares, for the loop."""

    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        return self._number


class Channel:
    """The loop thread's.  May not be closed from a callback of c-ares, and never is: see above."""

    def __init__(self, loop: engine.EventLoop, conf: ResolvConf) -> None:
        """Raises what the import of pycares raises, and `pycares.AresError`."""
        self._loop = loop
        self._sockets: dict[int, _Descriptor] = {}
        self._queries = 0
        self._timer: engine.Timer | None = None
        self._due = 0.0
        self._is_retired = False
        self.is_closed = False  # to be read only
        self._cares = pycares.Channel(
            sock_state_cb=self._on_socket,
            servers=conf.servers or None,
            timeout=conf.timeout,
            tries=conf.attempts,
            rotate=conf.rotates,
        )
        #: Seconds until c-ares has to look at its clock.
        self._patience: Callable[[], float] = self._cares.timeout

    def query(self, name: str, kind: int, on_result: OnResult) -> None:
        """``kind`` is a type of records.  ``on_result`` is called once unless it is closed first."""
        self._queries += 1
        is_told = False  # c-ares both calls back and says so where it refuses a query

        def on_answer(result: pycares.DNSResult | None, status: int | None) -> None:
            nonlocal is_told
            if self.is_closed or is_told:
                return  # closed: from a thread of pycares
            is_told = True
            self._queries -= 1
            self._loop.call_soon(on_result, status if result is None else result)
            if self._is_retired:
                self._loop.call_soon(self._close_if_done)

        try:
            self._cares.query(name, kind, callback=on_answer)
        except pycares.AresError as error:
            on_answer(None, error.args[0])
        self._set_clock()

    def retire(self) -> None:
        """No more queries; it closes as soon as those under way are answered."""
        self._is_retired = True
        self._close_if_done()

    def close(self) -> None:
        """Nothing is answered any more."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for descriptor in self._sockets.values():
            self._loop.unwatch(descriptor)
        self._sockets.clear()
        self._cares.close()  # in a thread of pycares, which calls back from there

    def _close_if_done(self) -> None:
        if not self._queries:
            self.close()

    # -- sockets and time -----------------------------------------------------------------

    def _on_socket(self, number: int, readable: bool, writable: bool) -> None:
        """c-ares has opened a socket, wants something else of it, or is about to close it."""
        if self.is_closed:
            return
        events = (EVENT_READ if readable else 0) | (EVENT_WRITE if writable else 0)
        descriptor = self._sockets.get(number)
        if not events:
            if descriptor is not None:
                del self._sockets[number]
                self._loop.unwatch(descriptor)
        elif descriptor is None:
            descriptor = self._sockets[number] = _Descriptor(number)
            self._loop.watch(descriptor, events, partial(self._on_ready, number))
        else:
            self._loop.rewatch(descriptor, events, partial(self._on_ready, number))

    def _on_ready(self, number: int, events: int) -> None:
        none: int = pycares.ARES_SOCKET_BAD
        self._process(number if events & EVENT_READ else none, number if events & EVENT_WRITE else none)

    def _on_clock(self) -> None:
        self._timer = None
        self._process(pycares.ARES_SOCKET_BAD, pycares.ARES_SOCKET_BAD)

    def _process(self, readable: int, writable: int) -> None:
        if self.is_closed:
            return  # an event of the batch in which it was closed
        self._cares.process_fd(readable, writable)
        self._set_clock()

    def _set_clock(self) -> None:
        if self._timer is not None and not self._queries:
            self._timer.cancel()
            self._timer = None
        if not self._queries:
            return
        delay = max(self._patience() or _UNTOLD, _SOONEST)
        due = monotonic() + delay
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_later(delay, self._on_clock)
