"""Where the files of an installation are.

    root             /etc/skitaid            /var/log/skitaid   /var/local/skitaid   /run/skitaid
    other users      ~/.skitai/etc/skitaid   ~/.skitai/log      ~/.skitai/var        ~/.skitai/run
    --home DIR       DIR/etc/skitaid         DIR/log            DIR/var              DIR/run
    Windows          as --home c:\\skitaid   (README)

The sample site lies beside what is kept: in /var/local/skitaid-pub (README), DIR/pub.

A checkout's own ``etc/skitaid`` is looked into last, so that ``skitaid-instance -f sample``
works in it as the README has it.
"""

from __future__ import annotations

import os
import sys
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
    #: What programs keep: the mail that waits.
    state: Path
    #: Of processes that are there: sockets and locks, which need not outlive the machine's next start.
    run: Path
    #: Files that are served.
    public: Path

    @classmethod
    def find(cls, home: str | None) -> Places:
        if home is None and getattr(os, "geteuid", lambda: 1)() == 0:
            return cls(
                Path("/etc/skitaid"),
                Path("/var/log/skitaid"),
                Path("/var/local/skitaid"),
                Path("/run/skitaid"),
                Path("/var/local/skitaid-pub"),
            )
        if home is None and sys.platform != "win32" and os.path.expanduser("~") == "~":
            home = "/.skitai"  # a container's uid without a name: no home, and "/" as Docker has it
        # Not Path.expanduser, which raises RuntimeError where there is no such home.
        base = Path(os.path.expanduser(home or cls.default_home(sys.platform))).absolute()
        return cls(base / "etc" / "skitaid", base / "log", base / "var", base / "run", base / "pub")

    @staticmethod
    def default_home(system: str) -> str:
        """``system``: as ``sys.platform`` says it.  A service of Windows has no home of its own."""
        return "c:/skitaid" if system == "win32" else "~/.skitai"

    @property
    def servers(self) -> Path:
        """A server of `skitaid` for each file."""
        return self.etc / "servers-enabled"

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
        # In the folder where one stands, only a file's whole name counts.
        beside = f"; did you mean {file_name}?" if Path(file_name).is_file() else ""
        looked_for = " and ".join(dict.fromkeys(map(str, [as_path.absolute(), *tried])))
        raise ConfigError(
            f"there is no configuration {text!r}",
            hint=f"looked for {looked_for}; give a path, or --home{beside}",
        )
