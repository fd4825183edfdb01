"""Where answers go that are not kept in memory: to a file, or to whoever reads them piece by piece.

    was.get(url, into="/tmp/big.iso").getwait(600)       the file is there when the result is
    result = was.get(url, stream=True).getwait(5)        the result is there when the head is
    for piece in result: ...                             at most 256 KiB wait for whoever reads

What is read slowly is sent slowly: nobody reads from the server while there is no room.
"""

from __future__ import annotations

import errno
import io
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import IO, Any, BinaryIO

from skitai._kernels import http1
from skitai._waiting import Future
from skitai.core.outbound.request import Begin, Cancelable, Failure, Outcome, Request, Response
from skitai.errors import CallCancelled, SkitaiError, WriteError
from skitai.was._awaiting import until_done
from skitai.was._drafts import Draft

__all__ = ["FileSink", "Head", "StreamSink", "ToFile"]

#: Bytes that wait for whoever reads.
_ROOM = 262_144


class FileSink:
    """Writes to a file, in the loop thread: as when the server sends one, it may wait for the disk.

    A path gets its file when the answer is complete: until then it is a draft, and what was there before
    stays.  An open file is written to from where it stands.
    """

    def __init__(self, file: BinaryIO | IO[bytes], draft: Draft | None = None) -> None:
        """``draft``: whose file it is."""
        self._file = file
        self._draft = draft
        self._start = file.tell()

    @property
    def may_begin(self) -> bool:
        return True

    def begin(self, head: http1.ResponseHead, resume: Callable[[], None]) -> None:
        self._file.seek(self._start)
        self._file.truncate()

    def write(self, data: bytes) -> bool:
        self._file.write(data)
        return True

    def finish(self, outcome: Outcome) -> Outcome:
        """It is over, and so it is with the file: the outcome, or that there is none."""
        try:
            if self._draft is None:
                self._file.flush()
            elif outcome.response is not None:
                self._draft.keep()
            else:
                self._draft.discard()
        except (OSError, ValueError) as cause:  # ValueError: whoever has opened the file has closed it
            if outcome.error is not None:
                return outcome
            place = self._file if self._draft is None else self._draft.path
            error = WriteError(f"the answer could not be written to {place}: {cause}")
            error.__cause__ = cause
            return Failure(outcome.request, error, outcome.elapsed)
        return outcome


class ToFile:
    """One call whose answer goes to a file: the file is complete when the outcome is there."""

    def __init__(self, begin: Begin, into: Any) -> None:
        """``into``: a path, or a file that is open for writing bytes.

        Raises:
            OSError: there can be no file.
            TypeError: it is neither.
        """
        self._begin = begin
        self._sink = _file_sink(into)

    def begin(self, request: Request, on_done: Callable[[Outcome], None]) -> Cancelable:
        request.sink = self._sink
        try:
            return self._begin(request, lambda outcome: on_done(self._sink.finish(outcome)))
        except BaseException:
            self._sink.finish(Failure(request, CallCancelled("it was not begun"), 0.0))
            raise


def _file_sink(into: Any) -> FileSink:
    if isinstance(into, (str, os.PathLike)):
        path = Path(into).absolute()
        if path.exists() and not path.is_file():
            # To take the place of a folder fails when all has come; that of /dev/null is worse.
            raise FileExistsError(
                errno.EEXIST, "this is no regular file, which could be replaced; give it opened", str(path)
            )
        draft = Draft(path)  # which `finish` ends
        return FileSink(draft.file, draft)
    if not isinstance(into, (io.RawIOBase, io.BufferedIOBase)) or not into.writable():
        raise TypeError(f"into= is a path or a file open for writing bytes, not {into!r}")
    return FileSink(into)  # type: ignore[arg-type]


class Head:
    """The `Outcome` of a call whose body is still to come."""

    __slots__ = ("elapsed", "error", "request", "response")

    def __init__(self, request: Request, head: http1.ResponseHead, elapsed: float) -> None:
        self.request = request
        self.response = Response(head, b"", [])
        self.error: SkitaiError | None = None
        self.elapsed = elapsed


class StreamSink:
    """The loop thread writes, one other thread reads."""

    def __init__(self, on_head: Callable[[http1.ResponseHead], None]) -> None:
        self._on_head: Callable[[http1.ResponseHead], None] | None = on_head
        self._lock = Lock()
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._resume: Callable[[], None] | None = None
        self._is_begun = False
        self._is_full = False
        self._is_over = False
        self._error: SkitaiError | None = None
        self._news = Future()

    # -- the loop thread ----------------------------------------------------------------------

    @property
    def may_begin(self) -> bool:
        return not self._is_begun

    def begin(self, head: http1.ResponseHead, resume: Callable[[], None]) -> None:
        self._is_begun = True
        self._resume = resume
        if self._on_head is not None:
            self._on_head(head)

    def write(self, data: bytes) -> bool:
        with self._lock:
            self._pieces.append(data)
            self._size += len(data)
            self._is_full = self._size >= _ROOM
            news = self._news
        news.complete()
        return not self._is_full

    def finish(self, outcome: Outcome) -> None:
        with self._lock:
            self._is_over, self._error = True, outcome.error
            # They lead to the request, and it to us: the collector would have to come.
            self._on_head = self._resume = None
            news = self._news
        news.complete()

    # -- who reads ----------------------------------------------------------------------------

    def pieces(self) -> Iterator[bytes]:
        """Raises the error that ends the answer before its end."""
        while (step := self._next()) is not None:
            if isinstance(step, bytes):
                yield step
            else:
                step.wait()

    async def pieces_awaited(self) -> AsyncIterator[bytes]:
        """The same, where asyncio runs."""
        while (step := self._next()) is not None:
            if isinstance(step, bytes):
                yield step
            else:
                await until_done(step)

    def _next(self) -> bytes | Future | None:
        """A piece, or what has to be waited for first; None: that was all."""
        while True:
            piece, resume = self._take()
            if resume is not None:
                resume()
            if piece is not None:
                return piece
            if not self._is_over:
                return self._news
            if not self._pieces:
                if self._error is not None:
                    raise self._error
                return None

    def _take(self) -> tuple[bytes | None, Callable[[], None] | None]:
        with self._lock:
            if not self._pieces:
                if self._news.done and not self._is_over:
                    self._news = Future()
                return None, None
            piece = self._pieces.popleft()
            self._size -= len(piece)
            has_room = self._is_full and self._size <= _ROOM // 2
            if has_room:
                self._is_full = False
            return piece, self._resume if has_room else None
