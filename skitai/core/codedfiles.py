"""Files that are compressed on their way.

`negotiate` decides about the answer of a folder, in the loop thread, and codes short files there and then.
A longer one is a job of the executor, a `CodedFile`: it is read and coded in blocks, in a worker, which rests
(no thread waits) while the client is slow.  It is known to compute, so that one runs at a time and does not
keep handlers from the processor; with ``threads = 0`` others have their turn after each block.

A site with many visitors is better served by files that were compressed once.
"""

from __future__ import annotations

from collections.abc import Callable

from skitai._kernels import coders, engine, http1, producers
from skitai.core.answer import Answer
from skitai.core.compression import CODED_AT_ONCE_MAX, Coding, Compression
from skitai.errors import ClientDisconnected, WriteError

__all__ = ["CodedFile", "negotiate"]


def negotiate(answer: Answer, head: http1.RequestHead, compression: Compression | None) -> Coding | None:
    """Let ``answer``, made by a folder, be what the client of ``head`` likes best.

    A coding is given back where the bytes of its file are too many for the loop thread: `CodedFile`.
    """
    if compression is None or (answer.file is None and answer.status != 304):
        return None  # pages of our own are short
    headers, coding = compression.settle(head, answer.status, answer.headers, answer.count)
    if headers is answer.headers:
        return None
    # The engine, which keeps what lasts, does not look at Accept-Encoding.
    answer.lasting = None
    if coding is None or answer.file is None:
        answer.headers = headers
        return None
    if head.method == "HEAD":
        answer.headers = headers
        answer.file.close()
        answer.file = None
        return None
    if answer.count > CODED_AT_ONCE_MAX:
        answer.headers = headers
        return coding
    content = producers.FileRange(answer.file, answer.offset, answer.count)
    try:
        answer.body = coding.whole(b"".join(iter(content.read, b"")))
    except (OSError, WriteError):
        return None  # sent as it is, where the engine will meet the same and cut the connection
    answer.headers = [*headers, ("Content-Length", str(len(answer.body)))]
    content.close()
    answer.file = None
    return None


class CodedFile:
    """A job: the rest of one answer."""

    __slots__ = ("_answer", "_coder", "_coding", "_content", "_exchange", "_executor", "_on_overload")

    burns = lasts = True
    parks = False
    meter: engine.Meter | None = None

    def __init__(
        self,
        exchange: engine.Exchange,
        answer: Answer,
        coding: Coding,
        executor: engine.Executor,
        on_overload: Callable[[engine.Exchange, str, str], None],
    ) -> None:
        """``answer`` has a file, which is closed at the end; ``on_overload``: see `Run`."""
        if answer.file is None:
            raise ValueError("there is no file to be coded")
        self._exchange = exchange
        self._answer = answer
        self._coding = coding
        self._executor = executor
        self._on_overload = on_overload
        self._content = producers.FileRange(answer.file, answer.offset, answer.count)
        self._coder: coders.Coder | None = None

    def run(self) -> None:
        try:
            if self._send():
                return
        except ClientDisconnected:
            pass  # the access line will say so
        except (OSError, WriteError):
            self._exchange.abort()  # the disk, or a file that has become shorter
        self._content.close()

    def shed(self) -> None:
        self._content.close()
        self._on_overload(self._exchange, "queue_max or queue_timeout", "All threads are busy.")

    def _send(self) -> bool:
        """False when it is over; True if somebody will call `run` again."""
        exchange, coder = self._exchange, self._coder
        if coder is None:
            exchange.start(self._answer.status, self._answer.headers)
            coder = self._coder = self._coding.begin()
        while block := self._content.read(CODED_AT_ONCE_MAX):
            if not exchange.write(coder.push(block)) and exchange.when_room(self._resume):
                return True
            if self._executor.inline:
                exchange.yield_turn(self.run)
                return True
        exchange.write(coder.end())
        exchange.end()
        return False

    def _resume(self) -> None:
        """Loop thread: the client has taken what waited, or has gone."""
        self._executor.submit(self, resumed=True)
