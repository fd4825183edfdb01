"""What workers say of themselves, as far as it is what it should be.

Applications run there and may add to it, and a part that is out of order says so in the place of its numbers:
the master must stumble over none of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["sound"]

_NUMBER = (int, float)
_MAYBE = (int, float, type(None))
#: Of a dict: what each of these keys has at least; `...` stands for all keys, a list for any number of items.
_POOL = dict.fromkeys(("idle", "busy", "connecting", "waiting"), _NUMBER)
_HANDLER = {"seconds": _NUMBER, "stack": [str], **dict.fromkeys(("request", "how", "waits", "where"), str)}
_MEMBER = {
    "member": str,
    **dict.fromkeys(("in_flight", "latency", "ejections", "ejected_for", "healthy"), _NUMBER),
}
_FIGURES = (
    *("loop lag", "threads", "threads inside", "queued", "parked", "coroutines", "connections"),
    "websockets",
)
_SHAPES: dict[str, Any] = {
    "LIVE": {**dict.fromkeys(_FIGURES, _NUMBER), "handlers": [_HANDLER]},
    "CALLS": {"calls": _NUMBER, "origins": {...: _POOL}},
    "DB": {"statements": _NUMBER, "databases": [{"database": str, "shared": _NUMBER, **_POOL}]},
    "WEBSOCKETS": {},
    "MAIL": {"waiting": _MAYBE},
    "CLUSTER": {"members": [_MEMBER]},
}
#: Of WEBSOCKETS, before the first room there are none.
_ROOMS = {...: _NUMBER}


def sound(told: Any) -> dict[str, Any]:
    """The sections that have their shape, the others left out."""
    if not isinstance(told, Mapping):
        return {}
    return {
        name: section
        for name, section in told.items()
        if (shape := _SHAPES.get(name.partition(":")[0])) is not None
        and _fits(section, shape)
        and _fits(section.get("rooms", {}), _ROOMS if name == "WEBSOCKETS" else {})
    }


def _fits(value: Any, shape: Any) -> bool:
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(one, shape[0]) for one in value)
    if not isinstance(shape, Mapping):
        return isinstance(value, shape)
    if not isinstance(value, Mapping):
        return False
    if ... in shape:
        return all(_fits(one, shape[...]) for one in value.values())
    return all(name in value and _fits(value[name], inner) for name, inner in shape.items())
