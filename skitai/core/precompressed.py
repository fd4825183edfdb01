"""Compressed forms of a file that lie beside it: ``app.js.br`` of ``app.js``.

Called by the static files in the loop thread.  A form that is older than the file is of another
version of it, and an empty one is about to be written: neither is there.

Nothing is remembered: to look for three names that are not there takes 4 us, which only files pay that
are not kept ready, and what a deployment changes is seen at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from skitai._kernels import engine

__all__ = ["SUFFIXES", "current_codings", "look_beside"]

#: The content codings (RFC 9110 section 8.4.1, RFC 7932, RFC 8878) in the order of our own liking,
#: the smallest result first, and how names of such files end.
SUFFIXES = {"zstd": b".zst", "br": b".br", "gzip": b".gz"}


def look_beside(path: bytes) -> tuple[engine.Witness, ...]:
    """Where forms of the file at ``path`` would be and what is there, in the order of `SUFFIXES`."""
    return tuple((path + suffix, _status(path + suffix)) for suffix in SUFFIXES.values())


def current_codings(beside: Iterable[engine.Witness], status: os.stat_result) -> tuple[str, ...]:
    """The codings in which a file with ``status`` may be had, of what was seen ``beside`` it; what is
    opened then is for the caller to look at."""
    forms = zip(SUFFIXES, beside, strict=False)
    return tuple(coding for coding, (_, form) in forms if form is not None and _is_current(form, status))


def _status(path: bytes) -> os.stat_result | None:
    if not os.access(path, os.F_OK):  # mostly; this takes half the time of an exception
        return None
    try:
        return os.stat(path)
    except OSError:
        return None


def _is_current(form: os.stat_result, status: os.stat_result) -> bool:
    # Whole seconds: programs that keep the file's time for the result do not keep its fractions.
    return form.st_size > 0 and int(form.st_mtime) >= int(status.st_mtime)
