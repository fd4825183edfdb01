"""Conditional requests: whether the client has it already, or a part of it (RFC 9110 section 13).

Pure functions, called by whatever has a representation with validators.
"""

from __future__ import annotations

import re

from skitai._httpdate import parse_date
from skitai._kernels import http1

__all__ = ["evaluate", "range_holds"]

# entity-tag = [ weak ] opaque-tag                                       RFC 9110 section 8.8.3
# An opaque-tag may contain commas: a list of them is searched for tags, never split.
_ENTITY_TAG = re.compile('(W/)?("[!#-~\x80-\xff]*")')

#: Seconds: times of files are as coarse as 2 s (FAT).
_SETTLED = 2


def evaluate(head: http1.RequestHead, etag: str, modified: int) -> int:
    """200, 304 or 412: what the conditions of a GET or HEAD request make of its answer.

    ``etag``: the strong entity tag with its quotes; ``modified``: Last-Modified in seconds since
    1970.  The order is that of RFC 9110 section 13.2.2: tags win over dates.  A date that is none
    is ignored (sections 13.1.3 and 13.1.4).
    """
    if not any(name[:3].lower() == "if-" for name, _ in head.headers):
        return 200  # as most requests are
    if_match = head.get("if-match")
    if if_match is not None:
        if not _names(if_match, etag, strong=True):
            return 412
    else:
        unmodified_since = parse_date(head.get("if-unmodified-since") or "")
        if unmodified_since is not None and modified > unmodified_since:
            return 412
    if_none_match = head.get("if-none-match")
    if if_none_match is not None:
        return 304 if _names(if_none_match, etag, strong=False) else 200
    modified_since = parse_date(head.get("if-modified-since") or "")
    return 304 if modified_since is not None and modified <= modified_since else 200


def range_holds(if_range: str | None, etag: str, modified: int, now: float) -> bool:
    """Whether the client's part is one of this very representation, so that its Range may be followed
    (section 13.1.5).

    A date is good for that only where nothing can have changed twice within its second (section
    8.8.2.2): a file that was changed just now may be changed again.
    """
    if if_range is None or if_range == etag:
        return True
    return parse_date(if_range) == modified and modified + _SETTLED < now


def _names(value: str, etag: str, *, strong: bool) -> bool:
    """Whether the list of tags in ``value`` holds ``etag``, by strong or weak comparison
    (RFC 9110 section 8.8.3.2).  ``*`` is any."""
    if value in ("*", etag):
        return True
    return any(tag == etag and not (weak and strong) for weak, tag in _ENTITY_TAG.findall(value))
