"""What a command says to somebody who has mistyped it: what is wrong, what was meant, what to type next.

argparse's own answer begins with the usage, which of ``skitai run`` is sixty lines that push the mistake off
the screen.  Here a mistake is two lines; ``--help`` has the rest.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from skitai._lazy import LazyModule

if TYPE_CHECKING:
    import difflib
else:  # who types it right has no use for it
    difflib = LazyModule("difflib")

__all__ = ["Parser"]

_CHOICE = re.compile(r"invalid choice: '([^']*)'")
_USAGE = 2


class Parser(argparse.ArgumentParser):
    """``example``: a line that is right, shown where an argument is missing."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """An unknown option is told by the command that it was given to: only that one knows similar ones."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Exit code 2."""
        lines = [f"{self.prog}: {message}{self._meant(message)}"]
        if self.example and "required" in message:
            lines.append(f"{self.prog}: for example: {self.example}")
        lines.append(f"{self.prog}: all that can be said: {self.prog} --help")
        print("\n".join(lines), file=sys.stderr)
        sys.exit(_USAGE)

    def _meant(self, message: str) -> str:
        choice = _CHOICE.search(message)
        if choice:
            return self._nearest([choice[1]], (c for action in self._actions for c in action.choices or ()))
        if message.startswith("unrecognized arguments: "):
            typed = (word.partition("=")[0] for word in message.split()[2:] if word.startswith("-"))
            return self._nearest(typed, self._option_string_actions)
        return ""

    @staticmethod
    def _nearest(typed: Iterable[str], known: Iterable[Any]) -> str:
        names = [str(name) for name in known]
        found = dict.fromkeys(near for word in typed for near in difflib.get_close_matches(word, names, 1))
        return f"; did you mean {', '.join(found)}?" if found else ""
