"""Numbers of clients that no other client of any process has.

    52        40 39        20 19         0
    │ how often │  process   │   count   │

A process counts, and begins a further million with another number above its own.  All are below 2^53, so
scripts in browsers can calculate with them.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator

__all__ = ["client_ids", "random_client_ids"]

_BITS = 20


def client_ids(process: int = 0) -> Iterator[int]:
    """1, 2, 3 … where there is one process, whose number is 0."""
    for roll in itertools.count():
        base = (roll << _BITS | process) << _BITS
        yield from range(base + 1, base + (1 << _BITS))


def random_client_ids() -> Iterator[int]:
    """Where processes of other hosts count too: each million begins with a random number of 33 bits, so among
    a thousand processes two have the same with a probability of 1 to 17,000."""
    while True:
        base = secrets.randbits(53 - _BITS) << _BITS
        yield from range(base + 1, base + (1 << _BITS))
