"""Requests that have no line: health checks, pictures (``log_off``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from skitai._kernels import AccessRecord

__all__ = ["paths_off"]


def paths_off(patterns: Iterable[str]) -> Callable[[AccessRecord], bool]:
    """Whether the path of a request is one of ``patterns``, in which ``*`` stands for anything; the target is
    compared as it was sent, without its query.  Failures (status 400 and more) always have a line."""
    any_of = "|".join(".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns)
    matches = re.compile(rf"(?:{any_of})(?:\?.*)?", re.DOTALL).fullmatch

    def is_off(record: AccessRecord) -> bool:
        return record[6] < 400 and matches(record[4]) is not None

    return is_off
