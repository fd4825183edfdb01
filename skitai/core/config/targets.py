"""What a route leads to: a folder of files, or an application that is still to be imported.

    /var/wsgi/static              an existing folder
    /var/wsgi/blog:app            blog.py (or the package blog) in /var/wsgi, its attribute app
    blog                          the same beside the configuration file; the attribute is app
    package.module:make_app()     from the import path

Nothing is imported here: an application's code must not run while a configuration is
checked.  Only its file is looked for, so a target can be found and still not load.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, all_suffixes
from pathlib import Path
from typing import ClassVar, Literal

from skitai.core.config.problems import Mistake, did_you_mean

__all__ = ["AppTarget", "Finder", "StaticTarget", "Target"]

# "where" may begin with a Windows drive; a factory call may hold colons and slashes of its own.
_TARGET = re.compile(r"(?P<where>(?:[A-Za-z]:(?=[\\/]))?[^:(]+)(?::(?P<attribute>.*))?")
_ATTRIBUTE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*\s*(?:\(.*\))?")
_MODULE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True)
class StaticTarget:
    """The files below ``folder``; ``text`` as the route has it."""

    kind: ClassVar[Literal["static", "app"]] = "static"
    folder: Path
    text: str

    def __str__(self) -> str:
        return str(self.folder)


@dataclass(frozen=True, slots=True)
class AppTarget:
    """A WSGI callable: ``attribute`` (dotted, or a call) of ``module`` in ``directory``, or on the
    import path where that is None.  Equal targets are one application, wherever they are mounted."""

    kind: ClassVar[Literal["static", "app"]] = "app"
    directory: Path | None
    module: str
    attribute: str
    text: str

    def __str__(self) -> str:
        where = self.module if self.directory is None else str(self.directory / self.module)
        return f"{where}:{self.attribute}"


Target = StaticTarget | AppTarget


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
            raise Mistake(f"{text} is a cluster", "the reverse proxy is not in this version")
        folder = self.base / Path(text).expanduser()
        if folder.is_dir() and not (folder / "__init__.py").exists():
            return StaticTarget(folder, text), None
        match = _TARGET.fullmatch(text)
        if match is None:
            raise Mistake(f"{text!r} is no target", "write a folder or path/module:callable")
        attribute = match["attribute"] if match["attribute"] is not None else "app"
        if not _ATTRIBUTE.fullmatch(attribute):
            raise Mistake(f"{attribute!r} is not the name of a callable", "write path/module:callable")
        if folder.is_dir():
            target = AppTarget(folder.parent, folder.name, "app", text)
            return target, Mistake(
                f"{folder} is a Python package, whose source is not served as files",
                f"write {text}:app to mount its application",
            )
        if "/" in match["where"] or "\\" in match["where"]:
            path = self.base / Path(match["where"]).expanduser()
            return self._in_folder(path.parent, path.name, attribute, text)
        return self._by_name(match["where"], attribute, text)

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
    return (parent / name / "__init__.py").is_file() or any(
        (parent / f"{name}{suffix}").is_file() for suffix in all_suffixes()
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
    if (folder / module).is_file():
        if module.endswith(".py"):
            return Mistake(f"{text!r} names a file", f"write the module {module.removesuffix('.py')!r}")
        return Mistake(f"{folder / module} is a file", "a route leads to a folder or to an application")
    if not folder.is_dir():
        return Mistake(f"nothing to serve at {text!r}: there is no folder {folder}")
    looked = folder.joinpath(*module.split("."))
    names = {entry.stem for entry in folder.glob("*.py")}
    names.update(entry.name for entry in folder.iterdir() if entry.is_dir())
    return Mistake(
        f"nothing to serve at {text!r}: neither a folder {folder / module}"
        f" nor a module {looked}.py nor a package {looked / '__init__.py'}",
        did_you_mean(module, sorted(names)),
    )
