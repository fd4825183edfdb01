"""How long answers take: a histogram that forgets, and its quantiles.

Each octave from 10 us to 168 s has `_STEPS` buckets of equal width, so a quantile is right to an eighth
of itself.  At `_MOST` values all counts are halved: what was long ago counts less and less.  Only exact
operations of floats, so that the compiled build (_speedups/latencies.h) gives the same numbers.

Belongs to `Members`, under its lock.
"""

from __future__ import annotations

from math import frexp, ldexp

__all__ = ["LEAST", "Latencies"]

_STEPS = 8
_BUCKETS = 24 * _STEPS
_SHORTEST = 1e-5  # seconds
_MOST = 2048

#: Fewer say nothing about a tail.
LEAST = 100


class Latencies:
    __slots__ = ("_counts", "_total")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._total = 0

    def add(self, elapsed: float) -> None:
        self._counts[_bucket(elapsed)] += 1
        self._total += 1
        if self._total >= _MOST:
            self._counts = [count // 2 for count in self._counts]
            self._total = sum(self._counts)

    def quantile(self, fraction: float) -> float:
        """What ``fraction`` of the answers did not take longer than; 0 while too few are known."""
        if self._total < LEAST:
            return 0.0
        wanted = fraction * self._total
        bucket, seen = 0, self._counts[0]
        while seen < wanted:
            bucket += 1
            seen += self._counts[bucket]
        octave, step = divmod(bucket, _STEPS)
        return ldexp(_SHORTEST * (_STEPS + step + 1) / _STEPS, octave)


def _bucket(elapsed: float) -> int:
    if not elapsed > _SHORTEST:
        return 0
    fraction, octave = frexp(elapsed / _SHORTEST)  # from a half to 1; octave from 1 on
    if octave > _BUCKETS // _STEPS:
        return _BUCKETS - 1
    return (octave - 1) * _STEPS + int((fraction - 0.5) * 2 * _STEPS)
