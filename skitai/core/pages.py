"""The frame of pages that Skitai makes itself: errors, listings.

No scripts, nothing from elsewhere, light and dark.  Pure functions, for any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skitai._lazy import LazyModule

if TYPE_CHECKING:
    import html
else:
    html = LazyModule("html")  # 0.5 MiB of names of characters

__all__ = ["POLICY", "escape", "page"]

_STYLE = """
:root { color-scheme: light dark; --ink: #24292f; --paper: #fbfbf9; --soft: #6b7280; --line: #e3e3de }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e3; --paper: #17191c; --soft: #9aa1ab; --line: #2d3136 }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif }
main { max-width: 46rem; margin: 0 auto; padding: 14vh 1.5rem 4rem }
h1 { margin: 0 0 1rem; font-size: 1.7rem; font-weight: 600 }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{content}</main>
</body>
</html>
"""

#: Content-Security-Policy: even if something slipped through unescaped, nothing on the page could run
#: or load.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def escape(text: str) -> str:
    """``text`` as HTML that says just that, also in a quoted attribute."""
    return html.escape(text)


def page(title: str, content: str, style: str) -> str:
    """``title`` is text; ``content`` is HTML, with its last newline; ``style`` stands behind the frame's."""
    return _PAGE.format(title=escape(title), style=_STYLE + style, content=content)
