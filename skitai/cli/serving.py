"""From settings to an exit code: what every command that serves has in common.

A master stays in memory for as long as the server runs and needs neither kernels nor services.
So the commands do not import the server: it is loaded here, by its name, in a process that serves.
"""

from __future__ import annotations

import importlib

from skitai.core.config import Settings
from skitai.launch import Launch
from skitai.master.master import manage

__all__ = ["serve"]


def serve(launch: Launch, settings: Settings, *, with_master: bool) -> int:
    """Serve until the end.  ``with_master``: what the key ``master = auto`` means for this command."""
    if settings.server.has_master(by_default=with_master):
        return manage(launch, settings)
    code: int = importlib.import_module("skitai.server").serve(launch, settings)
    return code
