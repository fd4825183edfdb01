"""``skitai completion bash|zsh|fish``: the script that has a shell complete all commands of ours."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from skitai.launch import ExitCode

__all__ = ["add_command"]

_SHELLS = ("bash", "zsh", "fish")


def add_command(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "completion",
        help="print what has a shell complete these commands",
        description='bash: eval "$(skitai completion bash)" in ~/.bashrc. zsh: the same in ~/.zshrc, behind '
        "compinit. fish: skitai completion fish > ~/.config/fish/completions/skitai.fish",
        example="skitai completion bash",
    )
    parser.add_argument("shell", choices=_SHELLS, metavar="SHELL", help=", ".join(_SHELLS))
    parser.set_defaults(function=_complete)


def _complete(options: argparse.Namespace) -> int:
    # By its name: it loads the parsers of all commands, of which a server needs none.
    print(importlib.import_module("skitai.cli.completions").script(options.shell), end="")
    return ExitCode.CLEAN
