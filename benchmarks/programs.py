"""Programs that do not come with Python."""

from __future__ import annotations

import os
import shutil

__all__ = ["nginx"]


def nginx() -> str | None:
    """Where it is: not on the path of everybody."""
    return shutil.which("nginx", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")
