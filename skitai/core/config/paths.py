"""Paths as people write them: relative to a folder, ``~`` for a home."""

from __future__ import annotations

import os
from pathlib import Path

from skitai.core.config.problems import Mistake

__all__ = ["below", "names_in"]


def below(base: Path, text: str) -> Path:
    """The path that ``text`` names, below ``base`` unless it is absolute.  Raises Mistake."""
    try:
        return base / Path(text).expanduser()
    except RuntimeError:
        raise Mistake(f"{text!r} names a home that cannot be found") from None


def names_in(folder: Path) -> list[str]:
    """What is in ``folder``, sorted; nothing where it cannot be read: the names only serve as hints."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
