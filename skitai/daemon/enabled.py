"""Which servers there should be: a file each in servers-enabled, often a link to one in servers-available.

Looked at once a second: that costs some 20 us for a handful of files, and works on every system and file
system.  Two things must not end a server: an editor that removes a file to write it anew (so a file is gone
when it was missing in two looks one after the other), and a folder that cannot be read for a while.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["SUFFIX", "Enabled"]

SUFFIX = ".conf"


class Enabled:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, object] = {}
        self._missing: set[str] = set()

    def file(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def look(self) -> Mapping[str, object]:
        """Names and what their files look like: another stamp is another text.  Raises OSError: the folder
        cannot be read, and nothing is known about what is in it."""
        found = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) and not entry.name.startswith("."):
                    stamp = _stamp(entry)
                    if stamp is not None:
                        found[entry.name.removesuffix(SUFFIX)] = stamp
        vanished = self._known.keys() - found.keys()
        doubtful = {name: self._known[name] for name in vanished - self._missing}
        self._missing = set(doubtful)
        self._known = found | doubtful
        return self._known


def _stamp(entry: os.DirEntry[str]) -> object:
    """None for what is no file, as a link that leads nowhere."""
    try:
        info = entry.stat()
    except OSError:
        return None
    return (info.st_mtime_ns, info.st_size, info.st_ino) if entry.is_file() else None
