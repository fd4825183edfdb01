"""Whether Python's threads are still threads, once an application was imported.

gevent and eventlet can put switches of one thread in their place (monkey patching), for a process in
which nobody needs another one.  A server whose threads these are does not serve: its own locks, taken
before and given back after, are somebody else's by then.  So it says what is wrong and ends.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from skitai.core.config.targets import AppTarget
from skitai.errors import SkitaiError

__all__ = ["refusing_green_threads"]

_get_ident = threading.get_ident


@contextmanager
def refusing_green_threads(target: AppTarget) -> Iterator[None]:
    """While ``target`` is imported.

    Raises:
        SkitaiError: threads are none any more; in place of whatever else that has led to.
    """
    try:
        yield
    finally:
        if threading.get_ident is not _get_ident:
            raise SkitaiError(
                f"{target} puts something else in the place of Python's threads, as "
                "gevent.monkey.patch_all() and eventlet.monkey_patch() do, and Skitai cannot serve without "
                "threads: leave that call out (handlers may block here), or write thread=False into it"
            )
