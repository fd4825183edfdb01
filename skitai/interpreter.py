"""How we start further interpreters: as we were started, so that they find the same modules."""

from __future__ import annotations

import os
import sys

__all__ = ["INTERPRETER_OPTIONS"]


def _interpreter_options() -> list[str]:
    """Those that we were started with, as far as they matter to what runs below us."""
    flags = sys.flags
    options = ["-O"] * flags.optimize + ["-B"] * flags.dont_write_bytecode + ["-s"] * flags.no_user_site
    options += ["-E"] * flags.ignore_environment
    # The working directory is on the path where it is on ours, and is not where it is not.
    if sys.version_info >= (3, 11) and not {"", os.getcwd()} & set(sys.path):
        options.append("-P")
    options += [f"-W{option}" for option in sys.warnoptions]
    options += [
        f"-X{name}" if value is True else f"-X{name}={value}" for name, value in sys._xoptions.items()
    ]
    return options


INTERPRETER_OPTIONS = _interpreter_options()
