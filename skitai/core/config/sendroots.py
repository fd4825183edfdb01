"""The value of ``sendfile_roots``: ``/srv/files, /protected = /srv/private``.

Folders with commas between them, each perhaps with the path under which applications know it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from skitai.core.config.paths import below
from skitai.core.config.problems import Mistake

__all__ = ["SendfileRoot", "parse_sendfile_root"]


@dataclass(frozen=True, slots=True)
class SendfileRoot:
    """``folder``, for X-Sendfile; with a ``prefix`` (``/protected``) for X-Accel-Redirect."""

    folder: Path
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.prefix} = {self.folder}" if self.prefix else str(self.folder)


def parse_sendfile_root(text: str, base: Path) -> SendfileRoot:
    left, equals, right = (part.strip() for part in text.partition("="))
    if equals and not left.strip("/"):
        raise Mistake(f"{text!r} would be every path", "write /protected = /folder")
    if equals and not left.startswith("/"):
        raise Mistake(f"{left!r} is not a path", f"write /{left} = {right}")
    if equals and not right:
        raise Mistake(f"{text!r} lacks its folder", f"write {left} = /folder")
    folder = below(base, right if equals else left)
    if not folder.is_dir():
        raise Mistake(f"there is no folder {folder}")
    return SendfileRoot(folder, left.rstrip("/") if equals else "")
