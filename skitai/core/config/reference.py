"""The tables of ``docs/configuration.md``, made from the key table.

``python -m skitai.core.config.reference docs/configuration.md`` writes them anew between
the two marks of that file; a test fails where they have fallen behind.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from skitai.core.config.daemon import DAEMON_TABLES
from skitai.core.config.keys import Key
from skitai.core.config.settings import TABLES

__all__ = ["BEGIN", "END", "reference", "renewed"]

BEGIN = "<!-- begin of the key tables, made by skitai.core.config.reference -->"
END = "<!-- end of the key tables -->"

_TITLES = {
    "server": "`[server]`",
    "listen": "`[listen name]`",
    "mount": "`[mount /path] and [mount host/path]`",
    "host": "`[host name]`",
    "cluster": "`[@name]`",
    "bus": "`[bus]`",
    "global": "`[global]` of skitaid.conf",
    "smtpda": "`[smtpda]` of skitaid.conf",
}


def reference() -> str:
    """A table in Markdown for each section."""
    return "\n".join(_lines())


def renewed(text: str) -> str:
    """``text`` with the tables between its marks made anew.  Raises ValueError without the marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the marks are missing: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def _lines() -> Iterator[str]:
    for section, keys in (*TABLES.items(), *DAEMON_TABLES.items()):
        yield f"### {_TITLES[section]}"
        yield ""
        yield "| key | value | default | meaning |"
        yield "|---|---|---|---|"
        for key in keys.values():
            yield f"| `{key.name}` | {key.unit or key.kind.name} | {_default(key)} | {_meaning(key)} |"
        yield ""


def _default(key: Key) -> str:
    if key.required:
        return "must be given"
    if key.inherits:
        return "the listener's" if key.section == "host" else "as in `[server]`"
    text = key.kind.write(key.default)
    return f"`{text}`" if text else "empty"


def _meaning(key: Key) -> str:
    notes = [key.reason]
    if key.secret:
        notes.append("a secret: never shown, and no flag of the command line")
    return "; ".join(notes).replace("|", "\\|")


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(renewed(file.read_text("utf-8")), "utf-8")
