"""Compressed forms of a file that lie beside it: ``app.js.br`` of ``app.js``.

Called by the static files in the loop thread.  A form that is older than the file is of another
version of it, and an empty one is about to be written: neither is there.

Nothing is remembered: to look for three names that are not there takes 7 us, which only files pay that
are not kept ready, and what a deployment changes is seen at once.
"""

from __future__ import annotations

import os

__all__ = ["SUFFIXES", "codings_beside"]

#: The content codings (RFC 9110 section 8.4.1, RFC 7932, RFC 8878) in the order of our own liking,
#: the smallest result first, and how names of such files end.
SUFFIXES = {"zstd": b".zst", "br": b".br", "gzip": b".gz"}


def codings_beside(path: bytes, status: os.stat_result) -> tuple[str, ...]:
    """The codings in which the file at ``path``, with ``status``, may be had; what is opened then is
    for the caller to look at."""
    return tuple(coding for coding, suffix in SUFFIXES.items() if _is_current(path + suffix, status))


def _is_current(path: bytes, status: os.stat_result) -> bool:
    try:
        beside = os.stat(path)
    except OSError:
        return False
    # Whole seconds: programs that keep the file's time for the result do not keep its fractions.
    return beside.st_size > 0 and int(beside.st_mtime) >= int(status.st_mtime)
