"""The file syntax: text to sections, without any idea of what they mean.

    [server]                 a section of pairs
    threads = 4 ; four       "=" or ":" between key and value; " ;" begins a comment
    ; comment                so does ";" or "#" at the beginning of a line
    [routes:line]            a section of lines, kept in order
    / = static
    [mount /path]            a section with an argument

It is the syntax of Skitai 0.11 with its traps taken out: indentation means nothing, a key
or a section that comes twice is an error instead of a silent choice, and UTF-8 is the
only encoding.  ``""`` is the empty value.  Keys are case sensitive.

Called once for a file, by `loading`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from skitai.core.config.paths import names_in
from skitai.core.config.problems import Mistake, Problems, did_you_mean

__all__ = ["COMMENT", "CONTROL", "Entry", "Section", "Style", "decode", "parse", "read_text"]

#: An inline comment: the semicolon needs white space before it, so that ``a;b`` is a value.
COMMENT = re.compile(r"\s;")
#: What no line may contain: it would reach log lines and headers.
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_LINE_END = re.compile(r"\r\n|\n|\r")
# The argument may hold colons and brackets of an IPv6 address, as in [mount [::1]/path].
_HEADER = re.compile(
    r"\[\s*(?P<name>[^\s\[\]:]+)(?:\s+(?P<argument>[^\s:].*?))?\s*(?::\s*(?P<style>[a-z]+)\s*)?\]"
)


class Style(Enum):
    """How the lines of a section are read."""

    PAIR = "pair"
    LINE = "line"


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and the line (int, from 1) where it stands."""

    text: str
    line: int


@dataclass(slots=True)
class Section:
    """``pairs`` is filled for Style.PAIR and ``lines`` for Style.LINE."""

    name: str
    argument: str
    style: Style
    line: int
    pairs: dict[str, Entry] = field(default_factory=dict)
    lines: list[Entry] = field(default_factory=list)

    @property
    def title(self) -> str:
        """As it stands between the brackets, in one spelling: ``mount /path``."""
        return f"{self.name} {self.argument}" if self.argument else self.name


def read_text(file: Path) -> str:
    """The text of ``file``.  Raises Mistake where it cannot be read, with the nearest name that can."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        hint = did_you_mean(file.name, names_in(file.parent))
        raise Mistake("there is no such file", hint) from None
    except OSError as error:
        raise Mistake(f"cannot be read ({error.strerror})") from error
    return decode(data)


def decode(data: bytes) -> str:
    """UTF-8 with or without a byte order mark.  Raises Mistake that names the line."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Mistake(
            f"byte 0x{data[error.start]:02x} in line {line} is not UTF-8", "save the file as UTF-8"
        ) from error


def parse(text: str, problems: Problems) -> list[Section]:
    """The sections of ``text`` in order; what cannot be read goes to ``problems`` and is left out."""
    sections: dict[str, Section] = {}
    current: Section | None = None
    skipping = False  # below a header that was refused: its lines were not asked for
    for number, raw in enumerate(_LINE_END.split(text), 1):
        line = raw.strip()
        if not line or line[0] in ";#":
            continue
        if CONTROL.search(line):
            problems.add("a control character in the line", line=number, hint="take it out")
            continue
        line = COMMENT.split(line, maxsplit=1)[0].rstrip()
        if line[0] == "[":
            current = _open(line, number, sections, problems)
            skipping = current is None
        elif current is not None:
            _keep(line, number, current, problems)
        elif not skipping:
            problems.add(f"{line!r} stands before any section", line=number, hint="begin with [server]")
            skipping = True
    return list(sections.values())


def _open(line: str, number: int, sections: dict[str, Section], problems: Problems) -> Section | None:
    header = _HEADER.fullmatch(line)
    if header is None:
        problems.add(f"{line!r} is no section header", line=number, hint="write [name] or [name:line]")
        return None
    name, argument, style = header["name"], header["argument"] or "", header["style"] or "pair"
    known = [member.value for member in Style]
    if style not in known:
        hint = did_you_mean(style, known) or "it is pair or line"
        problems.add(f"section type {style!r} is unknown", line=number, hint=hint)
        return None
    section = Section(name, argument, Style(style), number)
    first = sections.setdefault(section.title, section)
    if first is not section:
        problems.add(f"[{section.title}] stands already in line {first.line}", line=number, hint="keep one")
        return None
    return section


def _keep(line: str, number: int, section: Section, problems: Problems) -> None:
    if section.style is Style.LINE:
        section.lines.append(Entry(line, number))
        return
    key, separator, value = _cut(line)
    if not separator or not key:
        problems.add(f"{line!r} is not 'key = value'", line=number, hint="a value stands on one line")
        return
    entry = Entry("" if value == '""' else value, number)
    first = section.pairs.setdefault(key, entry)
    if first is not entry:
        problems.add(
            f"{key} is set twice in [{section.title}], first in line {first.line}",
            line=number,
            hint="keep one",
        )


def _cut(line: str) -> tuple[str, str, str]:
    at = re.search(r"[=:]", line)
    if at is None:
        return line, "", ""
    return line[: at.start()].strip(), at[0], line[at.end() :].strip()
