"""The files that applications are made of: has one changed, and how to make all anew.

One `Sources` for a mounted folder, or for a folder of the import path that holds a mounted
package; shared by the applications that lie there, because they share its modules.  A reload
takes all of them: a module that imported a changed one holds its old objects, and only a whole
set is consistent.  `discard` takes the modules out of ``sys.modules`` and counts the generation
up; each application then imports itself again when it is next asked.  Requests under way keep
the old objects, which live as long as somebody holds them.

Threads: `check` and `discard` are called under `folders.loading`; ``generation`` is read by
anyone.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import cache_from_source, find_spec
from pathlib import Path

from skitai.core.apps import folders
from skitai.core.apps.loader import is_loose_file
from skitai.core.config.targets import AppTarget

__all__ = ["Sources", "sources_of"]

#: Never ours, though the working directory may contain them (``/`` in a container).
_FOREIGN = tuple(
    os.path.join(folder, "") for folder in (os.path.dirname(os.__file__), Path(__file__).parents[2])
)
_INSTALLED = frozenset({"site-packages", "dist-packages"})

#: File times come from a clock that moves every 10 ms at the slowest (CONFIG_HZ=100).
_CLOCK_STEP = 10_000_000

_Stamp = tuple[int, int, int] | None
_known: dict[tuple[str, bool], Sources] = {}


class Sources:
    """The modules below ``root`` that belong to ``folder``, or that have names of their own."""

    def __init__(self, root: str, folder: folders.Folder | None) -> None:
        self.root = os.path.join(root, "")
        self.generation = 0
        self._folder = folder
        self._stamps: dict[str, _Stamp] = {}
        self._next_check = 0.0

    def modules(self) -> dict[str, str]:
        """Name and source file of every loaded module that is ours, borrowed names included."""
        found: dict[str, str] = {}
        for name, module in tuple(sys.modules.items()):
            # Not by getattr: a lazy module would begin to import.
            attributes = getattr(module, "__dict__", {})
            file, own_name = attributes.get("__file__"), attributes.get("__name__")
            if not isinstance(file, str) or not isinstance(own_name, str):
                continue
            if name != "__main__" and self._owns(own_name, file):
                found[name] = file
        return found

    def _owns(self, name: str, file: str) -> bool:
        if self._folder is not None:
            return folders.folder_of_module(name) is self._folder
        if folders.folder_of_module(name) is not None or not file.startswith(self.root):
            return False
        inner = file[len(self.root) :].split(os.sep)
        return not file.startswith(_FOREIGN) and _INSTALLED.isdisjoint(inner)

    def remember(self, since: int, failed: Iterable[str] = ()) -> None:
        """Note the state of all files of a load that began at ``since`` (`time.time_ns`).

        After a failed load ``failed`` are the files that had a part in it; they are watched too,
        and the folder itself, for the missing module may yet be written there.
        """
        watched = set(self.modules().values())
        if failed:
            watched.update((file for file in failed if file.startswith(self.root)), (self.root,))
        now = time.time_ns()
        for file in watched - self._stamps.keys():
            stamp = _stamp(file)
            # Written while we were loading, perhaps after it was read: have it read once more.
            is_fresh = stamp is not None and since - _CLOCK_STEP <= stamp[0] <= now
            self._stamps[file] = None if is_fresh and file != self.root else stamp

    def is_due(self, interval: float) -> bool:
        """Whether ``interval`` seconds have gone since this was last true; costs no system call."""
        now = time.monotonic()
        if now < self._next_check:
            return False
        self._next_check = now + interval
        return True

    def changed(self) -> set[str]:
        """The files whose time or size differs from what was remembered."""
        return {file for file, stamp in tuple(self._stamps.items()) if _stamp(file) != stamp}

    def discard(self, changed: Iterable[str]) -> None:
        """Forget all our modules, so that the next import reads the files again."""
        for name in self.modules():
            sys.modules.pop(name, None)
        if self._folder is not None:
            sys.modules.pop(self._folder.package, None)
            self._folder.forget()
        for file in changed:
            # Bytecode is checked by whole seconds and size: two edits in a second can be missed.
            with suppress(OSError, NotImplementedError):
                os.unlink(cache_from_source(file))
        importlib.invalidate_caches()
        self._stamps = {}
        self.generation += 1


def sources_of(target: AppTarget) -> Sources:
    """The one `Sources` of the mounted folder, or of the folder that holds the named package."""
    folder = None
    if target.directory is None:
        root = _folder_of(target.module.partition(".")[0])
    else:
        root = os.path.abspath(target.directory)
        folder = folders.mount(root) if is_loose_file(target) else None
    return _known.setdefault((root, folder is not None), Sources(root, folder))


def _folder_of(name: str) -> str:
    """The folder of the import path that holds ``name``; of what is installed, its own alone."""
    spec = find_spec(name)
    if spec is None:
        return os.getcwd()  # where it will most likely be written
    package = next(iter(spec.submodule_search_locations or ()), None)
    place = os.path.abspath(package or spec.origin or "")
    folder = os.path.dirname(place)
    return place if _INSTALLED.intersection(folder.split(os.sep)) else folder


def _stamp(file: str) -> _Stamp:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
