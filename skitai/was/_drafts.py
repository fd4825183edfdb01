"""Files that are written for a place and get there when they are complete.

Until then there is nothing to be found at that place but what was there before, and nothing beside it
either: on Linux a draft has no name (O_TMPFILE), so the system itself removes it with the process, however
that ends.  Where there is no such thing (other systems, NFS) it has a name of its own beside the place,
and stays there if the process is killed.

One thread at a time.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["Draft"]

#: Where the system lists the open files of this process: by that a file without a name gets one.
_OPEN_FILES = "/proc/self/fd"


class Draft:
    """``file`` is open for writing; `keep` or `discard` ends it."""

    def __init__(self, path: Path) -> None:
        """For ``path``, which is absolute.  Raises OSError: there can be no file."""
        self.path = path
        #: While it has one.
        self._name: Path | None = None
        descriptor = _open_unnamed(path.parent)
        if descriptor is None:
            # Not of `tempfile`, whose files are for their owner alone: this one is the caller's in the end.
            self._name = self._free_name()
            self.file: BinaryIO = self._name.open("xb")
        else:
            self.file = os.fdopen(descriptor, "wb")

    def keep(self) -> None:
        """Have it at its place.  Raises OSError, and then it is no more."""
        try:
            self.file.flush()  # the disk may be full
            if self._name is None:
                self._name = self._named()
            self.file.close()
            os.replace(self._name, self.path)
            self._name = None
        finally:
            self.discard()

    def discard(self) -> None:
        """It is no more."""
        try:
            self.file.close()
        finally:
            name, self._name = self._name, None
            if name is not None:
                with suppress(FileNotFoundError):  # its folder has gone with it
                    os.unlink(name)

    def _named(self) -> Path:
        # For a moment beside its place: a file without a name cannot take that of another one.
        name = self._free_name()
        listing = os.open(_OPEN_FILES, os.O_RDONLY)
        try:
            os.link(str(self.file.fileno()), name, src_dir_fd=listing, follow_symlinks=True)
        finally:
            os.close(listing)
        return name

    def _free_name(self) -> Path:
        return self.path.with_name(f".{self.path.name}.{os.urandom(6).hex()}")


def _open_unnamed(folder: Path) -> int | None:
    """None: this system, or that of this folder's files, has no such thing."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir(_OPEN_FILES):
        return None
    with suppress(OSError):  # a file with a name tells why there can be none
        return os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666)
    return None
