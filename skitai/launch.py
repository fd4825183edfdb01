"""What a command has been asked to serve, and how such a process ends.

A `Launch` is enough to read the settings again: at a reload by the master, and in each worker, to
which it travels as JSON.  The text of the configuration file is read once for all workers of
a generation: one that is started again at night must not get the half of somebody's edit.
"""

from __future__ import annotations

import enum
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skitai.core.config import Settings, for_app, load, text_of
from skitai.rights import Rights, rights_of

__all__ = ["CONTROL_SUFFIX", "ExitCode", "Launch", "complain", "control_file"]

#: Of sockets where operators ask an instance.
CONTROL_SUFFIX = ".control"


class ExitCode(enum.IntEnum):
    """2 is argparse's own, for a command line that it does not understand."""

    CLEAN = 0
    FAILURE = 1
    NOT_BOOTED = 3
    APP = 4
    #: EX_CONFIG of sysexits.h.
    CONFIG = 78
    #: As the shell reports a program that SIGINT ended.
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Launch:
    """Either ``file`` or ``target`` (of ``skitai run``) is given; ``overrides`` are the values of the
    command line by key.  ``log_path``: where logs go unless the settings say it, None is the
    console; ``verbose``: to the console too.  ``mail_folder``: where `was.email` puts its mail unless the
    settings say it.  ``sole_app``: without its (one) application there
    is nothing to serve."""

    file: Path | None
    target: str
    overrides: Mapping[str, str]
    name: str
    log_path: Path | None
    mail_folder: Path
    verbose: bool = False
    sole_app: bool = False
    text: str | None = None
    #: Of skitaid.conf: as which user a server runs that names none of its own.
    user: str = ""
    group: str = ""
    #: Where sockets of processes are; None: nobody can ask this one.
    run: Path | None = None

    def fresh(self) -> Launch:
        """With the text that the file has now.  Raises ConfigErrors."""
        return self if self.file is None else replace(self, text=text_of(self.file))

    def settings(self) -> Settings:
        """Raises ConfigErrors."""
        if self.file is None:
            return for_app(self.target, environ=os.environ, overrides=self.overrides)
        return load(self.file, text=self.text, environ=os.environ, overrides=self.overrides)

    def log_folder(self, settings: Settings) -> Path | None:
        return settings.server.log_path or self.log_path

    def mail_spool(self, settings: Settings) -> Path:
        return settings.server.mail_spool or self.mail_folder

    @property
    def control_file(self) -> Path | None:
        """Of the socket where operators ask."""
        return None if self.run is None else control_file(self.run, self.name)

    def rights(self, settings: Settings) -> Rights | None:
        """Raises ConfigError."""
        if settings.server.user:
            return rights_of(settings.server.user, settings.server.group)
        return rights_of(self.user, settings.server.group or self.group)

    def to_json(self) -> dict[str, Any]:
        """For `from_json` of another process."""
        return {
            "file": None if self.file is None else str(self.file),
            "target": self.target,
            "overrides": dict(self.overrides),
            "name": self.name,
            "log_path": None if self.log_path is None else str(self.log_path),
            "mail_folder": str(self.mail_folder),
            "verbose": self.verbose,
            "sole_app": self.sole_app,
            "text": self.text,
            "user": self.user,
            "group": self.group,
            "run": None if self.run is None else str(self.run),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Launch:
        paths = {
            key: Path(data[key]) if data[key] is not None else None for key in ("file", "log_path", "run")
        }
        return cls(**{**data, **paths, "mail_folder": Path(data["mail_folder"])})


def control_file(run: Path, name: str) -> Path:
    return run / f"{name}{CONTROL_SUFFIX}"


def complain(error: object) -> None:
    """A line, or several, for the person at the console."""
    for line in str(error).splitlines():
        print(f"skitai: {line}", file=sys.stderr)
