"""Signs of life: what they prove, and how they are made.

A thread that sleeps asks the loop, again and again, for one call; the loop makes it, in Python, and that call
is the sign.  So Python runs threads, the loop goes around, and one comes from the other; a process in which
one of these stands still gives none.  Who wants them says how often: systemd by ``WatchdogSec=``, skitaid by
``watchdog``; without either there is no such thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["SIGNS", "start"]

#: In the time within which one is wanted: one that comes late is no end yet.
SIGNS = 3


def start(
    interval: float | None, call_soon: Callable[[Callable[[], None]], None], sign: Callable[[], None]
) -> None:
    """``sign`` is called in the loop, `SIGNS` times in each ``interval`` (seconds; None: never)."""
    if interval is None:
        return
    rest = interval / SIGNS

    def ask() -> None:
        while True:
            call_soon(sign)
            time.sleep(rest)

    threading.Thread(target=ask, name="skitai-pulse", daemon=True).start()
