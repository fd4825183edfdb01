"""From the target of a route to a WSGI application: one import, one attribute, clear failures.

``load_application`` runs when the instance starts and, for `mounted.MountedApp`, on a reload; in
any thread, one load at a time for the process (the lock of `folders.loading`).  Whatever goes
wrong in the application's files, ``sys.exit()`` included, comes out as `AppLoadError`; only
KeyboardInterrupt passes, for that is the person at the console.

A target is one of

* a folder and a plain module, ``/srv/blog/app:app``: a file of a mounted folder (see `folders`);
* a folder and a dotted module, ``/srv/site/mysite.wsgi:application``: a package under its real
  name, the folder put on ``sys.path``;
* no folder, ``mysite.wsgi:application``: found on ``sys.path``.

The attribute may be dotted (``api.app``) or a call with literal arguments
(``create_app("production", debug=False)``), as in gunicorn.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from skitai._lazy import LazyModule
from skitai.core.apps import folders
from skitai.core.apps.reports import place_of, report_of
from skitai.core.config.targets import AppTarget
from skitai.errors import AppLoadError

if TYPE_CHECKING:
    import difflib
else:
    difflib = LazyModule("difflib")

__all__ = ["WSGIApplication", "is_loose_file", "load_application"]

WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def is_loose_file(target: AppTarget) -> bool:
    """Whether the module is a file of a mounted folder, not one that has a real name."""
    return target.directory is not None and "." not in target.module


def load_application(target: AppTarget) -> WSGIApplication:
    """Import ``target`` and return its application.

    A module that is loaded already is not loaded again.

    Raises:
        AppLoadError: with file, line, message and the traceback without our own frames.
        KeyboardInterrupt: as it is.
    """
    with folders.loading():
        try:
            module = _import(target)
            return _application(target, module)
        except (AppLoadError, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit and what libraries derive from BaseException
            # Cut at our own frame: an application's traceback begins in the application.
            file, line = place_of(error, _root(target))
            raise AppLoadError(
                _message(target, error), target=str(target), file=file, line=line, report=report_of(error)
            ) from error


def _import(target: AppTarget) -> ModuleType:
    if target.directory is None:
        _require(target, target.module)
        return importlib.import_module(target.module)
    if not target.directory.is_dir():
        raise AppLoadError(f"no such folder: {target.directory}", target=str(target))
    if is_loose_file(target):
        folder = folders.mount(target.directory)
        folder.ensure_package()
        _require(target, f"{folder.package}.{target.module}")
        return importlib.import_module(f"{folder.package}.{target.module}")
    directory = os.path.abspath(target.directory)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    _require(target, target.module.partition(".")[0])
    module = importlib.import_module(target.module)
    origin = getattr(module, "__file__", None)
    if origin and not os.path.abspath(origin).startswith(os.path.join(directory, "")):
        raise AppLoadError(
            f"{target.module} is already loaded from {origin}: two packages of one name "
            f"cannot be mounted in one instance; rename one of them",
            target=str(target),
            file=origin,
        )
    return module


def _require(target: AppTarget, name: str) -> None:
    """Refuse a module that is not there, before an import error could be taken for one inside it."""
    if name in sys.modules:
        return
    if "." in name and not is_loose_file(target):
        _require(target, name.partition(".")[0])
        return  # parents are imported first; what is missing below is told by the import itself
    if importlib.util.find_spec(name) is not None:
        return
    directory = target.directory or Path.cwd()
    wanted = name.rpartition(".")[2]
    near = difflib.get_close_matches(wanted, _module_names(directory), 1)
    where = f"in {directory}" if target.directory else f"on the import path (working directory {directory})"
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise AppLoadError(f"there is no module {wanted!r} {where}{hint}", target=str(target))


def _module_names(directory: Path) -> list[str]:
    return sorted(
        entry.stem
        for entry in directory.iterdir()
        if entry.suffix == ".py" or (entry.is_dir() and (entry / "__init__.py").is_file())
    )


def _application(target: AppTarget, module: ModuleType) -> WSGIApplication:
    """Follow ``target.attribute`` from ``module``; call it if it is written as a call."""
    names, call = _parse_attribute(target)
    value: Any = module
    for index, name in enumerate(names):
        try:
            value = getattr(value, name)
        except AttributeError as error:
            raise AppLoadError(
                _missing_attribute(".".join(names[:index]), name, value, module),
                target=str(target),
                file=module.__file__ or "",
                report=report_of(error),
            ) from None
    if call is not None:
        positional = [ast.literal_eval(argument) for argument in call.args]
        keywords = {item.arg: ast.literal_eval(item.value) for item in call.keywords if item.arg}
        value = value(*positional, **keywords)
    if not callable(value):
        raise AppLoadError(
            f"{target.attribute!r} is no WSGI application but {type(value).__name__}: "
            f"a callable app(environ, start_response) is needed",
            target=str(target),
            file=module.__file__ or "",
        )
    application: WSGIApplication = value
    return application


def _parse_attribute(target: AppTarget) -> tuple[list[str], ast.Call | None]:
    wrong = AppLoadError(
        f"{target.attribute!r} is neither a name (app, api.app) nor a call with literal "
        f'arguments (create_app("production"))',
        target=str(target),
    )
    try:
        node = ast.parse(target.attribute.strip(), mode="eval").body
        call = node if isinstance(node, ast.Call) else None
        if call is not None:
            for argument in [*call.args, *(item.value for item in call.keywords)]:
                ast.literal_eval(argument)
            if any(item.arg is None for item in call.keywords):
                raise wrong
            node = call.func
    except (SyntaxError, ValueError, TypeError):
        raise wrong from None
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise wrong
    return [node.id, *names], call


def _missing_attribute(path: str, name: str, owner: object, module: ModuleType) -> str:
    public = [key for key in dir(owner) if not key.startswith("_")]
    callables = [key for key in public if callable(getattr(owner, key, None))]
    near = difflib.get_close_matches(name, callables, 1) or difflib.get_close_matches(name, public, 1)
    usual = [key for key in ("app", "application", "create_app", "make_app") if key in callables]
    where = path or os.path.basename(module.__file__ or module.__name__)
    suggestion = near or usual[:1]
    hint = f"; did you mean {suggestion[0]!r}?" if suggestion else ""
    return f"{where} has no attribute {name!r}{hint}"


def _message(target: AppTarget, error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the application called sys.exit({error.code!r}) while it was imported"
    text = str(error)
    if isinstance(error, SyntaxError):
        text = error.msg
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    folder = target.directory
    if isinstance(error, ModuleNotFoundError) and folder and (error.name or "").split(".")[0] == folder.name:
        # Django's layout: the package that holds the module is imported by its name.
        return f"{said}; mount it by that name: {folder}.{target.module}:{target.attribute}"
    return said


def _root(target: AppTarget) -> str:
    return os.path.abspath(target.directory or os.getcwd())
