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

import json
from collections.abc import Callable, Iterable

from skitai._constants import reason_phrase
from skitai._kernels import http1
from skitai.core.answer import Answer
from skitai.core.negotiation import preferred_type
from skitai.core.pages import POLICY, escape, page

__all__ = ["TYPES", "accept_of", "busy_answer", "error_answer"]

_STYLE = """\
h1 b { margin-right: .4em; color: var(--soft); font-weight: 300 }
p { margin: 0; white-space: pre-line; overflow-wrap: anywhere }
pre { margin: 2rem 0 0; padding: 1rem; overflow: auto; border: 1px solid var(--line); border-radius: 6px;
      font: .85rem/1.5 ui-monospace, monospace }
"""


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
    kind, form = _FORMS[preferred_type(accept, TYPES)]
    body = form(status, title, why, detail).encode("utf-8", "backslashreplace")
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Vary", "Accept")]
    if kind.startswith("text/html"):
        headers.append(("Content-Security-Policy", POLICY))
    headers.append(("X-Content-Type-Options", "nosniff"))
    if status >= 500 or detail:
        headers.append(("Cache-Control", "no-store"))
    return Answer(status, [*headers, *extra_headers], body, is_error_page=not detail)


def busy_answer(why: str, accept: str) -> Answer:
    """503 for now: the client may ask again."""
    return error_answer(503, why, accept=accept, extra_headers=[("Retry-After", "1")])


def accept_of(head: http1.RequestHead) -> str:
    return head.get("accept") or ""


def _text(status: int, title: str, why: str, detail: str) -> str:
    parts = (f"{status} {title}", why, detail.rstrip("\n"))
    return "\n\n".join(part for part in parts if part) + "\n"


def _html(status: int, title: str, why: str, detail: str) -> str:
    content = f"<h1><b>{status}</b> {escape(title)}</h1>\n<p>{escape(why)}</p>\n"
    if detail:
        content += f"<pre>{escape(detail)}</pre>\n"
    return page(f"{status} {title}", content, _STYLE)


def _json(status: int, title: str, why: str, detail: str) -> str:
    content: dict[str, int | str] = {"status": status, "error": title, "why": why}
    if detail:
        content["detail"] = detail
    return json.dumps(content) + "\n"


#: By the type that is looked for in Accept, in the order of our own liking: that of the field, the form.
_FORMS: dict[str, tuple[str, Callable[[int, str, str, str], str]]] = {
    "text/plain": ("text/plain; charset=utf-8", _text),
    "text/html": ("text/html; charset=utf-8", _html),
    "application/json": ("application/json", _json),
}
TYPES = tuple(_FORMS)
