"""Giving up root: as which user a server runs, and from when on.

As root a process does what only root can, and no more: it binds its sockets and makes the folders that it is
to write to.  Then it becomes its user for good, before it opens a log, reads a key or starts a worker: what
it writes belongs to this user, and no link that this user has laid somewhere can make root write.  The master
too: nothing of a server stays root.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from skitai.errors import ConfigError

if sys.platform != "win32":
    import grp
    import pwd

__all__ = ["Rights", "give_up_root", "rights_of"]


@dataclass(frozen=True, slots=True)
class Rights:
    user: str
    uid: int
    gid: int
    home: str


def rights_of(user: str, group: str) -> Rights | None:
    """Of ``user``, with ``group`` in the place of their own one; None without a user, and where we are not
    root.

    Raises ConfigError: there is no such user or group.
    """
    if sys.platform == "win32" or not user:
        return None
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        hint = "make it: useradd --system --no-create-home, or name another"
        raise ConfigError(f"user: this machine has no user {user!r}", hint=hint) from None
    try:
        gid = grp.getgrnam(group).gr_gid if group else entry.pw_gid
    except KeyError:
        hint = "make it: groupadd --system, or leave the line out"
        raise ConfigError(f"group: this machine has no group {group!r}", hint=hint) from None
    return Rights(user, entry.pw_uid, gid, entry.pw_dir) if os.geteuid() == 0 else None


def give_up_root(rights: Rights, folders: Iterable[Path], sockets: Iterable[Path]) -> None:
    """``folders`` that are not there are made for the user; the files of unix ``sockets``, which we have just
    made, become theirs.  Raises OSError."""
    for folder in folders:
        _make(folder, rights)
    for path in sockets:
        os.chown(path, rights.uid, rights.gid, follow_symlinks=False)
    if sys.platform != "win32":
        os.initgroups(rights.user, rights.gid)
        os.setgid(rights.gid)
        os.setuid(rights.uid)
    # What programs look up of their user: caches and settings of root are none of theirs.
    os.environ.update(HOME=rights.home, USER=rights.user, LOGNAME=rights.user)


def _make(folder: Path, rights: Rights) -> None:
    """One that is there is somebody's, and stays so."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o750, exist_ok=True)
    os.chown(folder, rights.uid, rights.gid, follow_symlinks=False)
