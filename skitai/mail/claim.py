"""One agent for a spool: two that deliver the same letter would send it twice."""

from __future__ import annotations

from skitai.core.mail.spool import MailSpool
from skitai.core.pidfile import AlreadyHeld, PidFile

__all__ = ["Claim", "SpoolClaimed"]


class SpoolClaimed(Exception):
    """Another agent has it; ``str()`` is a line for people."""


class Claim(PidFile):
    """Held until the process ends, or until `release`."""

    def __init__(self, spool: MailSpool) -> None:
        """Raises SpoolClaimed, or OSError where the lock cannot be made."""
        try:
            super().__init__(spool.lock_file)
        except AlreadyHeld as error:
            raise SpoolClaimed(f"the spool {spool.folder} has an agent already ({error})") from error
