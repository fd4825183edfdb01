"""Sphinx: `make docs` makes a site of these pages and of those beside README.md.

The folder of sources is the checkout, so links between pages work here as they do where Markdown is read as
it is.  The navigation is made of the tables of the indexes below: a page that is in none of them is a
warning, and warnings end the build.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from skitai import __version__  # noqa: E402

project = "Skitai"
author = "Hans Roh and the Skitai founders"
project_copyright = "2015 Hans Roh, 2026 the Skitai founders"
version = release = __version__

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["docs/**.md", "*.md"]
exclude_patterns = [
    ".*",
    "build",
    "dist",
    "skitai*",
    "tests",
    "benchmarks",
    "examples",
    "etc",
    "**/__pycache__",
]

# Anchors of headings are those that test_docs.py looks for, which are GitHub's.
myst_heading_anchors = 6
highlight_language = "none"

# Nothing is fetched from elsewhere, neither by the build nor by a reader: fonts are the system's.
html_theme = "furo"
html_title = f"Skitai {version}"
html_favicon = str(ROOT / "examples" / "static" / "skitai.svg")
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0a7a6b", "color-brand-content": "#0a7a6b"},
    "dark_css_variables": {"color-brand-primary": "#4fd1bd", "color-brand-content": "#4fd1bd"},
}
html_extra_path = ["site"]
html_copy_source = False
html_show_sphinx = False

#: Pages whose links are chapters; other indexes, and pages below their folders, are theirs alone.
INDEXES = ("docs/index", "docs/saddle", "docs/was", "docs/api/index")

LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[\w./-]+\.md)(?:#[\w-]+)?\)")
HEADING = re.compile(r"^## (?P<text>.+)$", re.MULTILINE)


def owner(page: str) -> str:
    """The index in which a page is a chapter."""
    folders = [index.removesuffix("/index") for index in INDEXES[1:]]
    for folder, index in zip(folders, INDEXES[1:], strict=True):
        if page.startswith(f"{folder}/") and page != index:
            return index
    return INDEXES[0]


def chapters(index: str, text: str) -> list[tuple[str, list[str]]]:
    """The headings of an index, and the pages to which the text below each leads for the first time."""
    parts = HEADING.split(text)
    folder = (ROOT / index).parent
    seen = {index}
    found = []
    # What the words above its first heading lead to has its place below one of them.
    for caption, part in list(zip(["", *parts[1::2]], parts[::2], strict=True))[index == INDEXES[0] :]:
        pages = []
        for match in LINK.finditer(part):
            page = str((folder / match["target"]).resolve().relative_to(ROOT).with_suffix(""))
            if page not in seen and owner(page) == index:
                pages.append(page)
            seen.add(page)
        if pages:
            found.append((caption, pages))
    return found


def add_navigation(app: Sphinx, name: str, source: list[str]) -> None:
    """Put behind the text of an index the trees that its links are."""
    if name in INDEXES:
        for caption, pages in chapters(name, source[0]):
            lines = [f":caption: {caption}"] if caption and name == root_doc else []
            tree = "\n".join([":hidden:", *lines, "", *(f"/{page}" for page in pages)])
            source[0] += f"\n```{{toctree}}\n{tree}\n```\n"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_lexer("logrotate", TextLexer)  # which Pygments does not know
    app.connect("source-read", add_navigation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
