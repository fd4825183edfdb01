"""The arithmetic: what is made of the slices of two servers.

Only figures of one round are divided, because they were taken within seconds of each
other; what drifts slowly falls out of the ratio.  Medians and quartiles, because one slice
in which the machine did something else must not move the result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Quartiles", "paired", "quartiles"]


class Quartiles(NamedTuple):
    first: float
    median: float
    third: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.first:.2f}-{self.third:.2f}]"


def quartiles(values: Sequence[float]) -> Quartiles:
    """Of a single value itself thrice; ValueError without values."""
    if not values:
        raise ValueError("no values to take quartiles of")
    # Interpolated as statistics.quantiles(method="inclusive"), which takes no single value
    # and makes nan of a quartile between two infinities.
    ordered = sorted(values)
    return Quartiles(*(_at(ordered, quarter / 4 * (len(ordered) - 1)) for quarter in (1, 2, 3)))


def _at(ordered: Sequence[float], position: float) -> float:
    below, part = int(position), position % 1
    return ordered[below] if not part else ordered[below] * (1 - part) + ordered[below + 1] * part


def _ratio(dividend: float, divisor: float) -> float:
    """CPU time is counted in hundredths of a second: a quick slice can have taken none."""
    if divisor:
        return dividend / divisor
    return math.inf if dividend else 1.0


def paired(dividends: Sequence[float], divisors: Sequence[float]) -> Quartiles:
    """Quartiles of the ratios, round by round; ValueError if the rounds do not match."""
    return quartiles([_ratio(a, b) for a, b in zip(dividends, divisors, strict=True)])
