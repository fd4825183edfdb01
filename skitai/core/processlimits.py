"""What the operating system lets this process have.  Main thread, at start."""

from __future__ import annotations

import dataclasses
import sys

from skitai.limits import Limits

if sys.platform != "win32":
    import resource

__all__ = ["raise_descriptor_limit"]

#: Descriptors kept for logs, spooled bodies, static files and what applications open.
_RESERVED = 128
#: Where the system has no such limit.
_FALLBACK = 512
_UNLIMITED = 1 << 20


def raise_descriptor_limit(limits: Limits) -> Limits:
    """Raise the soft descriptor limit to the hard one; derive ``connections_max`` if it is 0."""
    descriptors = _raise_soft_limit()
    if limits.connections_max:
        return limits
    # A static file or a spooled body in flight needs a descriptor beside its connection.
    return dataclasses.replace(limits, connections_max=max(16, (descriptors - _RESERVED) // 2))


def _raise_soft_limit() -> int:
    if sys.platform == "win32":
        return _FALLBACK
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _UNLIMITED if hard == resource.RLIM_INFINITY else hard
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return soft  # macOS calls the hard limit infinite and has a smaller one all the same
    return wanted
