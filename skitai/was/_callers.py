"""Who calls: the numbers that a call is given by name, and the request that it is made in, if there is one.

The thread of the caller.
"""

from __future__ import annotations

from typing import Any

from skitai.was._call import CallGroup
from skitai.was._current import CALLS, VARIABLE
from skitai.was._services import Services

__all__ = ["group_of", "seconds_of", "services_here", "size_of"]

#: Seconds that nobody waits; clocks of some systems cannot count much further.
_EVER = 1e7


def seconds_of(options: dict[str, Any], name: str, default: float) -> float:
    # Checked here, for what fails in the loop fails for everybody who asks the same server.
    value = options.pop(name, None)
    if value is None:
        return default
    if not isinstance(value, (int, float)) or not value >= 0:
        raise ValueError(f"{name} is a number of seconds, from 0 on, not {value!r}")
    # A part of the time that is for ever has no limit of its own, which is what 0 means there.
    return value if value < _EVER or name == "timeout" else 0.0


def size_of(options: dict[str, Any], name: str, default: int, unit: str = "bytes, as 1 << 20") -> int:
    value = options.pop(name, None)
    if value is None:
        return default
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is a number of {unit}, not {value!r}")
    return value


def services_here() -> Services | None:
    found = VARIABLE.get(None)
    return found if found is None or isinstance(found, Services) else found.services()


def group_of(services: Services) -> CallGroup:
    group: CallGroup | None = services.__dict__.get(CALLS)
    if group is None:
        group = services.__dict__[CALLS] = CallGroup()
    return group
