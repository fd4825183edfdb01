"""A folder of loose files (``/srv/blog/app.py``) as a package of its own.

The files of a mounted folder are modules of one synthetic package, named after the folder and
a digest of its path: ``/srv/blog/app.py`` is ``skitai_blog_1f2e3d4c.app``.  The names differ
between folders and stay the same from start to start, so two ``app.py`` never meet in
``sys.modules``, pickles can be read again, and whatever looks a module up by ``__name__``
(Flask's templates, dataclasses, ``typing.get_type_hints``) finds the right one.  In these files

* ``from . import sub`` and ``import sub`` mean the same module object, at import and later,
  in any thread.  The plain form works because modules of the folder are executed with an
  ``__import__`` of their own in their ``__builtins__``; nobody else's imports are touched.
* imports by name from elsewhere (``importlib.import_module("config")``, Flask's
  ``config.from_object("config")``) find the folder when nobody else knows the name and code of
  the folder stands on the call stack.  Such a name must stand in ``sys.modules`` as it is; it
  stays there only while an application is being loaded, or when no second mounted folder has
  the same name.  With a second one the import is refused, never answered with the other's file.

Limits, by choice: a name of the standard library always means the standard library; a name put
into ``builtins`` is seen by the folder's files when the load that put it there is over; other
programs cannot import the synthetic names.  Applications that need real names are mounted as
``package.module``.  Children of ``multiprocessing`` can: those that are other interpreters mount
the same folders (`mount_again`).

Threads: `mount` and `loading` take one lock for the process; the import hooks run in whatever
thread imports, guarded by the import system's own locks.
"""

from __future__ import annotations

import builtins
import importlib
import json
import os
import re
import sys
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
else:
    # They only name what the import system asks for; from Python 3.11 on their module brings half a megabyte.
    Loader = MetaPathFinder = object

__all__ = ["Folder", "folder_of_module", "loading", "mount", "mount_again"]

#: The environment variable that lists our folders for children that are other interpreters.
_LISTED = "_SKITAI_FOLDERS"

_folders: dict[str, Folder] = {}
_lock = threading.RLock()
_loads_under_way = 0
_borrowed_names: set[str] = set()


class Folder:
    """One mounted folder; made by `mount`, shared by all applications that lie in it."""

    def __init__(self, path: str) -> None:
        self.path = path
        # Of folders of one name, few as they are; hashlib would bring libcrypto, of 3.3 MiB.
        digest = zlib.crc32(os.fsencode(path))
        self.package = f"skitai_{re.sub(r'[^0-9A-Za-z]+', '_', os.path.basename(path))}_{digest:08x}"
        self.builtins: dict[str, Any] = {}
        self._provided: dict[str, bool] = {}
        self.refresh_builtins()

    def refresh_builtins(self) -> None:
        """Take over what an application has put into ``builtins`` (``gettext.install``)."""
        self.builtins.update(vars(builtins), __import__=self._import)

    def provides(self, name: str) -> bool:
        """Whether ``name`` (without dots) is a module or package of this folder."""
        known = self._provided.get(name)
        if known is None:
            known = self._looks_provided(name)
            # "No" is remembered only of what is loaded from elsewhere: a missing file may yet come.
            if known or name in sys.modules:
                self._provided[name] = known
        return known

    def _looks_provided(self, name: str) -> bool:
        if name in sys.stdlib_module_names:
            return False
        spec = PathFinder.find_spec(name, [self.path])
        if spec is None:
            return False
        # A folder without __init__.py is a package only if nobody else has the name (PEP 420).
        return spec.loader is not None or PathFinder.find_spec(name) is None

    def ensure_package(self) -> None:
        """Have the synthetic package in ``sys.modules``; runs the folder's ``__init__.py``, if any.

        Raises:
            Exception: whatever ``__init__.py`` raises.
        """
        if self.package in sys.modules:
            return
        init = os.path.join(self.path, "__init__.py")
        # The loader is given also without the file: importlib.resources asks it for the folder.
        spec = ModuleSpec(self.package, _FolderLoader(self, self.package, init), origin=init)
        is_real_package = os.path.isfile(init)
        # Empty, not None, for loose files: Flask takes a package's parent for its instance
        # folder, but the folder itself for a module; importlib.resources wants no None.
        spec.submodule_search_locations = [self.path] if is_real_package else []
        spec.has_location = is_real_package
        module = module_from_spec(spec)
        module.__path__ = [self.path]
        sys.modules[self.package] = module
        if is_real_package and spec.loader is not None:
            try:
                spec.loader.exec_module(module)
            except BaseException:
                sys.modules.pop(self.package, None)
                raise

    def forget(self) -> None:
        """Drop what was remembered of the files' names, for they have changed."""
        self._provided.clear()

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """``__import__`` of the folder's files: plain names of the folder become relative."""
        head = name.partition(".")[0]
        if level or not self.provides(head):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        leaf = builtins.__import__(f"{self.package}.{name}", globals, locals, fromlist or (), 0)
        return leaf if fromlist else sys.modules[f"{self.package}.{head}"]


def mount(path: str | os.PathLike[str]) -> Folder:
    """The `Folder` of ``path``; the same object for the same absolute path.

    Links are not resolved: a folder behind ``current -> releases/7`` keeps its name.
    """
    absolute = os.path.abspath(path)
    with _lock:
        if not _folders:
            sys.meta_path.insert(0, _OwnFinder())
            sys.meta_path.append(_ByNameFinder())
        folder = Folder(absolute)
        known = _folders.setdefault(folder.package, folder)
        if known is folder:
            os.environ[_LISTED] = json.dumps([each.path for each in _folders.values()])
        return known


def mount_again() -> None:
    """What the parent of this process has mounted; nothing where that is not known."""
    for path in json.loads(os.environ.get(_LISTED, "[]")):
        mount(path)


def folder_of_module(name: str) -> Folder | None:
    """The mounted folder that the module ``name`` belongs to."""
    return _folders.get(name.partition(".")[0])


@contextmanager
def loading() -> Iterator[None]:
    """Hold while an application is imported: one at a time, borrowed names given back at the end."""
    global _loads_under_way
    with _lock:
        _loads_under_way += 1
        try:
            yield
        finally:
            _loads_under_way -= 1
            if not _loads_under_way:
                while _borrowed_names:
                    sys.modules.pop(_borrowed_names.pop(), None)
                for folder in _folders.values():
                    folder.refresh_builtins()


class _FolderLoader(SourceFileLoader):
    """Runs a file of a folder with the folder's ``__builtins__``."""

    def __init__(self, folder: Folder, name: str, path: str) -> None:
        super().__init__(name, path)
        self._folder = folder

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = self._folder.builtins
        super().exec_module(module)


class _PackageLoader(Loader):
    """Of the synthetic package itself, where nobody has loaded an application of the folder before."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def create_module(self, spec: ModuleSpec) -> None:
        """One as usual."""

    def exec_module(self, module: ModuleType) -> None:
        # The import system returns what stands in sys.modules after this call.
        del sys.modules[module.__name__]
        self._folder.ensure_package()


class _AliasLoader(Loader):
    """Makes a borrowed name mean a module that has another ``__name__``."""

    def __init__(self, real_name: str) -> None:
        self._real_name = real_name

    def create_module(self, spec: ModuleSpec) -> None:
        """One as usual."""

    def exec_module(self, module: ModuleType) -> None:
        # The import system returns what stands in sys.modules after this call.
        name = module.__name__
        sys.modules[name] = importlib.import_module(self._real_name)
        if _loads_under_way:
            _borrowed_names.add(name)


class _OwnFinder(MetaPathFinder):
    """First in ``sys.meta_path``: folders, and their submodules under their own or a borrowed name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None:
            own = _folders.get(fullname)
            return ModuleSpec(fullname, _PackageLoader(own)) if own is not None else None
        folder = folder_of_module(fullname)
        if folder is not None:
            spec = PathFinder.find_spec(fullname, path, target)
            if spec is not None and spec.origin and type(spec.loader) is SourceFileLoader:
                spec.loader = _FolderLoader(folder, fullname, spec.origin)
            return spec
        parent_name, _, child = fullname.rpartition(".")
        real_parent: str = getattr(sys.modules.get(parent_name), "__name__", parent_name)
        if real_parent != parent_name and folder_of_module(real_parent) is not None:
            return ModuleSpec(fullname, _AliasLoader(f"{real_parent}.{child}"))
        return None


class _ByNameFinder(MetaPathFinder):
    """Last in ``sys.meta_path``: a plain name that only the importing folder knows."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None:
            return None
        folder = _folder_on_the_stack()
        if folder is None or not folder.provides(fullname):
            return None
        if not _loads_under_way:
            for other in tuple(_folders.values()):
                if other is not folder and other.provides(fullname):
                    raise ImportError(
                        f"the name {fullname!r} is ambiguous: {folder.path} and {other.path} both have "
                        f"it and both are mounted; use a statement, `import {fullname}` or "
                        f"`from . import {fullname}`, in a file of the folder",
                        name=fullname,
                    )
        return ModuleSpec(fullname, _AliasLoader(f"{folder.package}.{fullname}"))


def _folder_on_the_stack() -> Folder | None:
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__")
        folder = folder_of_module(name) if isinstance(name, str) else None
        if folder is not None:
            return folder
        if frame.f_back is None:
            break
        frame = frame.f_back
    return None
