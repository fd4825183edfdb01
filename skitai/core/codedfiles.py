"""Files that are compressed on their way.

`negotiate` decides about the answer of a folder, in the loop thread, and codes short files there and then.
A longer one is a job of the executor, a `CodedFile`: it is read and coded in blocks, in a worker, which rests
(no thread waits) while the client is slow.  It is known to compute, so that one runs at a time and does not
keep handlers from the processor; with ``threads = 0`` others have their turn after each block.

What was coded is kept ready by the compiled engine, as other files are, for those who send the same
Accept-Encoding.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from skitai._kernels import coders, engine, http1, producers
from skitai.core.answer import Answer
from skitai.core.compression import CODED_AT_ONCE_MAX, Coding, Compression, varying, weakened
from skitai.errors import ClientDisconnected, WriteError

__all__ = ["CodedFile", "negotiate"]

#: A coded file that is longer is not kept ready: it would take the place of many.
_KEPT_MAX = 1 << 20


def negotiate(answer: Answer, head: http1.RequestHead, compression: Compression | None) -> None:
    """Let ``answer``, made by a folder, be what the client of ``head`` likes best; its ``coding`` is set
    where the bytes of its file are too many for the loop thread."""
    if compression is None or answer.file is None:
        return  # pages of our own are short
    lasting = answer.lasting
    if answer.status != 200:  # a part, or 304; what is kept is the whole
        size = os.fstat(answer.file.fileno()).st_size
        if answer.status == 304:
            answer.headers = compression.unchanged(head, answer.headers, answer.spared, size)
        elif answer.parts:  # their type says nothing of the file's
            if compression.could_code(answer.spared, size):
                answer.headers = varying(answer.headers)
        else:
            answer.headers, _ = compression.settle(head, answer.status, answer.headers, size)
        answer.lasting = lasting and _uncoded(lasting, head, compression, size)
        return
    headers, coding = compression.settle(head, 200, answer.headers, answer.count)
    if coding is None:
        answer.headers = headers
        answer.lasting = lasting and _uncoded(lasting, head, compression, answer.count)
        return
    if head.method == "HEAD":
        answer.headers, answer.lasting = headers, None  # what is kept says how long the body is
        answer.file.close()
        answer.file = None
        return
    if answer.count > CODED_AT_ONCE_MAX:
        answer.headers, answer.coding = headers, coding
        return
    content = producers.FileRange(answer.file, answer.offset, answer.count)
    try:
        answer.body = coding.whole(b"".join(iter(content.read, b"")))
    except (OSError, WriteError):
        return  # sent as it is, where the engine will meet the same and cut the connection
    answer.headers = [*headers, ("Content-Length", str(len(answer.body)))]
    if lasting is not None:
        answer.lasting = _coded(lasting, answer.headers, answer.body)
    content.close()
    answer.file = None


def _uncoded(
    lasting: engine.LastingFile, head: http1.RequestHead, compression: Compression, size: int
) -> engine.LastingFile | None:
    """``lasting`` for who sends the Accept-Encoding of ``head``; None if that is for a coded form: the next
    one who asks for all of it makes that."""
    headers, coding = compression.settle(head, 200, lasting.headers, size)
    if coding is not None:
        return None
    if headers is lasting.headers:
        return lasting
    partial = None if lasting.partial is None else varying(lasting.partial)
    return replace(
        lasting, headers=headers, unchanged=varying(lasting.unchanged), partial=partial, varies=True
    )


def _coded(lasting: engine.LastingFile, headers: http1.Headers, content: bytes) -> engine.LastingFile:
    unchanged = weakened(lasting.unchanged)
    etag = dict(unchanged)["ETag"]
    return replace(
        lasting, headers=headers, unchanged=unchanged, partial=None, etag=etag, varies=True, content=content
    )


class CodedFile:
    """A job: one answer."""

    __slots__ = (
        "_answer",
        "_coded",
        "_coder",
        "_coding",
        "_content",
        "_exchange",
        "_executor",
        "_on_overload",
        "_size",
    )

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
        #: All of it so far, while it may be kept; and how long it is.
        self._coded: list[bytes] | None = None if answer.lasting is None else []
        self._size = 0

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
            if not exchange.write(self._noted(coder.push(block))) and exchange.when_room(self._resume):
                return True
            if self._executor.inline:
                exchange.yield_turn(self.run)
                return True
        exchange.write(self._noted(coder.end()))
        if self._coded is not None:
            exchange.yield_turn(self._keep)
        exchange.end()
        return False

    def _noted(self, coded: bytes) -> bytes:
        self._size += len(coded)
        if self._coded is not None:
            self._coded.append(coded)
            if self._size > _KEPT_MAX:
                self._coded = None
        return coded

    def _keep(self) -> None:
        """Loop thread: the next ones need not wait for this."""
        lasting = self._answer.lasting
        if lasting is not None and self._coded is not None:
            headers = [*self._answer.headers, ("Content-Length", str(self._size))]
            self._exchange.keep(_coded(lasting, headers, b"".join(self._coded)), -1)

    def _resume(self) -> None:
        """Loop thread: the client has taken what waited, or has gone."""
        self._executor.submit(self, resumed=True)
