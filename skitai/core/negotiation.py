"""What a client likes best: the fields Accept and Accept-Encoding (RFC 9110 sections 12.4 and 12.5).

Pure functions, for any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

__all__ = ["preferred_coding", "preferred_type", "weighted"]

#: Characters that are looked at; browsers send some 150.
_LENGTH_MAX = 1000

#: A recipient ought to take these for one another (RFC 9110 section 8.4.1).
_ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}


def weighted(field: str) -> list[tuple[str, float]]:
    """The names in ``field``, in lower case, each with its quality; other parameters are left out.

    ``text/html;level=1;q=0.7, */*`` is ``[("text/html", 0.7), ("*/*", 1.0)]``.
    """
    return [_item(item) for item in field[:_LENGTH_MAX].split(",") if item.strip()]


@lru_cache(maxsize=256)  # browsers send a handful of them, at each request
def preferred_coding(accept_encoding: str | None, available: Sequence[str]) -> str | None:
    """Which of the content codings ``available`` the client gets; None is the body as it is.

    ``accept_encoding``: the field, None if there is none; ``available``: in the order of our own
    liking, hashable.  The best quality wins, then our order; any coding that is as welcome wins
    over none.  A client that takes neither a coding nor ``identity`` gets the body as it is, which
    RFC 9110 section 12.5.3 prefers to an error.
    """
    if not accept_encoding:
        return None
    qualities: dict[str, float] = {}
    for name, quality in weighted(accept_encoding):
        qualities.setdefault(_ALIASES.get(name, name), quality)
    others = qualities.get("*", 0.0)
    best, best_quality = None, qualities.get("identity", 0.0)
    for coding in available:
        quality = qualities.get(coding, others)
        if quality > best_quality or (best is None and quality == best_quality > 0.0):
            best, best_quality = coding, quality
    return best


def preferred_type(accept: str, available: Sequence[str]) -> str:
    """Which of the media types ``available`` the field Accept likes best (RFC 9110 section 12.5.1).

    Among equals: what is named over what a wildcard covers, the first named, the first of
    ``available``; to a client that takes none of them that is sent, as the section allows.
    """
    ranges = weighted(accept)

    def liking(media_type: str) -> tuple[float, int, int]:
        wildcards = ("*/*", media_type.partition("/")[0] + "/*", media_type)
        best = (0.0, 0, 0)
        specificity = -1
        for position, (name, quality) in enumerate(ranges):
            if name in wildcards and wildcards.index(name) > specificity:
                specificity = wildcards.index(name)
                best = (quality, specificity, -position)
        return best

    return max(available, key=liking)


def _item(item: str) -> tuple[str, float]:
    name, *parameters = item.split(";")
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            quality = _quality(value.strip())
    return name.strip().lower(), quality


def _quality(text: str) -> float:
    """A qvalue, 0 to 1; what is none counts as a refusal of what it stands at."""
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0
