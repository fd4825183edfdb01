"""Which servers there should be: a file each in servers-enabled, often a link to one in servers-available.

Looked at once a second: that costs some 20 us for a handful of files, and works on every system and file
system.  Two things must not end a server: an editor that removes a file to write it anew (so a file is gone
when it has been missing for a moment), and a folder that cannot be read for a while.  And a file that is just
being written must not begin one, with the half of what it is to say: a new file counts once it has stayed the
same for a moment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["SUFFIX", "Enabled"]

SUFFIX = ".conf"
#: Seconds: the moment; within the second from one look to the next.
_MOMENT = 0.7


class Enabled:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, object] = {}
        #: Since when: of those that are missing, and of new ones with what they look like.
        self._missing: dict[str, float] = {}
        self._new: dict[str, tuple[object, float]] = {}

    def file(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def look(self, now: float, *, at_once: bool) -> Mapping[str, object]:
        """Names and what their files look like: another stamp is another text.

        ``now``: seconds of a clock that never goes back; ``at_once``: somebody says that new files are whole.
        Raises OSError: the folder cannot be read, and nothing is known about what is in it."""
        found = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) and not entry.name.startswith("."):
                    stamp = _stamp(entry)
                    if stamp is not None:
                        found[entry.name.removesuffix(SUFFIX)] = stamp
        self._missing = {name: self._missing.get(name, now) for name in self._known.keys() - found.keys()}
        doubtful = {name: self._known[name] for name, since in self._missing.items() if now - since < _MOMENT}
        self._new = {
            name: self._new[name] if self._new.get(name, ("", 0.0))[0] == stamp else (stamp, now)
            for name, stamp in found.items()
            if name not in self._known and not at_once
        }
        for name, (_, since) in self._new.items():
            if now - since < _MOMENT:
                del found[name]
        self._known = found | doubtful
        return self._known


def _stamp(entry: os.DirEntry[str]) -> object:
    """None for what is no file, as a link that leads nowhere."""
    try:
        info = entry.stat()
    except OSError:
        return None
    return (info.st_mtime_ns, info.st_size, info.st_ino) if entry.is_file() else None
