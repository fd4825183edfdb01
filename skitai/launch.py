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

__all__ = ["ExitCode", "Launch", "complain"]


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
    console; ``verbose``: to the console too.  ``sole_app``: without its (one) application there
    is nothing to serve."""

    file: Path | None
    target: str
    overrides: Mapping[str, str]
    name: str
    log_path: Path | None
    verbose: bool = False
    sole_app: bool = False
    text: str | None = None

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

    def to_json(self) -> dict[str, Any]:
        """For `from_json` of another process."""
        return {
            "file": None if self.file is None else str(self.file),
            "target": self.target,
            "overrides": dict(self.overrides),
            "name": self.name,
            "log_path": None if self.log_path is None else str(self.log_path),
            "verbose": self.verbose,
            "sole_app": self.sole_app,
            "text": self.text,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Launch:
        paths = {key: Path(data[key]) if data[key] is not None else None for key in ("file", "log_path")}
        return cls(**{**data, **paths})


def complain(error: object) -> None:
    """A line, or several, for the person at the console."""
    for line in str(error).splitlines():
        print(f"skitai: {line}", file=sys.stderr)
