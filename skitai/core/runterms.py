"""What all runs of one mount have in common: made once, for thousands of runs may wait at once.

Made by `skitai.core.runs`; read by any thread that runs applications.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skitai._kernels import engine
from skitai.core.compression import Compression
from skitai.core.coroutines import Coroutines
from skitai.core.runreports import RunReports
from skitai.core.sendfile import SendfileRoots

__all__ = ["RunTerms"]


@dataclass(frozen=True, slots=True)
class RunTerms:
    """``compression``: None for none; ``roots``: of the files that the application may name; ``burns``,
    ``lasts``: see `Job`; ``debug()`` says whether a failure may be shown; ``on_overload(exchange, limit,
    why)`` answers when ``limit`` does not let a run in; ``give_up()``: see `Binding`; ``is_ending()`` says
    whether the server lets its connections end; ``present``: of runs that are inside, or awaited."""

    executor: engine.Executor
    coroutines: Coroutines
    reports: RunReports
    compression: Compression | None
    roots: SendfileRoots | None
    burns: bool
    lasts: bool
    debug: Callable[[], bool]
    on_overload: Callable[[engine.Exchange, str, str], None]
    give_up: Callable[[], None]
    is_ending: Callable[[], bool]
    present: set[Any]
