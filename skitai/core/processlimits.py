"""What the operating system lets this process have: limits that nobody has set follow from it.

    connections_max    from the descriptor limit, and 128 KiB of memory each
    body_memory_max    so that a thousand requests that wait for a thread have a quarter of the memory
    file_cache_max     an eighth

The memory is that of the machine or of the control group (`skitai.core.machine`), by the number of processes.
Main thread, at start.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable

from skitai.core import machine
from skitai.core.config import Settings
from skitai.limits import Limits

if sys.platform != "win32":
    import resource

__all__ = ["fit_to_memory", "process_limits", "raise_descriptor_limit"]

#: Descriptors kept for logs, spooled bodies, static files and what applications open.
_RESERVED = 128
#: Where the system has no such limit.
_FALLBACK = 512
_UNLIMITED = 1 << 20
#: Bytes of a connection that has a request of the usual size under way, TLS included.
_OF_A_CONNECTION = 128 << 10
_CONNECTIONS_LEAST = 16
#: Requests of `queue_max`'s default that are to have a quarter of the memory.
_WAITING = 4 * 1024
_BODY_LEAST = 16 << 10
_CACHE_PARTS = 8


def raise_descriptor_limit(limits: Limits) -> Limits:
    """Raise the soft descriptor limit to the hard one; derive ``connections_max`` if it is 0."""
    descriptors = _raise_soft_limit()
    if limits.connections_max:
        return limits
    # A static file or a spooled body in flight needs a descriptor beside its connection.
    return dataclasses.replace(
        limits, connections_max=max(_CONNECTIONS_LEAST, (descriptors - _RESERVED) // 2)
    )


def process_limits(settings: Settings, tell: Callable[[str], None]) -> Limits:
    """Those of ``settings``, and what follows for the others; ``tell(text)`` if that is less than usual."""
    limits = raise_descriptor_limit(settings.limits)
    total = machine.memory()
    share = None if total is None else total // settings.server.processes

    def is_set(name: str) -> bool:
        # 0 for connections_max is as good as nothing.
        return settings.origin("server", name) != "default" and bool(getattr(settings.limits, name))

    fitted = fit_to_memory(limits, share, is_set)
    if share is not None and fitted.body_memory_max < limits.body_memory_max:
        names = ("connections_max", "body_memory_max", "file_cache_max")
        found = ", ".join(f"{name} {getattr(fitted, name)}" for name in names)
        tell(f"{share >> 20} MiB of memory for this process: {found}")
    return fitted


def fit_to_memory(limits: Limits, memory: int | None, is_set: Callable[[str], bool]) -> Limits:
    """``limits``, of which those that nobody has set (``is_set(name)``) are no larger than is good for
    ``memory`` bytes; None is enough for all."""
    if memory is None:
        return limits
    most = {
        "connections_max": max(_CONNECTIONS_LEAST, memory // _OF_A_CONNECTION),
        "body_memory_max": max(_BODY_LEAST, memory // _WAITING),
        "file_cache_max": memory // _CACHE_PARTS,
    }
    smaller = {name: size for name, size in most.items() if size < getattr(limits, name) and not is_set(name)}
    return dataclasses.replace(limits, **smaller)


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
