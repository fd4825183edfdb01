"""Request bodies: kept in memory while they are short, then in a file that has no name.

A body is complete before its application runs, so that a slow upload holds no thread.  The engine
writes it (`RequestBody.write`, `RequestBody.finish`: loop thread); from then on
``RequestBody.input`` belongs to the thread of the application, as ``environ["wsgi.input"]``.  It is
a true file that ends where the body ends; the server says so by ``wsgi.input_terminated``.

All spooled bodies of an instance share one `Spool`, which counts their bytes.  Its files are
`tempfile.TemporaryFile`: mode 0600, closed on exec, made by O_TMPFILE or unlinked at once, so
nothing is left behind however the process ends.
"""

from __future__ import annotations

import io
import os
import threading
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from skitai._lazy import LazyModule
from skitai.errors import ConfigError, SpoolFull

if TYPE_CHECKING:
    import tempfile
else:  # with what it brings half a MiB, for servers that get no long bodies
    tempfile = LazyModule("tempfile")

__all__ = ["EMPTY_INPUT", "RequestBody", "Spool"]


class Spool:
    """The folder of long bodies and the count of what lies there.

    Args:
        directory: None for the system's folder of temporary files, which is looked for when it is needed.
        total_max: bytes of all bodies together.

    Raises:
        ConfigError: ``directory`` is not there or cannot be written.

    Any thread may call it.
    """

    def __init__(self, directory: str | os.PathLike[str] | None, total_max: int) -> None:
        self._directory = os.path.abspath(directory) if directory else ""
        self._total_max = total_max
        self._used = 0
        self._lock = threading.Lock()
        if not directory:
            return
        try:
            self._open().close()
        except OSError as error:
            raise ConfigError(
                f"spool_dir {self.directory!r} cannot be used: {error.strerror}",
                hint="request bodies longer than body_memory_max are kept there; "
                "name a folder that this user can write",
            ) from error

    @property
    def directory(self) -> str:
        """Raises OSError: the system has no folder that could be written."""
        if not self._directory:
            self._directory = os.path.abspath(tempfile.gettempdir())
        return self._directory

    @property
    def used(self) -> int:
        """Bytes of the bodies that lie here now."""
        return self._used

    def reserve(self, count: int) -> None:
        """Have ``count`` bytes counted, before they are written.

        Raises:
            SpoolFull: they would be more than ``total_max``.
        """
        with self._lock:
            if self._used + count > self._total_max:
                raise SpoolFull(
                    f"request bodies in {self._place} would pass spool_total_max ({self._total_max} bytes)"
                )
            self._used += count

    def release(self, count: int) -> None:
        """Give back what was reserved."""
        with self._lock:
            self._used -= count

    def create(self) -> IO[bytes]:
        """A new empty file without a name.

        Raises:
            SpoolFull: the system refuses.
        """
        try:
            return self._open()
        except OSError as error:
            raise self.refusal(error) from error

    def refusal(self, error: OSError) -> SpoolFull:
        """What ``error`` means for a client: "unable to store" (RFC 4918 section 11.5)."""
        return SpoolFull(f"a request body cannot be stored in {self._place}: {error.strerror}")

    @property
    def _place(self) -> str:
        return self._directory or "the system's folder of temporary files"

    def _open(self) -> IO[bytes]:
        return tempfile.TemporaryFile("w+b", buffering=0, prefix="skitai-body-", dir=self.directory)


class RequestBody:
    """One body: written, finished, read, closed.

    Args:
        spool: where it goes when it grows longer than
        memory_max: bytes.
    """

    __slots__ = ("_close_lock", "_file", "_input", "_memory_max", "_reserved", "_spool", "size")

    def __init__(self, spool: Spool, memory_max: int) -> None:
        self.size = 0
        self._spool = spool
        self._memory_max = memory_max
        self._file: IO[bytes] = io.BytesIO()
        self._input: BinaryIO | None = None
        #: Bytes that the spool counts for us; None once they are given back.
        self._reserved: int | None = 0
        self._close_lock = threading.Lock()

    @property
    def is_spooled(self) -> bool:
        """Whether it lies in a file; only then ``input.fileno()`` works."""
        return not isinstance(self._file, io.BytesIO)

    @property
    def input(self) -> BinaryIO:
        """``wsgi.input``: seekable, at its beginning after `finish`."""
        if self._input is None:
            raise RuntimeError("the body has no input before finish()")
        return self._input

    def write(self, data: bytes) -> None:
        """Append ``data``.  After an error the body can only be closed.

        Raises:
            SpoolFull: ``spool_total_max`` is reached, or the disk is full or broken.
        """
        if not self.is_spooled:
            if self.size + len(data) <= self._memory_max:
                self._file.write(data)
                self.size += len(data)
                return
            kept = cast(io.BytesIO, self._file).getvalue()
            self._reserve(len(kept))
            self._file = self._spool.create()
            self._store(kept)
        self._reserve(len(data))
        self._store(data)
        self.size += len(data)

    def finish(self) -> None:
        """The body is complete: rewind it for the application."""
        self._file.seek(0)
        if self.is_spooled:
            # Read-only and buffered; the raw file is closed with it.
            self._input = cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, self._file)))
        else:
            self._input = cast(BinaryIO, self._file)

    def close(self) -> None:
        """Free memory, file and count.  May be called again, and by any thread."""
        with self._close_lock:
            reserved, self._reserved = self._reserved, None
        if reserved is None:
            return
        try:
            (self._input or self._file).close()
        except (BufferError, ValueError):
            pass  # the application has detached it or keeps a view of it, and so its memory or file
        finally:
            self._spool.release(reserved)

    def _reserve(self, count: int) -> None:
        if self._reserved is None:
            raise ValueError("write to a closed request body")
        self._spool.reserve(count)
        self._reserved += count

    def _store(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                # An unbuffered file may take less than it is given (a disk that fills up).
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise self._spool.refusal(error) from error


class _EmptyInput(io.BufferedIOBase):
    """The end of a file, for ever: it has no state, so all requests without a body share one."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return b""

    read1 = read

    def readinto(self, buffer: object, /) -> int:
        return 0

    readinto1 = readinto

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return 0

    def tell(self) -> int:
        return 0

    def close(self) -> None:
        """Stay open: others use it."""


#: ``wsgi.input`` of every request without a body.
EMPTY_INPUT: BinaryIO = cast(BinaryIO, _EmptyInput())
