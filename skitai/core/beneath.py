"""Opening a file beneath a folder, and never one that is elsewhere.

Called by the static files in the loop thread.  The path is walked segment by segment from one
open folder to the next, and no symbolic link is followed: what is opened lies beneath the root,
whatever is renamed or replaced meanwhile.  One system call for a file in the root itself, three
for a file in a folder of it, and so on.

A path with a link in it fails that walk.  It is then resolved by name, and if the result is
beneath the root it is walked in the same way.  So links within the root work (``current ->
releases/7``), links that leave it do not, and whoever swaps a link in between gains nothing: the
second walk follows none either.  The root's own path may have links; they are the administrator's.

Links may lead to hidden names (Kubernetes' ``index.html -> ..data/index.html``): that is for
whoever made the link to decide; what clients may ask for is the caller's business.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

__all__ = ["open_anywhere", "open_beneath", "with_status"]


def _flags(*names: str) -> int:
    """Those of the flags that this system has."""
    return sum(getattr(os, name, 0) for name in names)


# O_NONBLOCK: opening a fifo without a writer would wait for one.  For plain files it means nothing.
_FILE = os.O_RDONLY | _flags("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY")
# O_PATH needs the right to pass through a folder only, not the right to list it.
_FOLDER = _flags("O_PATH", "O_DIRECTORY", "O_NOFOLLOW")

#: Opens nothing but the way there, which proc(5) can tell.
_PLACE: int | None = os.O_PATH if sys.platform == "linux" else None

#: What opening a link with O_NOFOLLOW says: POSIX; as a folder on Linux; FreeBSD.
_MAYBE_A_LINK = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EMLINK})


def open_beneath(root: bytes, segments: Sequence[bytes]) -> int:
    """Open ``root``/``segments``... for reading; returns a descriptor, close-on-exec.

    ``segments``: at least one; none is empty, ``.``, ``..`` or has a slash or NUL (the caller has
    looked).  The descriptor may be of anything but a link or a socket: ask ``os.fstat`` whether
    it is a file.  Raises OSError, FileNotFoundError also for what a link leads out of the root.
    """
    if os.open not in os.supports_dir_fd:
        return _open_by_name(root, segments)
    try:
        return _walk(root, segments)
    except OSError as error:
        if error.errno not in _MAYBE_A_LINK:
            raise
    root, segments = _resolve(root, segments)
    return _walk(root, segments) if segments else os.open(root, _FILE)


def open_anywhere(root: bytes, segments: Sequence[bytes]) -> int:
    """The same wherever links lead to: for a root whose links all are the administrator's."""
    return os.open(b"/".join([root, *segments]), _FILE & ~_flags("O_NOFOLLOW"))


def with_status(descriptor: int) -> tuple[int, os.stat_result]:
    """``descriptor`` and what is open there; it is closed where the system cannot say."""
    try:
        return descriptor, os.fstat(descriptor)
    except OSError:
        os.close(descriptor)
        raise


def _walk(root: bytes, segments: Sequence[bytes]) -> int:
    folder: int | None = None
    name = root + b"/" + segments[0]
    try:
        for segment in segments[1:]:
            left, folder = folder, os.open(name, _FOLDER, dir_fd=folder)
            if left is not None:
                os.close(left)
            name = segment
        return os.open(name, _FILE, dir_fd=folder)
    finally:
        if folder is not None:
            os.close(folder)


def _resolve(root: bytes, segments: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """The same place without links, as the real root and the segments below it."""
    real_root = _real(root)
    real = _real(b"/".join([root, *segments]))
    if real == real_root:
        return real_root, []
    separator = os.fsencode(os.sep)
    inside = real_root.rstrip(separator) + separator
    if not real.startswith(inside):
        raise FileNotFoundError(errno.ENOENT, "leads out of the root", os.fsdecode(real))
    return real_root, real[len(inside) :].split(separator)


def _real(path: bytes) -> bytes:
    """Where ``path`` leads.

    The system says it in three calls, where it can; realpath asks for each name, 70 us for a link and 40 ms
    for the thousands of names that a client can write behind a file.
    """
    try:
        if _PLACE is None:
            os.stat(path)  # it stops at the first name that is not there; realpath goes on to the last
            return os.path.realpath(path)
        descriptor = os.open(path, _PLACE)
    except PermissionError:
        return os.path.realpath(path)  # what may not be looked at may yet be seen to lead out of the root
    try:
        return os.readlink(b"/proc/self/fd/%d" % descriptor)
    except OSError:  # no /proc
        return os.path.realpath(path)
    finally:
        os.close(descriptor)


def _open_by_name(root: bytes, segments: Sequence[bytes]) -> int:
    """For systems without openat (Windows): links that leave the root are refused, but somebody
    who may write into the root can win a race."""
    real_root, inner = _resolve(root, segments)
    return os.open(os.path.join(real_root, *inner), _FILE)
