"""What the master waits for: signals, and whatever can be read from; both come to the same loop.

A signal interrupts nothing: Python writes its number to a wake-up descriptor, and the loop reads it there
between two other things.

The main thread of the master.
"""

from __future__ import annotations

import selectors
import signal
import socket
from collections.abc import Callable, Mapping
from types import FrameType

__all__ = ["Waiting"]


class Waiting:
    def __init__(self) -> None:
        #: The data of a key is a function that takes what has come, and says whether more may come.
        self.selector = selectors.DefaultSelector()

    def catch_signals(self, handlers: Mapping[int, Callable[[], None]]) -> None:
        """From now on those that ``handlers`` has a function for."""
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)

        def noticed(number: int, frame: FrameType | None) -> None:
            """Python writes the number to the wake-up descriptor before it calls this."""

        for number in handlers:
            signal.signal(number, noticed)
        signal.set_wakeup_fd(writer.fileno())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)  # those that a former version has kept
        self._wake_writer = writer

        def receive() -> bool:
            # The same signal again and again means no more than once.
            for number in dict.fromkeys(reader.recv(65536)):
                handlers[number]()
            return True

        self.selector.register(reader, selectors.EVENT_READ, receive)

    def wait(self, patience: float | None) -> None:
        """For at most ``patience`` seconds, None: for whatever comes; and let it be heard."""
        for key, _ in self.selector.select(patience):
            receive: Callable[[], bool] = key.data
            # A handler that ran before may have closed it.
            if key.fd in self.selector.get_map() and not receive():
                self.selector.unregister(key.fileobj)
