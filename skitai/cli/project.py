"""``skitai new``: a project that runs, to be made one's own."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any

from skitai.errors import ConfigError
from skitai.launch import ExitCode

__all__ = ["add_command"]


def add_command(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "new",
        help="make a project that runs: configuration, application, files, a test",
        description=_new.__doc__,
        example="skitai new mysite",
    )
    parser.add_argument("name", metavar="NAME", type=Path, help="of the folder to be made, or an empty one")
    parser.set_defaults(function=_new)


def _new(options: argparse.Namespace) -> int:
    """Make the folder NAME with a small site in it, and say how to start it. Nothing that is there is
    replaced."""
    folder: Path = options.name
    files: dict[str, str] = importlib.import_module("skitai.cli.projectfiles").FILES
    try:
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise ConfigError(f"{folder} is there already", hint="name another folder: skitai new NAME")
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made: {error.strerror or error}") from error
    print(f"{folder}: {', '.join(files)}\n")
    if folder.resolve() != Path.cwd():
        print(f"cd {folder}")
    print("skitaid-instance -v -f site.conf    (serves http://127.0.0.1:5000)")
    print("python -m unittest                  (asks the application without a server)")
    return ExitCode.CLEAN
