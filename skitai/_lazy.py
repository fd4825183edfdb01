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
from typing import Any

__all__ = ["LazyModule"]


class LazyModule:
    """Any thread."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, attribute: str) -> Any:
        # Only reached for what was not asked for before.
        value = self.__dict__[attribute] = getattr(importlib.import_module(self.__name__), attribute)
        return value
