"""The one place that chooses between the compiled and the plain Python kernels.

All or nothing, once per process, at import: ``SKITAI_PURE=1`` in the environment, or an
installation without the compiled modules, gives ``skitai._pure`` for everything.  A
compiled module that is there but does not load is a broken installation and raises.
Every module above rank 1 imports kernels from here and from nowhere else.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any, Literal

from skitai._pure import coders, producers  # the same in both builds
from skitai._pure.accessline import AccessRecord

__all__ = [
    "AccessRecord",
    "access_lines",
    "add_fields",
    "coders",
    "engine",
    "http1",
    "implementation",
    "percent_decode",
    "producers",
]

Implementation = Literal["pure", "compiled"]

_PACKAGES: dict[Implementation, str] = {"pure": "skitai._pure", "compiled": "skitai._speedups"}
_MODULES = ("accessline", "engine", "environ", "http1", "percent")


def _load(build: Implementation) -> list[Any]:
    return [importlib.import_module(f"{_PACKAGES[build]}.{name}") for name in _MODULES]


def _choose() -> tuple[Implementation, list[Any]]:
    if os.environ.get("SKITAI_PURE") != "1":
        try:
            return "compiled", _load("compiled")
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith(_PACKAGES["compiled"]):
                raise
    return "pure", _load("pure")


_implementation, _chosen = _choose()

if TYPE_CHECKING:
    # The twins have the same names and types: `tests/test_build.py` sees to it.
    from skitai._pure import engine, http1
    from skitai._pure.accessline import access_lines
    from skitai._pure.environ import add_fields
    from skitai._pure.percent import percent_decode
else:
    _accessline, engine, _environ, http1, _percent = _chosen
    access_lines = _accessline.access_lines
    add_fields = _environ.add_fields
    percent_decode = _percent.percent_decode


def implementation() -> Implementation:
    """Which build this process runs: ``"pure"`` or ``"compiled"``."""
    return _implementation
