"""The one place that chooses between the compiled and the plain Python kernels.

All or nothing, once per process, at import: ``SKITAI_PURE=1`` in the environment, or an
installation without the compiled modules, gives ``skitai._pure`` for everything.  A
compiled module that is there but does not load is a broken installation and raises.
Every module above rank 1 imports kernels from here and from nowhere else.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Literal

from skitai._pure import engine, http1
from skitai._pure import percent as _pure_percent

__all__ = ["engine", "http1", "implementation", "percent_decode"]

Implementation = Literal["pure", "compiled"]
PercentDecode = Callable[[str], bytes]


def _choose() -> tuple[Implementation, PercentDecode]:
    if os.environ.get("SKITAI_PURE") == "1":
        return "pure", _pure_percent.percent_decode
    try:
        compiled = importlib.import_module("skitai._speedups.percent")
    except ModuleNotFoundError:
        return "pure", _pure_percent.percent_decode
    return "compiled", compiled.percent_decode


_implementation, percent_decode = _choose()


def implementation() -> Implementation:
    """Which build this process runs: ``"pure"`` or ``"compiled"``."""
    return _implementation
