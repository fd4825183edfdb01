"""Packages that Skitai does without until they are needed: what is missing is said in one line."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["extra"]


def extra(module: str, package: str, option: str, wanted: str) -> ModuleType:
    """``module`` of ``package``, which ``pip install skitai[option]`` brings; ``wanted`` says who needs it.

    Raises:
        ImportError: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # the package is there, and what it needs itself is not
        raise ImportError(
            f"{wanted} needs the package {package}, which is not installed: pip install 'skitai[{option}]'"
        ) from None
