"""The `Reach` of this process, made when the first call asks for it.

A server hands in how (`provide`): its own loop, settings and clusters.  Anywhere else, in a script or under
another server, a loop is made that runs in a thread of its own, with the default limits and without
clusters, or with those of a configuration (`configure`).  So it is behind the last request of a server, too,
whose loop has ended (`withdraw`); and in a process that was forked off, which makes its own.

At the end of a process nothing stays under way: calls end as cancelled, and with them the files that they
have begun.

Any thread.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skitai._kernels import engine
from skitai._lazy import LazyModule

if TYPE_CHECKING:
    from skitai.core import config
    from skitai.was import _reach
else:
    config = LazyModule("skitai.core.config")
    _reach = LazyModule("skitai.was._reach")

__all__ = ["configure", "provide", "reach", "withdraw"]

#: Seconds that the end of a process waits for what is under way to be given up.
_PATIENCE = 1.0


def provide(
    loop: engine.EventLoop, *, report: Callable[[str], None], warn: Callable[[str], None], **settings: Any
) -> None:
    """From now on the handlers of this process ask by ``loop``, which a server runs; for the others see
    `skitai.was._reach.Surroundings`."""
    with _provider.lock:
        _provider.make = partial(_reach_of, loop, report=report, warn=warn, **settings)
        _provider.made = None
        _provider.settings = settings
        _provider.is_served = True


def configure(
    configuration: str | os.PathLike[str] | config.Settings | None = None, *, text: str | None = None
) -> None:
    """For a script, a test or another server: ask as the server of this configuration would, by its clusters
    (``[@name]``), limits, name servers and ``SKITAI_…`` variables.

    ``configuration`` is a file's path, or settings that are read already; ``text`` is what a file would say.
    Calls under way are not touched.

    Raises:
        ConfigErrors: with all that is wrong with it.
        RuntimeError: this process is a server, which has its own.
    """
    if isinstance(configuration, config.Settings):
        settings = configuration
    elif configuration is None and text is None:
        raise TypeError("was.configure takes the path of a configuration, or text=...")
    else:
        file = None if configuration is None else Path(configuration)
        settings = config.load(file, text=text, environ=os.environ)
    with _provider.lock:
        if _provider.is_served:
            raise RuntimeError(
                "was.configure is for processes without a server; this one asks by the clusters of its own "
                "configuration (sections [@name])"
            )
        _provider.settings = {
            "limits": settings.limits,
            "dns": settings.server.dns,
            "results_max": settings.server.num_result_cache_max,
            "clusters": settings.clusters,
        }
        _provider.made = None


def withdraw(patience: float) -> None:
    """That loop is about to stop: what is under way is given up, for which this waits at most ``patience``
    seconds.  Whoever asks from now on, as applications may that are told of the end, does it by a thread."""
    with _provider.lock:
        made, _provider.made = _provider.made, None
        _provider.make = _alone
    if made is not None:
        made.close(patience)


def reach() -> _reach.Reach:
    return _provider.made or _make()


class _Provider:
    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        self.make: Callable[[], _reach.Reach] = _alone
        self.made: _reach.Reach | None = None
        #: A server has provided.
        self.is_served = False
        #: Of `skitai.was._reach.Surroundings`; those of the server, or of a configuration.
        self.settings = settings or {}
        #: Those whose loops have threads of their own.
        self.own: list[_reach.Reach] = []
        self.lock = threading.Lock()


def _make() -> _reach.Reach:
    with _provider.lock:
        if _provider.made is None:
            _provider.made = _provider.make()
        return _provider.made


def _alone() -> _reach.Reach:
    loop = engine.EventLoop(_trace)
    threading.Thread(target=loop.run, name="skitai-was", daemon=True).start()
    made = _reach_of(loop, report=_trace, warn=_print, **_provider.settings)
    _provider.own.append(made)
    return made


def _reach_of(loop: engine.EventLoop, **around: Any) -> _reach.Reach:
    return _reach.Reach(_reach.Surroundings(loop, **around))


def _print(text: str) -> None:
    print(f"skitai.was: {text}", file=sys.stderr)


def _trace(what: str) -> None:
    _print(what)
    traceback.print_exc()


def _end() -> None:
    for made in _provider.own:
        made.close(_PATIENCE)


def _begin_anew() -> None:
    """In a child the thread is not there, and the sockets are the parent's."""
    _provider.__init__(_provider.settings)  # type: ignore[misc]


_provider = _Provider()
# The threads are there until after these functions, for they are daemons.
atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
