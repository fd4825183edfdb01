"""The hosts file: addresses that this machine's administrator has given to names (hosts(5)).

The text is kept and not a table of it: the file is short, or it is one of the lists of a hundred thousand
names that are not to be reached, which as a table would take half a second of the loop and much memory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from skitai.core.resolver.changing import ChangingFile
from skitai.core.resolver.names import literal
from skitai.errors import ResolveError

__all__ = ["HostsFile"]


class HostsFile:
    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        self._file = ChangingFile(path, report)
        self._text = ""

    def addresses(self, name: str) -> list[tuple[int, str]]:
        """Families and addresses of ``name``, in the order of the file; empty: it does not stand there."""
        text = self._file.news()
        if text is not None:
            self._text = text.lower()
        bare = name.rstrip(".")
        if bare not in self._text:
            return []
        return list(dict.fromkeys(found for line in self._text.splitlines() if (found := _given(bare, line))))


def _given(name: str, line: str) -> tuple[int, str] | None:
    """The address that ``line`` gives to ``name``.  Other lines are passed over, as by the C library."""
    if name not in line:
        return None
    address, *names = line.partition("#")[0].split() or [""]
    if name not in (each.rstrip(".") for each in names):
        return None
    try:
        return literal(address)
    except ResolveError:
        return None
