"""The path that a member is asked for: the client's own bytes, with or without those of the route.

A member may read a path otherwise than we do, so nothing that it could resolve to another one is passed on:
a path that leaves its route by ``..`` would get to what is not mounted.
"""

from __future__ import annotations

from skitai._kernels import http1
from skitai.errors import HTTPError

__all__ = ["target_of"]


def target_of(head: http1.RequestHead, path: str, route: str, *, preserve: bool) -> str:
    """``path`` is that of ``head``, decoded; ``route`` the part of it that is the mount's, which is left out
    unless ``preserve``.  Raises HTTPError (400)."""
    if "." in path and _has_dots(path):
        raise HTTPError(400, "The path has a segment that is a dot or two.")
    raw = head.path
    if route and not preserve:
        raw = _behind(raw, len(route.encode("utf-8", "surrogateescape")))
        if not raw.startswith("/"):
            if raw:
                raise HTTPError(400, "The slash behind the route is percent-encoded.")
            raw = "/"
    return f"{raw}?{head.query}" if head.query or head.target.endswith("?") else raw


def _has_dots(path: str) -> bool:
    """Whether a segment is ``.`` or ``..``, to servers that take a backslash for a slash, or that take away
    what stands behind a semicolon (``..;a=b``) before they look."""
    plain = path.replace("\\", "/")
    return "/." in plain and any(segment.partition(";")[0] in (".", "..") for segment in plain.split("/"))


def _behind(raw: str, count: int) -> str:
    """``raw``, percent-encoded, without what stands for its first ``count`` bytes."""
    if "%" not in raw:
        return raw[count:]
    place = 0
    for _ in range(count):
        place += 3 if raw[place] == "%" else 1
    return raw[place:]
