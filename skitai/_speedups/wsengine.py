"""WebSockets on the engine of the compiled build: those of the pure one over the compiled core.

Where the receiver has messages answered by calls, they are made in the thread that leads (wscalls.pyx).
Such a call may give the lead away, so whoever is above it on the stack looks whether the loop is still its
own.
"""

from __future__ import annotations

from typing import Any

from skitai._pure.engine.loop import READ, WRITE, change_watch
from skitai._pure.engine.websocket import WebSocket as PureWebSocket
from skitai._pure.engine.wscalls import CallTerms, MessageCaller
from skitai._pure.engine.wsphases import CLOSED
from skitai._speedups.lanes import Lanes
from skitai._speedups.websocket import Connection
from skitai._speedups.wscalls import MessageCalls

__all__ = ["WebSocket"]


class WebSocket(PureWebSocket):
    __slots__ = ("_callback", "_calls")

    core = Connection

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._calls: MessageCalls | None = None
        #: In place of `on_ready`.
        self._callback: Any = None
        super().__init__(*arguments, **options)

    def call_here(self, receiver: MessageCaller, terms: CallTerms) -> MessageCalls | None:
        lanes = getattr(self._owner, "lanes", None)
        if not isinstance(lanes, Lanes):
            return None
        self._calls = calls = MessageCalls(lanes, self, receiver, terms)
        self.loop.call_soon(calls.arm)
        return calls

    def on_ready(self, events: int) -> None:
        """What is not for calls alone."""
        if events & WRITE & self._interest:
            self._on_writable()
            if not self.loop.in_loop_thread():
                return
        if events & READ & self._interest:
            self._on_readable()

    def _set_interest(self, interest: int) -> None:
        if self._callback is None:
            super()._set_interest(interest)
        else:
            self._interest = change_watch(self.loop, self.sock, self._interest, interest, self._callback)

    def tell(self) -> None:
        if self._calls is not None:
            self._calls.tell()

    def expire(self, now: float) -> None:
        self.tell()
        super().expire(now)

    def close(self) -> None:
        self.tell()
        super().close()
        self._calls = self._callback = None

    # -- what calls ask -----------------------------------------------------------------------

    def watch_by(self, callback: Any) -> None:
        """Have ``callback`` told what the socket is ready for."""
        if self.phase is not CLOSED:
            self._callback = callback
            if self._interest:
                self.loop.rewatch(self.sock, self._interest, callback)

    @property
    def is_between(self) -> bool:
        return not self._inbox and super().is_between

    def take(self, data: bytes) -> None:
        """What has come and is not plain, or not for now."""
        self._take(data)

    def ended(self) -> None:
        self._ended()

    def send_rest(self, data: bytes) -> None:
        """Of answers: the socket did not take it."""
        with self.lock:
            self._flush(data)

    def go_on_without(self) -> None:
        """Another thread leads, and the former one is inside a call that the receiver was to make."""
        if self._corked:
            self._corked = False
            with self.lock:
                self._flush(b"")
        if self._inbox and not self._turn_wanted:
            self._turn_wanted = True
            self.loop.call_soon(self._deliver)
