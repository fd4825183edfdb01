"""The queue before the logs, and the one thread that empties it.

Callers append an entry to a `queue.SimpleQueue` and go on; nothing they do waits for a disk, a
terminal or a lock that is held during input or output.  ``SimpleQueue.put`` and the lock of
the counters are reentrant: a signal handler or a finalizer that logs cannot lock up.

The thread takes an entry, naps a moment so that the next ones gather, makes lines of them all and
writes these with one system call for each sink.  While it naps it is not woken, so that under
load the threads that serve do not fight with it for the interpreter.

The queue is bounded in entries and, for long texts, in characters.  What comes when it is full
is dropped and counted, and the count is written as soon as there is room.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from itertools import filterfalse, groupby
from operator import itemgetter
from typing import cast

from skitai._kernels import AccessRecord
from skitai.core.logs.forms import Form
from skitai.core.logs.requestlines import request_lines
from skitai.core.logs.sinks import FileSink, Sink

__all__ = ["LogWriter", "Stream"]

#: Entries that may wait: a tenth of a second of the fastest traffic, or hours of usual logs.
ENTRIES_MAX = 16384
#: A text longer than this is counted by its length as well.
_LONG = 1024
#: Characters of long texts that may wait together.
LONG_TOTAL_MAX = 8 << 20
#: Seconds between the first entry of a batch and its writing.
_NAP = 0.05
#: Entries in one batch: keeps the memory of a batch, and the time to a flush, in bounds.
_BATCH_MAX = 4096


class Stream(Enum):
    """Which log an entry belongs to."""

    SERVER = "server"
    REQUEST = "request"
    APP = "app"
    #: Texts that stand among the requests.
    TUNNEL = "tunnel"


#: Looked up for each request.
_REQUEST = Stream.REQUEST

#: ``(when, kind, text)``
Text = tuple[float, str, str]
#: Of the stream of requests it is a record, of the others a text.
Entry = tuple[Stream, AccessRecord | Text]
Command = Callable[[], None]


class LogWriter:
    """Any thread may call `put`, `flush` and `reopen`; `close` is for the owner."""

    def __init__(
        self,
        form: Form,
        sinks: Mapping[Stream, Sequence[Sink]],
        is_off: Callable[[AccessRecord], bool] | None = None,
    ) -> None:
        """``is_off``: whether a request has no line."""
        self._format = form
        self._request_lines = request_lines(form)
        self._sinks = sinks
        self._is_off = is_off
        self._queue: queue.SimpleQueue[Entry | Command] = queue.SimpleQueue()
        self._hurry = threading.Event()
        self._ended = False
        self._count = threading.RLock()
        self._dropped = 0
        self._long_waiting = 0
        self._thread = threading.Thread(target=self._run, name="skitai-log", daemon=True)
        self._thread.start()

    # -- any thread -------------------------------------------------------------------------

    def put(self, stream: Stream, kind: str, text: str) -> None:
        """Queue an entry; never blocks."""
        if self._queue.qsize() >= ENTRIES_MAX or (len(text) > _LONG and not self._reserve(len(text))):
            with self._count:
                self._dropped += 1
            return
        self._queue.put((stream, (time.time(), kind, text)))

    def put_request(self, record: AccessRecord) -> None:
        """The same for a request, of which the thread makes a line."""
        length = len(record[3]) + len(record[4])
        if self._queue.qsize() >= ENTRIES_MAX or (length > _LONG and not self._reserve(length)):
            with self._count:
                self._dropped += 1
            return
        self._queue.put((_REQUEST, record))

    def _reserve(self, length: int) -> bool:
        with self._count:
            if self._long_waiting + length > LONG_TOTAL_MAX:
                return False
            self._long_waiting += length
            return True

    def put_now(self, stream: Stream, kind: str, text: str) -> None:
        """Write an entry in the calling thread, the only one there is: in a forked child."""
        line = self._format.encode(time.time(), kind, text)
        for sink in self._sinks[stream]:
            sink.write([line])

    def flush(self, timeout: float) -> bool:
        """Wait until all that was queued before is written; False if ``timeout`` seconds did not do."""
        done = threading.Event()
        self._queue.put(done.set)
        self._hurry.set()
        return done.wait(timeout)

    def reopen(self) -> None:
        """Go on in new files of the same names; entries queued before go to the old ones."""
        self._queue.put(self._reopen)

    def close(self, timeout: float) -> None:
        """Write what is queued and end the thread; a sink that hangs is left after ``timeout`` seconds."""
        self._queue.put(self._end)
        self._hurry.set()
        self._thread.join(timeout)

    # -- the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ended:
            try:
                # No name for the batch here: it would live until the next entry comes.
                self._carry_out(self._gather())
            except Exception:
                # A defect of ours costs this batch; without the thread every later line would go too.
                self.put(Stream.SERVER, "expt", f"log writer\n{traceback.format_exc()}")
        for sink in self._all_sinks():
            sink.close()

    def _gather(self) -> list[Entry | Command]:
        """Wait for an entry, and for those that follow it."""
        batch = [self._queue.get()]
        if self._queue.qsize() < _BATCH_MAX:
            self._hurry.wait(_NAP)
        self._hurry.clear()
        take = self._queue.get_nowait  # nobody else takes: as many as there are now, there stay
        batch += [take() for _ in range(min(self._queue.qsize(), _BATCH_MAX - 1))]
        return batch

    def _carry_out(self, batch: list[Entry | Command]) -> None:
        """Commands run between what was queued before and after them."""
        for is_entry, run in groupby(batch, key=_is_entry):
            if is_entry:
                self._write(cast(list[Entry], list(run)))
            else:
                for command in cast(Iterable[Command], run):
                    command()

    def _write(self, entries: list[Entry]) -> None:
        waiting: dict[Sink, list[bytes]] = {}
        long = 0
        for stream, run in groupby(entries, key=itemgetter(0)):
            if stream is _REQUEST:
                records = cast(list[AccessRecord], [entry for _, entry in run])
                lengths = (
                    [len(record[3]) + len(record[4]) for record in records] if self._long_waiting else []
                )
                if self._is_off is not None:
                    records = list(filterfalse(self._is_off, records))
                lines = self._request_lines(records)
            else:
                texts = cast(list[Text], [entry for _, entry in run])
                lines = [self._format.encode(*text) for text in texts]
                lengths = [len(text) for _, _, text in texts]
            long += sum(length for length in lengths if length > _LONG)
            for sink in self._sinks[stream]:
                waiting.setdefault(sink, []).extend(lines)
        with self._count:
            self._long_waiting -= long
            dropped, self._dropped = self._dropped, 0
        if dropped:
            text = f"{dropped} log lines were dropped: they came faster than they could be written"
            line = self._format.encode(time.time(), "warn", text)
            for sink in self._sinks[Stream.SERVER]:
                waiting.setdefault(sink, []).append(line)
        for sink, written in waiting.items():
            sink.write(written)

    def _all_sinks(self) -> set[Sink]:
        return {sink for sinks in self._sinks.values() for sink in sinks}

    def _reopen(self) -> None:
        for sink in self._all_sinks():
            if not isinstance(sink, FileSink):
                continue
            try:
                sink.reopen()
            except OSError as error:
                text = f"cannot reopen {sink.path}: {error.strerror}; going on in the old file"
                self.put(Stream.SERVER, "error", text)

    def _end(self) -> None:
        self._ended = True


def _is_entry(item: Entry | Command) -> bool:
    return isinstance(item, tuple)
