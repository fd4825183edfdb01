"""``was.status()``: what the parts of this process say of themselves, as a page or as a dict.

A part registers a provider under the name of its section (``STATUS.register("CLUSTER:search", function)``);
the function gives a dict, is called when somebody asks, in the thread that asks, and must not wait.  Nobody
here knows what is in it: numbers, texts, dicts, lists of them; a list of dicts is shown as one table.

All that is shown is escaped: names of hosts, paths and errors may have come from clients.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from skitai._constants import VERSION
from skitai._kernels import implementation
from skitai.core.pages import escape, page

__all__ = ["STATUS", "Provider", "Status"]

Provider: TypeAlias = Callable[[], Mapping[str, Any]]

_STYLE = """\
main { max-width: 70rem; padding-top: 4rem }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 0; padding: 0; list-style: none }
h2 { margin: 2.5rem 0 .6rem; font-size: 1.2rem; font-weight: 600 }
table { border-collapse: collapse; font-size: .9rem }
th, td { padding: .2rem .9rem .2rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere }
th, td { text-align: left; vertical-align: top }
th { color: var(--soft); font-weight: 400; white-space: nowrap }
a { color: inherit }
"""

_BEGAN = time.monotonic()


class Status:
    """The providers of a process.  Any thread: each step is one operation of a dict."""

    def __init__(self) -> None:
        self._providers: dict[str, Provider] = {}

    def replace(self, name: str, provide: Provider) -> None:
        """Have a section ``name``, in the place of another one if there is one."""
        self._providers[name] = provide

    def register(self, name: str, provide: Provider) -> None:
        """Have a section ``name``.  Raises KeyError if there is one."""
        if self._providers.setdefault(name, provide) is not provide:
            raise KeyError(f"was.status() has a section {name!r} already")

    def unregister(self, name: str) -> None:
        """Raises KeyError if there is no such section."""
        del self._providers[name]

    def __call__(self, flt: str | None = None, fancy: bool = True) -> str | dict[str, Any]:
        """All sections, or the one that ``flt`` names: an HTML page, or (``fancy=False``) a dict of dicts.

        Raises:
            KeyError: there is no section ``flt``.
        """
        providers = dict(self._providers)
        if flt is not None:
            if flt not in providers:
                known = ", ".join(sorted(providers)) or "none"
                raise KeyError(f"was.status() has no section {flt!r}; those there are: {known}")
            providers = {flt: providers[flt]}
        sections = {name: _ask(provide) for name, provide in sorted(providers.items())}
        return _page(sections) if fancy else sections


def _ask(provide: Provider) -> dict[str, Any]:
    """A part that is out of order must not hide the others."""
    try:
        return dict(provide())
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}


def _page(sections: Mapping[str, Mapping[str, Any]]) -> str:
    contents, parts = [], []
    for section, values in sections.items():
        name = escape(section)
        contents.append(f'<li><a href="#{name}">{name}</a></li>\n')
        parts.append(f'<h2 id="{name}">{name}</h2>\n{_table(values)}\n')
    nav = f"<nav><ul>\n{''.join(contents)}</ul></nav>\n"
    return page("Status", f"<h1>Status</h1>\n{nav}{''.join(parts)}", _STYLE)


def _html(value: Any) -> str:
    if isinstance(value, Mapping):
        return _table(value)
    if not isinstance(value, (list, tuple)):
        return escape(str(value))
    if value and all(isinstance(item, Mapping) for item in value):
        return _table_of(value)
    return "<br>".join(map(_html, value))


def _table(values: Mapping[str, Any]) -> str:
    lines = (f"<tr>{_cells('th', [name])}{_cells('td', [value])}</tr>\n" for name, value in values.items())
    return f"<table>\n{''.join(lines)}</table>"


def _table_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each of ``rows``, a column for each name in any of them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = (f"<tr>{_cells('td', [row.get(name, '') for name in names])}</tr>\n" for row in rows)
    return f"<table>\n<tr>{_cells('th', names)}</tr>\n{''.join(lines)}</table>"


def _cells(tag: str, values: Sequence[Any]) -> str:
    return "".join(f"<{tag}>{_html(value)}</{tag}>" for value in values)


def _process() -> dict[str, Any]:
    return {
        "Skitai": f"{VERSION} ({implementation()})",
        "Python": sys.version.split()[0],
        "process": os.getpid(),
        "seconds": round(time.monotonic() - _BEGAN, 1),
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }


STATUS = Status()
STATUS.register("PROCESS", _process)
