"""Workers that are replaced because they have served for long enough, or have grown too large.

For applications that leak: a worker that has answered `max_requests`, or whose resident memory is above
`max_memory`, gets a successor, which starts first, and then retires; so nobody notices.  Each worker has its
own number of requests, up to a tenth above the one that is set, and one at a time is replaced: workers that
were started together must not all be away together, nor all be there twice.  The master looks once a second;
what a worker answers until then, and until its successor is ready, comes on top.
"""

from __future__ import annotations

import os
import random

from skitai.core.config import ServerSettings

__all__ = ["LOOK_EVERY", "reason", "resident", "share_of_jitter"]

#: Seconds between two looks, where there is something to look at.
LOOK_EVERY = 1.0
_JITTER = 0.1


def share_of_jitter() -> float:
    """Of one worker, for as long as it is there."""
    return random.random()


def reason(server: ServerSettings, jitter: float, requests: int, pid: int) -> str:
    """Why this worker is to be replaced; empty if it is not."""
    most = server.max_requests + server.max_requests * _JITTER * jitter
    if server.max_requests and requests >= most:
        return f"it has answered {requests} requests"
    if server.max_memory:
        size = resident(pid)
        if size is not None and size > server.max_memory:
            return f"it has {size >> 20} MiB of memory"
    return ""


def resident(pid: int) -> int | None:
    """Bytes of its memory, where /proc tells (proc(5), statm)."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
