"""``wsgi.file_wrapper`` (PEP 3333): a file as the iterable of an application.

The gateway sends a real file by the system and never iterates; anything else that can be read
is taken block by block, by the thread that runs the application.
"""

from __future__ import annotations

from typing import Any

__all__ = ["FileWrapper"]


class FileWrapper:
    """Iterates over ``file``, which has ``read(size)``, in blocks of ``block_size`` bytes."""

    __slots__ = ("block_size", "file")

    def __init__(self, file: Any, block_size: int = 65536) -> None:
        self.file = file
        self.block_size = block_size

    def __iter__(self) -> FileWrapper:
        return self

    def __next__(self) -> bytes:
        data: bytes = self.file.read(self.block_size)
        if not data:
            raise StopIteration
        return data

    def close(self) -> None:
        """Close the file, if it can be closed."""
        if hasattr(self.file, "close"):
            self.file.close()
