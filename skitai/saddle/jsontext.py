"""JSON that clients send (RFC 8259), read so that it can be written again.

Python's reader takes more: the constants NaN and Infinity, and numbers beyond a float's range, which it
reads as infinite.  A function that gives such a value back would fail, for no JSON stands for it.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

__all__ = ["read_json"]


def read_json(text: str | bytes) -> Any:
    """The value of ``text``.

    Raises:
        ValueError: it is no JSON, or has a number that is too large, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError as error:
        raise ValueError(str(error)) from None


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is larger than a float can be")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
