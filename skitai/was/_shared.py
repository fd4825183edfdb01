"""What all applications of a server share: objects that one of them has registered under a name.

``wasc.registerObject("prices", prices)`` at startup, and ``was.prices`` in every request of every
application; ``wasc.prices`` at any time.  Each process has its own.

Any thread: each step is one operation of a dict.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["SHARED", "Shared"]


class Shared:
    """README's ``wasc``."""

    def __init__(self) -> None:
        self._objects: dict[str, Any] = {}
        self._reserved: set[str] = set()

    def registerObject(self, name: str, value: Any) -> None:
        """Have ``was.name`` mean ``value``.

        Raises:
            KeyError: there is an object or a service of this name.
            ValueError: it is no name of an attribute.
        """
        if not name.isidentifier() or name.startswith("_"):
            raise ValueError(f"{name!r} cannot be asked for as an attribute of was")
        if name in self._reserved or hasattr(type(self), name):
            raise KeyError(f"was.{name} is a service, and cannot be an object of yours: take another name")
        if self._objects.setdefault(name, value) is not value:
            raise KeyError(f"was.{name} is registered already: unregister it first, or take another name")

    def unregister(self, name: str) -> Any:
        """The object that ``name`` meant, which is free again.  Raises KeyError if there was none."""
        if name not in self._objects:
            raise KeyError(f"was.{name} is not registered")
        return self._objects.pop(name)

    register = registerObject
    unregisterObject = unregister

    def reserve(self, names: Iterable[str]) -> None:
        """No object may have one of ``names``."""
        self._reserved.update(names)

    def __contains__(self, name: object) -> bool:
        return name in self._objects

    def __getattr__(self, name: str) -> Any:
        try:
            return self._objects[name]
        except KeyError:
            raise AttributeError(f"no object {name!r} is registered") from None

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._objects})


SHARED = Shared()
