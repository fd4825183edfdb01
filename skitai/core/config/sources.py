"""One value from one source: read, checked, and remembered with where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from skitai.core.config.keys import Key
from skitai.core.config.problems import Mistake, Problems, did_you_mean
from skitai.core.config.syntax import CONTROL, Section

__all__ = ["Given", "Reader", "Source"]


class Source(Enum):
    """Where values come from, the weakest first; the defaults are weaker still."""

    FILE = "file"
    ENVIRONMENT = "environment"
    COMMAND_LINE = "command line"

    @property
    def rank(self) -> int:
        return list(Source).index(self)


@dataclass(frozen=True, slots=True)
class Given:
    """A value that something sets; ``origin`` as `Settings.origin` tells it."""

    value: Any
    source: Source
    origin: str
    line: int = 0


class Reader:
    """Reads texts of keys; what is wrong goes to ``problems``, where values came from to ``origins``."""

    #: What `value` gives for a text that was refused; None is a value.
    REFUSED: Final = object()

    def __init__(self, base: Path, problems: Problems) -> None:
        self.base = base
        self.problems = problems
        self.origins: dict[tuple[str, str], str] = {}

    def value(self, key: Key, text: str, *, line: int = 0, source: str = "") -> Any:
        """The value of ``text`` or REFUSED."""
        try:
            if CONTROL.search(text):
                raise Mistake("a control character in the value")
            if not key.secret and len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
                raise Mistake("quotes would belong to the value", "write it without them")
            return key.read(text.strip(), self.base)
        except Mistake as mistake:
            if text.startswith("tcp://"):
                mistake.hint = (
                    "Kubernetes sets this for a service named skitai; set enableServiceLinks: false"
                )
            hides = key.secret or key.kind.hides(text)
            about = key.name if hides else f"{key.name} = {text if text.isprintable() else ascii(text)}"
            self.problems.take(mistake, line=line, source=source, about=about)
            return self.REFUSED

    def read(self, section: Section, keys: Mapping[str, Key]) -> dict[str, Given]:
        """The values that ``section`` gives to ``keys``; unknown keys and missing ones are problems."""
        given: dict[str, Given] = {}
        for name, entry in section.pairs.items():
            key = keys.get(name)
            if key is None:
                self.problems.add(
                    f"[{section.title}] has no key {name!r}", line=entry.line, hint=did_you_mean(name, keys)
                )
                continue
            value = self.value(key, entry.text, line=entry.line)
            if value is not self.REFUSED:
                origin = f"{self.problems.file}:{entry.line}"
                given[name] = Given(value, Source.FILE, origin, entry.line)
        for key in keys.values():
            if key.required and key.name not in section.pairs:
                self.problems.add(f"[{section.title}] lacks {key.name}", line=section.line, hint=key.reason)
        return given

    def remember(self, title: str, given: Mapping[str, Given]) -> None:
        """Keep the origins of the section ``title``."""
        self.origins.update({(title, name): value.origin for name, value in given.items()})
