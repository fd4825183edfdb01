"""Programs that do not come with Python."""

from __future__ import annotations

import os
import shutil

__all__ = ["nginx", "of_system"]


def of_system(name: str) -> str | None:
    """Where it is: not on the path of everybody."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")


def nginx() -> str | None:
    return of_system("nginx")
