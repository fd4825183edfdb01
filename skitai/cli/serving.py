"""From settings to an exit code: what every command that serves has in common.

A process becomes a server or a master.  A master stays for as long as the server runs and needs
neither kernels nor services, and Windows cannot have one: so neither is imported by the commands.
It is loaded here, by its name, once it is known which it will be.
"""

from __future__ import annotations

import importlib

from skitai.core.config import Settings
from skitai.launch import Launch

__all__ = ["serve"]


def serve(launch: Launch, settings: Settings, *, with_master: bool) -> int:
    """Serve until the end.  ``with_master``: what the key ``master = auto`` means for this command."""
    has_master = settings.server.has_master(by_default=with_master)
    program = importlib.import_module("skitai.master.starting" if has_master else "skitai.server")
    code: int = program.serve(launch, settings)
    return code
