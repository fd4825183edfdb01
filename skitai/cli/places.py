"""Where the files of an installation are.

    root             /etc/skitaid              /var/log/skitaid       (README)
    other users      ~/.skitai/etc/skitaid     ~/.skitai/log
    --home DIR       DIR/etc/skitaid           DIR/log

A checkout's own ``etc/skitaid`` is looked into last, so that ``skitaid-instance -f sample``
works in it as the README has it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from skitai.errors import ConfigError

__all__ = ["Places"]

#: ``a/NAME`` and ``e/NAME`` of the original's command line.
_FOLDERS = {"e": "servers-enabled", "a": "servers-available"}


@dataclass(frozen=True, slots=True)
class Places:
    etc: Path
    logs: Path

    @classmethod
    def find(cls, home: str | None) -> Places:
        if home is None and getattr(os, "geteuid", lambda: 1)() == 0:
            return cls(Path("/etc/skitaid"), Path("/var/log/skitaid"))
        base = Path(home).expanduser().absolute() if home else Path.home() / ".skitai"
        return cls(base / "etc" / "skitaid", base / "log")

    def instance_logs(self, name: str) -> Path:
        return self.logs / "instances" / name

    def configuration(self, text: str) -> Path:
        """The file that ``-f TEXT`` means.  Raises ConfigError with the places looked at."""
        as_path = Path(text)
        if as_path.is_file():
            return as_path.absolute()
        prefix, slash, name = text.rpartition("/")
        if slash and prefix not in _FOLDERS:
            raise ConfigError(f"there is no file {text}")
        folder = _FOLDERS[prefix or "e"]
        file_name = name if name.endswith(".conf") else f"{name}.conf"
        tried = [etc / folder / file_name for etc in (self.etc, Path.cwd() / "etc" / "skitaid")]
        for path in tried:
            if path.is_file():
                return path
        raise ConfigError(
            f"there is no configuration {text!r}",
            hint=f"looked for {' and '.join(map(str, tried))}; give a path, or --home",
        )
