"""What the operating system lets this process have.  Main thread, at start."""

from __future__ import annotations

import dataclasses

from skitai.limits import Limits

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]  # the module stands or is absent

__all__ = ["raise_descriptor_limit"]

#: Descriptors kept for logs, spooled bodies, static files and what applications open.
_RESERVED = 128
_FALLBACK = 512


def raise_descriptor_limit(limits: Limits) -> Limits:
    """Raise the soft descriptor limit to the hard one; derive ``connections_max`` if it is 0."""
    if resource is None:
        descriptors = _FALLBACK
    else:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        descriptors = 1 << 20 if hard == resource.RLIM_INFINITY else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))
    if limits.connections_max:
        return limits
    # A static file or a spooled body in flight needs a descriptor beside its connection.
    return dataclasses.replace(limits, connections_max=max(16, (descriptors - _RESERVED) // 2))
