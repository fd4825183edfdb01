"""Modules that most sites never need, loaded when something of them is first asked for.

``ssl`` takes 1.2 MiB, of which a server that speaks no TLS has none.  Such a module is imported like this:

    if TYPE_CHECKING:
        import ssl
    else:
        ssl = LazyModule("ssl")

The standard library's `importlib.util.LazyLoader` would put the half-made module where everybody finds
it, also two threads of an application at once, which it cannot bear before Python 3.12.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["LazyModule", "lazy_names"]


class LazyModule:
    """Any thread."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, attribute: str) -> Any:
        # Only reached for what was not asked for before.
        value = self.__dict__[attribute] = getattr(importlib.import_module(self.__name__), attribute)
        return value


def lazy_names(module: dict[str, Any], where: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for ``module`` (its ``globals()``; PEP 562): its names that are loaded when they are
    first asked for, each from the module that ``where`` says."""

    def load(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {module['__name__']!r} has no attribute {name!r}")
        value = module[name] = getattr(importlib.import_module(where[name]), name)
        return value

    return load
