"""Error pages: what a client sees when there is no better answer.

Made by the service, the gateway and the static files, in any thread; pure functions.  One page in
three forms, chosen by the request's Accept:

    HTML    for browsers: no scripts, nothing from elsewhere, light and dark
    JSON    ``{"status": 404, "error": "Not Found", "why": "..."}`` for programs that ask for it
    text    for whoever does not say (curl, wget, most libraries send ``*/*`` or nothing)

What the page says may have come from the client: all of it is escaped.  Tracebacks stand in it
only when the caller hands them in as ``detail``.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable

from skitai._constants import reason_phrase
from skitai._kernels import http1
from skitai.core.answer import Answer
from skitai.core.negotiation import weighted

__all__ = ["accept_of", "busy_answer", "error_answer"]

_STYLE = """
:root { color-scheme: light dark; --ink: #24292f; --paper: #fbfbf9; --soft: #6b7280; --line: #e3e3de }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e3; --paper: #17191c; --soft: #9aa1ab; --line: #2d3136 }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif }
main { max-width: 46rem; margin: 0 auto; padding: 14vh 1.5rem 4rem }
h1 { margin: 0 0 1rem; font-size: 1.7rem; font-weight: 600 }
h1 b { margin-right: .4em; color: var(--soft); font-weight: 300 }
p { margin: 0; white-space: pre-line; overflow-wrap: anywhere }
pre { margin: 2rem 0 0; padding: 1rem; overflow: auto; border: 1px solid var(--line); border-radius: 6px;
      font: .85rem/1.5 ui-monospace, monospace }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{status} {title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1><b>{status}</b> {title}</h1>
<p>{why}</p>
{detail}</main>
</body>
</html>
"""

#: Even if something slipped through unescaped, nothing on the page could run or load.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def error_answer(
    status: int,
    why: str = "",
    *,
    accept: str = "",
    title: str | None = None,
    detail: str = "",
    extra_headers: Iterable[tuple[str, str]] = (),
) -> Answer:
    """An answer with ``status`` (400 to 599) that says ``why`` in a sentence or two.

    ``accept``: the request's Accept field; ``title``: instead of the standard phrase; ``detail``:
    a traceback for debugging, shown as it is; ``extra_headers``: such as Retry-After or Allow.
    """
    title = reason_phrase(status) if title is None else title
    kind, form = _preferred(accept)
    body = form(status, title, why, detail).encode("utf-8", "backslashreplace")
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Vary", "Accept")]
    if kind.startswith("text/html"):
        headers.append(("Content-Security-Policy", _POLICY))
    headers.append(("X-Content-Type-Options", "nosniff"))
    if status >= 500 or detail:
        headers.append(("Cache-Control", "no-store"))
    return Answer(status, [*headers, *extra_headers], body)


def busy_answer(why: str, accept: str) -> Answer:
    """503 for now: the client may ask again."""
    return error_answer(503, why, accept=accept, extra_headers=[("Retry-After", "1")])


def accept_of(head: http1.RequestHead) -> str:
    return head.get("accept") or ""


def _text(status: int, title: str, why: str, detail: str) -> str:
    parts = (f"{status} {title}", why, detail.rstrip("\n"))
    return "\n\n".join(part for part in parts if part) + "\n"


def _html(status: int, title: str, why: str, detail: str) -> str:
    return _PAGE.format(
        status=status,
        title=html.escape(title),
        style=_STYLE,
        why=html.escape(why),
        detail=f"<pre>{html.escape(detail)}</pre>\n" if detail else "",
    )


def _json(status: int, title: str, why: str, detail: str) -> str:
    content: dict[str, int | str] = {"status": status, "error": title, "why": why}
    if detail:
        content["detail"] = detail
    return json.dumps(content) + "\n"


_Form = Callable[[int, str, str, str], str]

#: In the order of our own liking, for clients without one.
_FORMS: tuple[tuple[str, str, _Form], ...] = (
    ("text/plain", "text/plain; charset=utf-8", _text),
    ("text/html", "text/html; charset=utf-8", _html),
    ("application/json", "application/json", _json),
)


def _preferred(accept: str) -> tuple[str, _Form]:
    """The Content-Type and form that ``accept`` likes best (RFC 9110 section 12.5.1).

    Among equals: what is named over what a wildcard covers, the first named, our own order.  A
    client that takes none of them gets text, as the section allows.
    """
    ranges = weighted(accept)

    def liking(media_type: str) -> tuple[float, int, int]:
        wildcards = ("*/*", media_type.partition("/")[0] + "/*", media_type)
        best = (0.0, 0, 0)
        specificity = -1
        for position, (name, quality) in enumerate(ranges):
            if name in wildcards and wildcards.index(name) > specificity:
                specificity = wildcards.index(name)
                best = (quality, specificity, -position)
        return best

    _, content_type, form = max(_FORMS, key=lambda candidate: liking(candidate[0]))
    return content_type, form
