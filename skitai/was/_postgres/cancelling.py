"""Ends statements on the server: one more connection for each, which says whom it is about.

That is how PostgreSQL has it ("Canceling Requests in Progress" in its chapter on the protocol), and libpq's
`PQcancel` waits for that connection to be made and closed.  So it is called in a thread.  Not by psycopg2's
``connection.cancel()``: that keeps the GIL while it waits, and a server that does not answer would stop the
whole process (measured with a frozen server: as long as that was frozen).

When `PQcancel` returns the signal is on its way to the server's process: a statement that begins after that
is not hit.  So a connection is used again when its statement has ended and this has returned, both.

`cancel` is of the loop thread, which ``then`` is called in, too.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any

from skitai._kernels import engine
from skitai.was._postgres.driver import libpq_symbols
from skitai.was._postgres.helpers import Helpers

__all__ = ["Canceller"]

#: Threads that ask servers at once; one that does not answer holds one up until the system gives up.
_THREADS = 4
_ERROR_SIZE = 256


class _Libpq:
    def __init__(self) -> None:
        symbols = libpq_symbols()
        self.get_cancel = symbols.PQgetCancel
        self.get_cancel.argtypes, self.get_cancel.restype = [ctypes.c_void_p], ctypes.c_void_p
        self.free_cancel = symbols.PQfreeCancel
        self.free_cancel.argtypes, self.free_cancel.restype = [ctypes.c_void_p], None
        self.cancel = symbols.PQcancel
        self.cancel.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        self.cancel.restype = ctypes.c_int


def _nothing() -> None:
    """Follows where nobody waits for it."""


class Canceller:
    def __init__(self, loop: engine.EventLoop) -> None:
        self._loop = loop
        self._threads = Helpers("skitai-db-cancel", _THREADS)
        try:
            self._libpq: _Libpq | None = _Libpq()
        except (AttributeError, OSError):
            self._libpq = None  # then only closing is left
        #: Statements that servers were told to end.
        self.count = 0

    @property
    def is_able(self) -> bool:
        return self._libpq is not None

    def cancel(self, connection: Any, then: Callable[[], None] = _nothing) -> bool:
        """End what runs on ``connection``, of psycopg2, and call ``then()`` when the server was told, or
        could not be.  The connection may be closed at any time.  False: that cannot be done."""
        if self._libpq is None:
            return False
        request = self._libpq.get_cancel(connection.pgconn_ptr)
        if not request:
            return False
        self.count += 1
        self._threads.run(partial(self._tell, self._libpq, request, then))
        return True

    def close(self) -> None:
        """What was said until now is still told."""
        self._threads.close()

    def wait(self, seconds: float) -> None:
        """Until servers were told of all, at most so long.  Not in the loop thread."""
        self._threads.wait(seconds)

    def _tell(self, libpq: _Libpq, request: int, then: Callable[[], None]) -> None:
        # Where it fails, the connection is what ends: see `Exclusive`.
        libpq.cancel(request, ctypes.create_string_buffer(_ERROR_SIZE), _ERROR_SIZE)
        libpq.free_cancel(request)
        self._loop.call_soon(then)
