"""Where `was.email` puts what it sends: the spool that the delivery agent of this machine looks after.

A server hands in the folder (`provide_spool`).  Anywhere else, in a script or under another server, it is the
one that ``SKITAI_MAIL_SPOOL`` names, or that the agent of the same user has.

Any thread.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skitai._lazy import LazyModule
from skitai.core.places import Places
from skitai.limits import Limits
from skitai.was._status import STATUS

if TYPE_CHECKING:
    from skitai.core.config import daemon
    from skitai.core.mail import spool as spools
else:
    daemon = LazyModule("skitai.core.config.daemon")
    spools = LazyModule("skitai.core.mail.spool")

__all__ = ["Postbox", "postbox", "provide_spool"]

#: As the key of ``[server]`` has it in the environment.
_VARIABLE = "SKITAI_MAIL_SPOOL"


class Postbox:
    def __init__(self, folder: Path, limits: Limits) -> None:
        self.limits = limits
        self.spool = spools.MailSpool(folder, limits)

    def status(self) -> dict[str, Any]:
        return {"spool": str(self.spool.folder), "waiting": len(self.spool.names(self.spool.waiting))}


class _Current:
    def __init__(self) -> None:
        self.folder: Path | None = None
        self.limits = Limits()
        self.made: Postbox | None = None


def provide_spool(folder: Path, limits: Limits) -> None:
    """From now on the mail of this process goes there."""
    _current.folder, _current.limits, _current.made = folder, limits, None


def postbox() -> Postbox:
    """Raises ConfigError: nobody has said where, and skitaid.conf cannot be followed."""
    made = _current.made
    if made is None:
        # Two threads may make one each: what a postbox is about is in its folder.
        made = _current.made = Postbox(_current.folder or _folder(), _current.limits)
        STATUS.replace("MAIL", made.status)
    return made


def _folder() -> Path:
    named = os.environ.get(_VARIABLE)
    return Path(named).absolute() if named else daemon.load_daemon(Places.find(None)).mail_folder


_current = _Current()
