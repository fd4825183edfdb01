"""What all pages have in common: head, navigation, and the source of their module at the end."""

import importlib.util
from html import escape

from . import source

__all__ = ["has", "needs", "page", "table"]

#: Path below this application, and what is said of it in the navigation.
PAGES = {
    "forms": "Forms",
    "upload": "Upload",
    "session": "Session",
    "fanout": "Fan-out",
    "sockets": "WebSockets",
    "events": "Event stream",
    "files": "Files",
    "proxy": "Proxy",
    "database": "Database",
}

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Skitai</title>
<link rel="icon" href="/skitai.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
<script src="/live.js" defer></script>
</head>
<body>
<nav><a class="home" href="/"><img src="/skitai.svg" alt="" width="28" height="28">Skitai</a>{links}</nav>
<main>
<h1>{title}</h1>
<p class="lead">{lead}</p>
{body}
<h2>The code of this page</h2>
<details open><summary><code>{name}</code></summary>
<pre class="code">{code}</pre></details>
</main>
</body>
</html>
"""


def page(was, file, title, lead, *parts):
    """A page about the module in ``file``, which is its ``__file__``.  ``lead`` and ``parts`` are HTML."""
    here = was.request.uri.partition("?")[0]
    links = []
    for path, name in PAGES.items():
        url = was.ab(f"/{path}")
        links.append(f'<a href="{url}"{" aria-current=page" if url == here else ""}>{name}</a>')
    return PAGE.format(
        title=escape(title),
        lead=lead,
        body="\n".join(parts),
        links="".join(links),
        name=f"examples/live/{source.name(file)}",
        code=source.code(file),
    )


def table(names, rows):
    """Cells are escaped."""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>\n" for row in rows
    )
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def has(package):
    """Whether an optional package is installed."""
    return importlib.util.find_spec(package) is not None


def needs(package, extra):
    """What is shown in the place of an example whose package is missing."""
    return (
        f'<p class="note">This example needs the package {package}, which is not installed. '
        f"<code>pip install 'skitai[{extra}]'</code> brings it; then start the server anew.</p>"
    )
