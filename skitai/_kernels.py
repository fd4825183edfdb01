"""The one place that chooses between the compiled and the plain Python kernels.

All or nothing, once per process, at import: ``SKITAI_PURE=1`` in the environment, or an
installation without the compiled modules, gives ``skitai._pure`` for everything.  A
compiled module that is there but does not load is a broken installation and raises.
Every module above rank 1 imports kernels from here and from nowhere else.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import TYPE_CHECKING, Any, Literal

from skitai._lazy import LazyModule
from skitai._pure import producers  # the same in both builds
from skitai._pure.accessline import AccessNotes, AccessRecord, notes_of

__all__ = [
    "AccessNotes",
    "AccessRecord",
    "Casts",
    "Pipeline",
    "PipelineError",
    "Taken",
    "access_lines",
    "add_fields",
    "coders",
    "engine",
    "http1",
    "implementation",
    "notes_of",
    "percent_decode",
    "producers",
    "websocket",
    "wsframes",
]

Implementation = Literal["pure", "compiled"]

_PACKAGES: dict[Implementation, str] = {"pure": "skitai._pure", "compiled": "skitai._speedups"}
_MODULES = ("accessline", "engine", "environ", "http1", "percent")
#: What servers without WebSockets and databases never need: loaded when something of it is asked for.
_LATER = ("pipeline", "websocket", "wsframes")


#: Nor do those need these that ask nobody; of the pure build they stand in `engine`.
_LATER_OF: dict[Implementation, tuple[str, ...]] = {
    "pure": _LATER,
    "compiled": (
        *(*_LATER, "members", "outbound", "wholes", "wscall", "wscalls", "wsenviron"),
        *("lane_passage", "lane_relay", "plain_answers", "relay_heads"),
    ),
}


def _load(build: Implementation) -> list[Any]:
    for name in _LATER_OF[build]:
        if importlib.util.find_spec(f"{_PACKAGES[build]}.{name}") is None:
            raise ModuleNotFoundError(f"{name} is missing", name=f"{_PACKAGES[build]}.{name}")
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
    from skitai._pure import coders, engine, http1, websocket, wsframes
    from skitai._pure.accessline import access_lines
    from skitai._pure.environ import add_fields
    from skitai._pure.percent import percent_decode
    from skitai._pure.pipeline import Casts, Pipeline, PipelineError, Taken
else:
    _accessline, engine, _environ, http1, _percent = _chosen
    _pipeline, websocket, wsframes = (LazyModule(f"{_PACKAGES[_implementation]}.{name}") for name in _LATER)
    coders = LazyModule("skitai._pure.coders")  # the same in both builds, too
    _values = LazyModule("skitai._pure.pipeline")
    _later = {"Casts": _values, "Pipeline": _pipeline, "PipelineError": _values, "Taken": _values}

    def __getattr__(name: str) -> Any:
        """Names of those modules."""
        if name not in _later:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(_later[name], name)

    access_lines = _accessline.access_lines
    add_fields = _environ.add_fields
    percent_decode = _percent.percent_decode


def implementation() -> Implementation:
    """Which build this process runs: ``"pure"`` or ``"compiled"``."""
    return _implementation
