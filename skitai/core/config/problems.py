"""What is wrong with a configuration: collected, so that all of it is told at once.

Whoever reads a value raises `Mistake`; whoever knows where the value stands puts it into
`Problems` as a `ConfigError` with file and line and goes on reading.  At the end
`Problems.raise_if_any` raises them together as `ConfigErrors`.

Two kinds of trouble are kept apart.  What the *text* says wrong (an unknown key, a number
that is none, two values for one thing) stops the start.  What the *disk* lacks (the module
of one route) is kept at that route, so that the others are served.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from skitai._lazy import LazyModule
from skitai.errors import ConfigError

if TYPE_CHECKING:
    import difflib
else:
    difflib = LazyModule("difflib")

__all__ = ["ConfigErrors", "Mistake", "Problems", "did_you_mean"]


class Mistake(ValueError):
    """A text that cannot be followed; where it stands is the caller's knowledge."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def at(self, file: str, line: int = 0) -> ConfigError:
        """The error for people, now that the place is known."""
        return ConfigError(self.message, file=file, line=line, hint=self.hint)


class ConfigErrors(ConfigError):
    """Every problem of one configuration, in the order of the file.

    ``errors`` has at least one; ``str()`` has a line for each.
    """

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        first = errors[0]
        super().__init__(first.message, file=first.file, line=first.line, hint=first.hint)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class Problems:
    """The collector of one loading; used by one thread.  ``file`` (str) names the text being read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._errors: list[ConfigError] = []

    def add(self, message: str, *, line: int = 0, hint: str = "", source: str = "") -> None:
        """Keep one problem; ``source`` says where it stands if that is not the file."""
        self._errors.append(ConfigError(message, file=source or self.file, line=line, hint=hint))

    def take(self, mistake: Mistake, *, line: int = 0, source: str = "", about: str = "") -> None:
        """The same for a mistake; ``about`` goes before its message."""
        message = f"{about}: {mistake.message}" if about else mistake.message
        self.add(message, line=line, hint=mistake.hint, source=source)

    def raise_if_any(self) -> None:
        """Raises ConfigErrors when something was added: sorted by line, what has none first."""
        if self._errors:
            raise self.all()

    def all(self) -> ConfigErrors:
        """What was added, at least one, in that order."""
        return ConfigErrors(sorted(self._errors, key=lambda error: error.line))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``did you mean 'threads'?`` for the nearest of ``known``, or an empty text."""
    by_folded = {_folded(other): other for other in known}
    close = difflib.get_close_matches(_folded(name), by_folded, n=1, cutoff=0.6)
    return f"did you mean {by_folded[close[0]]!r}?" if close else ""


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")
