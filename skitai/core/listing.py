"""What is in a folder, for people and for programs.

Called by the static files in the loop thread, where ``listing = yes`` and the folder has no index.
Only what a request for it would get is shown; names come from whoever may write into the folder, and
all of them are escaped.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from time import gmtime, strftime

from skitai.core.answer import Answer
from skitai.core.negotiation import preferred_type
from skitai.core.pages import POLICY, escape, page
from skitai.core.redirects import quote_path

__all__ = ["Entry", "entries_of", "listing_answer"]

_STYLE = """\
main { padding-top: 8vh }
h1 { overflow-wrap: anywhere }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums }
th { font-weight: 400; color: var(--soft); text-align: left }
th, td { padding: .3rem 0; border-bottom: 1px solid var(--line) }
td:first-child { overflow-wrap: anywhere }
:is(th, td) + :is(th, td) { padding-left: 1.5rem; white-space: nowrap; text-align: right }
td + td { color: var(--soft) }
a { color: inherit; text-underline-offset: .2em }
a:not(:hover) { text-decoration: none }
p { color: var(--soft) }
"""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_TYPES = ("text/html", "application/json")


@dataclass(frozen=True, slots=True)
class Entry:
    """``size`` in bytes, ``modified`` in seconds since 1970."""

    name: bytes
    is_folder: bool
    size: int
    modified: int


def entries_of(
    folder: int,
    is_visible: Callable[[bytes], bool],
    look: Callable[[bytes], os.stat_result | None],
    most: int,
) -> tuple[list[Entry], bool]:
    """What is in ``folder``, open for reading, and whether that is not all: beyond ``most`` names
    nobody looks.

    ``is_visible(name)``: whether clients may know of it; ``look(name)`` gives the status of what a link of
    that name leads to, None if that is nothing that is served.
    """
    with os.scandir(folder) as scan:
        found = list(islice(scan, most + 1))
    entries: list[Entry] = []
    for item in found[:most]:
        name = os.fsencode(item.name)
        if not is_visible(name):
            continue
        try:
            status = look(name) if item.is_symlink() else item.stat(follow_symlinks=False)
            is_readable = os.access(item.name, os.R_OK, dir_fd=folder)
        except OSError:
            continue  # gone in between
        if status is None or not is_readable:
            continue
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_folder or stat.S_ISREG(status.st_mode):
            entries.append(Entry(name, is_folder, status.st_size, int(status.st_mtime)))
    return entries, len(found) > most


def listing_answer(
    url_path: str, entries: Iterable[Entry], *, is_cut: bool, is_top: bool, accept: str
) -> Answer:
    """``url_path``: of the folder, decoded; ``is_top``: there is no listing above it."""
    ordered = sorted(
        entries, key=lambda entry: (not entry.is_folder, _shown(entry.name).casefold(), entry.name)
    )
    form = preferred_type(accept, _TYPES)
    title = _shown(url_path.encode("utf-8", "surrogateescape"))
    if form == "text/html":
        text = _html(title, ordered, is_cut, is_top)
        headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", POLICY)]
    else:
        text = _json(title, ordered, is_cut)
        headers = [("Content-Type", form)]
    body = text.encode("utf-8")
    headers += [
        ("Content-Length", str(len(body))),
        ("Vary", "Accept"),
        ("Cache-Control", "no-cache"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return Answer(200, headers, body)


def _html(title: str, entries: list[Entry], is_cut: bool, is_top: bool) -> str:
    rows = [] if is_top else ['<tr><td><a href="../">../</a></td><td></td><td></td></tr>']
    rows += map(_row, entries)
    note = f"<p>Only {len(entries)} entries are shown; the folder has more.</p>\n" if is_cut else ""
    content = (
        f"<h1>{escape(title)}</h1>\n"
        "<table>\n<tr><th>name</th><th>size</th><th>changed (UTC)</th></tr>\n"
        + "".join(f"{row}\n" for row in rows)
        + f"</table>\n{note}"
    )
    return page(title, content, _STYLE)


def _row(entry: Entry) -> str:
    slash = "/" if entry.is_folder else ""
    # "./" in front: what has a colon in it would be taken for a scheme (RFC 3986 section 4.2).
    link = escape(f"./{quote_path(entry.name)}{slash}")
    size = "" if entry.is_folder else _size(entry.size)
    when = strftime("%Y-%m-%d %H:%M", gmtime(entry.modified))
    name = escape(_shown(entry.name)) + slash
    return f'<tr><td><a href="{link}">{name}</a></td><td>{size}</td><td>{when}</td></tr>'


def _json(path: str, entries: list[Entry], is_cut: bool) -> str:
    content = {
        "path": path,
        "entries": [
            {
                "name": _shown(entry.name),
                "link": quote_path(entry.name) + ("/" if entry.is_folder else ""),
                "type": "folder" if entry.is_folder else "file",
                **({} if entry.is_folder else {"size": entry.size}),
                "modified": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(entry.modified)),
            }
            for entry in entries
        ],
        "complete": not is_cut,
    }
    return json.dumps(content, ensure_ascii=False) + "\n"


def _shown(name: bytes) -> str:
    """For eyes: names need not be UTF-8, links have their bytes."""
    return name.decode("utf-8", "replace")


def _size(count: int) -> str:
    size, unit = float(count), _UNITS[0]
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
