"""What a route leads to: a folder of files, a cluster, or an application that is still to be imported.

    /var/wsgi/static              an existing folder
    @search                       the servers of the section [@search]
    /var/wsgi/blog:app            blog.py (or the package blog) in /var/wsgi, its attribute app
    blog                          the same beside the configuration file; the attribute is app
    package.module:make_app()     from the import path

Nothing is imported here: an application's code must not run while a configuration is
checked.  Only its file is looked for, so a target can be found and still not load.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, all_suffixes
from pathlib import Path
from typing import ClassVar, Literal

from skitai.core.config.paths import below, names_in
from skitai.core.config.problems import Mistake, did_you_mean

__all__ = ["AppTarget", "ClusterTarget", "Finder", "StaticTarget", "Target"]

_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_MODULE = re.compile(_DOTTED)
# The shortest "where" that leaves a callable: a factory call may hold colons and slashes, and so
# may the folder.  A colon in the last part that leaves none is a mistake, not a file name.
_TARGET = re.compile(rf"(?P<where>.+?)(?::(?P<attribute>{_DOTTED}\s*(?:\(.*\))?))?")
_STRAY_COLON = re.compile(r":[^/\\]*$")


@dataclass(frozen=True, slots=True)
class StaticTarget:
    """The files below ``folder``; ``text`` as the route has it."""

    kind: ClassVar[Literal["static", "app", "cluster"]] = "static"
    folder: Path
    text: str

    def __str__(self) -> str:
        return str(self.folder)


@dataclass(frozen=True, slots=True)
class AppTarget:
    """A WSGI callable: ``attribute`` (dotted, or a call) of ``module`` in ``directory``, or on the
    import path where that is None.  Equal targets are one application, wherever they are mounted."""

    kind: ClassVar[Literal["static", "app", "cluster"]] = "app"
    directory: Path | None
    module: str
    attribute: str
    text: str

    def __str__(self) -> str:
        where = self.module if self.directory is None else str(self.directory / self.module)
        return f"{where}:{self.attribute}"


@dataclass(frozen=True, slots=True)
class ClusterTarget:
    """Requests are passed on to the members of ``[@name]``; whether there are any is seen by `loading`."""

    kind: ClassVar[Literal["static", "app", "cluster"]] = "cluster"
    name: str

    def __str__(self) -> str:
        return f"@{self.name}"


Target = StaticTarget | AppTarget | ClusterTarget


@dataclass(frozen=True, slots=True)
class Finder:
    """Reads targets.  ``base``: the folder of relative paths.  ``import_path``: folders that will
    stand before ``sys.path`` when applications load."""

    base: Path
    import_path: Sequence[Path] = ()

    def find(self, text: str) -> tuple[Target, Mistake | None]:
        """The target and, where nothing is there to serve, what was looked for.

        Raises Mistake when ``text`` cannot be a target at all.
        """
        if text.startswith("@"):
            return ClusterTarget(text.removeprefix("@")), None
        folder = below(self.base, text)
        if os.path.isdir(folder):
            if not os.path.exists(folder / "__init__.py"):
                return StaticTarget(folder, text), None
            return AppTarget(folder.parent, folder.name, "app", text), Mistake(
                f"{folder} is a Python package, whose source is not served as files",
                f"write {text}:app to mount its application",
            )
        match = _TARGET.fullmatch(text)
        if match is None or _STRAY_COLON.search(match["where"]):
            quoted = " without quotes" if text[:1] in ("'", '"') else ""
            raise Mistake(f"{text!r} is no target", f"write a folder or path/module:callable{quoted}")
        where, attribute = match["where"], match["attribute"] or "app"
        if "/" in where or "\\" in where:
            path = below(self.base, where)
            return self._in_folder(path.parent, path.name, attribute, text)
        return self._by_name(where, attribute, text)

    def _by_name(self, module: str, attribute: str, text: str) -> tuple[Target, Mistake | None]:
        """Without a slash: a module beside the configuration file goes before the import path."""
        beside = self.base not in self.import_path and _module_file(self.base, module)
        if not beside and _MODULE.fullmatch(module) and _importable(module, self.import_path):
            return AppTarget(None, module, attribute, text), None
        return self._in_folder(self.base, module, attribute, text)

    def _in_folder(
        self, folder: Path, module: str, attribute: str, text: str
    ) -> tuple[Target, Mistake | None]:
        target = AppTarget(folder, module, attribute, text)
        if _module_file(folder, module):
            return target, None
        return target, _missing(folder, module, text)


def _module_file(folder: Path, module: str) -> bool:
    *packages, name = module.split(".")
    parent = folder.joinpath(*packages)
    return os.path.isfile(parent / name / "__init__.py") or any(
        os.path.isfile(parent / f"{name}{suffix}") for suffix in all_suffixes()
    )


def _importable(module: str, import_path: Sequence[Path]) -> bool:
    """Whether an import would find a file for ``module``; runs no code of its packages."""
    top, *rest = module.split(".")
    try:
        spec = PathFinder.find_spec(top, [str(folder) for folder in import_path])
        if spec is None:
            spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    name = top
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return False
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return _has_code(spec)


def _has_code(spec: ModuleSpec | None) -> bool:
    return spec is not None and spec.origin is not None  # a folder without __init__.py has none


def _missing(folder: Path, module: str, text: str) -> Mistake:
    if os.path.isfile(folder / module):
        if module.endswith(".py"):
            return Mistake(f"{text!r} names a file", f"write the module {module.removesuffix('.py')!r}")
        return Mistake(f"{folder / module} is a file", "a route leads to a folder or to an application")
    if not os.path.isdir(folder):
        return Mistake(f"nothing to serve at {text!r}: there is no folder {folder}")
    looked = folder.joinpath(*module.split("."))
    names = {name.removesuffix(".py") for name in names_in(folder)}
    return Mistake(
        f"nothing to serve at {text!r}: neither a folder {folder / module}"
        f" nor a module {looked}.py nor a package {looked / '__init__.py'}",
        did_you_mean(module, sorted(names)),
    )
