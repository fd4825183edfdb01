"""Which statements are quick, as far as we have seen: a slow one holds up whatever is behind it.

A statement is known by its text, without what differs from call to call (`classify.Shape.key`).  It shares a
connection once it has been seen to be quick, and a slow run keeps it on connections of its own until it has
been quick there for so many runs; so neither its first run nor a statement that is slow now and then reaches
a neighbour twice in a row.

Slow is what runs for more than 20 ms.  The way there and back does not count, which is nobody's fault and
takes no time from others: it takes as long as the quickest answer that this server has given.  What stands
behind others has not run before they have ended.

Brief is what runs for a millisecond at most.  Of those several can wait for each other's answers, and nobody
notices.

One for each member.  The loop thread.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Paces"]

_SLOW: Final = 0.020
_BRIEF: Final = 0.001
#: Quick runs that are wanted before it shares a connection: of one that nobody knows, and after a slow one.
_UNKNOWN: Final = 1
_AFTER_SLOW: Final = 16
_SHAPES_MAX: Final = 4096
_ALONE: Final = float("inf")


class Paces:
    __slots__ = ("_brief", "_owed", "_quickest")

    def __init__(self) -> None:
        #: Quick runs that are still wanted, by key, the longest known first.
        self._owed: dict[str, int] = {}
        #: Those whose last run was brief.
        self._brief: set[str] = set()
        self._quickest = float("inf")

    def may_share(self, key: str) -> bool:
        return self._owed.get(key, _UNKNOWN) == 0

    def is_brief(self, key: str) -> bool:
        return key in self._brief

    def note(self, key: str, seconds: float, behind: float = _ALONE, count: int = 1) -> None:
        """It was answered so many ``seconds`` after it was sent, and so long after the one before it,
        ``behind`` which it stood; or ``count`` of this key were, together."""
        self._quickest = min(self._quickest, seconds)
        ran = min(seconds - self._quickest, behind)
        owed = self._owed.get(key)
        if ran > _SLOW:
            self._owed[key] = _AFTER_SLOW
        elif owed is None:
            self._owed[key] = _UNKNOWN - 1
        elif owed:
            self._owed[key] = owed - 1
        if ran > _BRIEF * count:
            self._brief.discard(key)
        else:
            self._brief.add(key)
        if owed is None and len(self._owed) > _SHAPES_MAX:
            oldest = next(iter(self._owed))
            del self._owed[oldest]
            self._brief.discard(oldest)

    def snapshot(self) -> dict[str, int]:
        """For people: how many statements share connections, and how many have been slow; any thread."""
        owed = tuple(self._owed.values())
        return {"quick": owed.count(0), "slow": len(owed) - owed.count(0)}
