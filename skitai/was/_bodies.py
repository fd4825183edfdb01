"""Bodies that are too large for memory, or lie in files.

The loop sends them, and must never run code of an application, nor wait for a pipe or another connection.
So what a caller gives is made one of two things while the caller still waits for it:

* a regular file, opened by Python's own classes: a descriptor of ours, read from where the caller's file
  stands, without moving it.  The caller may close its file, or go on reading, as soon as the call has begun;
* anything else (pipes, sockets, files that decompress, generators): read to its end in the caller's thread,
  into memory or, past `_MEMORY_MAX`, into a temporary file without a name.

`Pieces` are bytes and parts of files, one behind the other, with a size that is known.  Reading a file may
wait for the disk, as when the server sends one.

Made in the caller's thread; then the loop's.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from skitai._kernels import http1
from skitai.core.outbound.request import Body

__all__ = ["FilePart", "KeptBody", "Pieces", "gathered", "is_file", "of_file"]

#: Bytes of a body that is read beforehand; with more it goes to a temporary file.
_MEMORY_MAX: Final = 1 << 20
_BLOCK: Final = 65536


def _seek_and_read(descriptor: int, size: int, offset: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)


#: Without moving the position, where the system can do so: the descriptor shares it with the caller's file.
_read_at: Callable[[int, int, int], bytes] = getattr(os, "pread", _seek_and_read)


class FilePart:
    """``size`` bytes of a regular file from ``start`` on, by a descriptor of our own."""

    __slots__ = ("_descriptor", "size", "start")

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        """``descriptor`` is taken over."""
        self._descriptor = descriptor
        self.start = start
        self.size = size

    def read(self, size: int, offset: int) -> bytes:
        """At most ``size`` bytes from ``offset`` on, which is less than our size.

        Raises:
            OSError: it cannot be read, or has become shorter.
        """
        data = _read_at(self._descriptor, min(size, self.size - offset), self.start + offset)
        if not data:
            raise OSError("a file has become shorter while it was being sent")
        return data

    def copy(self) -> FilePart:
        return FilePart(os.dup(self._descriptor), self.start, self.size)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        # A call that failed before anybody sent its body has nobody else to close it.
        self.close()


class Pieces:
    """A `Body`: bytes and parts of files, one behind the other."""

    __slots__ = ("_index", "_offset", "_pieces", "_size", "trailers")

    def __init__(self, pieces: Sequence[bytes | FilePart]) -> None:
        self._pieces = pieces
        self._size = sum(map(_size_of, pieces))
        #: Where it is read: in which piece, and where in that.
        self._index = self._offset = 0
        self.trailers: http1.Headers = []

    @property
    def size(self) -> int:
        return self._size

    def read(self, size: int) -> bytes:
        while self._index < len(self._pieces):
            piece = self._pieces[self._index]
            if self._offset < _size_of(piece):
                if isinstance(piece, FilePart):
                    data = piece.read(size, self._offset)
                else:
                    data = piece[self._offset : self._offset + size]
                self._offset += len(data)
                return data
            self._index += 1
            self._offset = 0
        return b""

    def rewind(self) -> bool:
        self._index = self._offset = 0
        return True

    def close(self) -> None:
        for piece in self._pieces:
            if isinstance(piece, FilePart):
                piece.close()

    def copy(self) -> Pieces:
        return Pieces([piece.copy() if isinstance(piece, FilePart) else piece for piece in self._pieces])


class KeptBody:
    """A body that outlives the request which reads it, for the next one."""

    __slots__ = ("_body",)

    def __init__(self, body: Body) -> None:
        self._body = body

    @property
    def size(self) -> int | None:
        return self._body.size

    def read(self, size: int) -> bytes | None:
        return self._body.read(size)

    @property
    def trailers(self) -> http1.Headers:
        return self._body.trailers

    def rewind(self) -> bool:
        return self._body.rewind()

    def copy(self) -> Body:
        return self._body.copy()

    def close(self) -> None:
        """Not yet: `end` does."""

    def end(self) -> None:
        self._body.close()


def is_file(value: Any) -> bool:
    """It is read, rather than sent as it is."""
    return isinstance(value, Path) or hasattr(value, "read")


def of_file(file: Any) -> bytes | FilePart:
    """What is left of a file, from where it stands; a path is that of a whole one.

    Raises:
        TypeError: it was opened as text.
        OSError: it cannot be read.
    """
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return of_file(opened)
    if isinstance(file, io.TextIOWrapper):
        raise TypeError(f"the file {file.name!r} was opened as text: open it with mode 'rb'")
    # Whatever inherits from these, or stands around one, may read something else than what lies there.
    if type(file) not in (io.BufferedReader, io.BufferedRandom, io.FileIO):
        return gathered(_blocks_of(file))
    if file.writable():
        file.flush()
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        return gathered(_blocks_of(file))
    start = file.tell()
    return FilePart(os.dup(file.fileno()), start, max(0, status.st_size - start))


def gathered(pieces: Iterable[Any]) -> bytes | FilePart:
    """All of ``pieces``: bytes, or text, which is sent as UTF-8.

    Raises:
        TypeError: one of them is something else; and what they raise themselves.
    """
    beginning: list[bytes] = []
    size = 0
    source = iter(pieces)
    for piece in source:
        data = _as_bytes(piece)
        beginning.append(data)
        size += len(data)
        if size > _MEMORY_MAX:
            return _spooled(beginning, source)
    return b"".join(beginning)


def _spooled(beginning: list[bytes], rest: Iterator[Any]) -> FilePart:
    with tempfile.TemporaryFile() as file:
        file.writelines(beginning)
        for piece in rest:
            file.write(_as_bytes(piece))
        file.flush()
        return FilePart(os.dup(file.fileno()), 0, file.tell())


def _blocks_of(file: Any) -> Iterator[Any]:
    while block := file.read(_BLOCK):
        yield block


def _as_bytes(piece: Any) -> bytes:
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, (bytearray, memoryview)):
        return bytes(piece)
    if isinstance(piece, str):
        return piece.encode()
    raise TypeError(f"a body is made of bytes, not of {type(piece).__name__}: {piece!r:.60}")


def _size_of(piece: bytes | FilePart) -> int:
    return piece.size if isinstance(piece, FilePart) else len(piece)
