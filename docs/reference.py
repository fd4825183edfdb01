"""The pages of ``docs/api``, made of the docstrings of what is public.

``python docs/reference.py`` writes them anew; a test fails where they have fallen behind, or where something
public has no docstring.  They are Markdown, so they can be read without being built.  It needs the extra
`pg`, for `was.db` has to be there.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

__all__ = ["PAGES", "Page", "main", "rendered", "undocumented"]

FOLDER = Path(__file__).resolve().parent / "api"


@dataclass(frozen=True)
class Page:
    """``intro`` is Markdown, in front of the module's docstring; ``parts`` are ``(heading, {name shown:
    module:name})``, and none stands for all that the module exports."""

    module: str
    title: str
    intro: str
    parts: tuple[tuple[str, dict[str, str]], ...] = ()
    more: tuple[tuple[str, dict[str, str]], ...] = field(default=())


def _of(module: str, *names: str, shown: str = "") -> dict[str, str]:
    return {shown + name: f"{module}:{name}" for name in names}


PAGES = {
    "skitai": Page(
        "skitai",
        "skitai",
        "More: [Waiting](../waiting.md), [WebSockets](../websocket.md).",
        (("", _of("skitai._waiting", "sleep", shown="skitai.")),),
    ),
    "was": Page(
        "skitai.was",
        "skitai.was",
        "Arguments, times and failures are told in [Asking other servers](../was.md), databases in\n"
        "[Databases](../was/db.md). In Saddle `was` is the first argument of every function.",
        (
            (
                "Asking others",
                {
                    "was.get": "skitai.was._verbs:Verb",
                    "was.rpc": "skitai.was._verbs:RpcVerb",
                    "was.db": "skitai.was._verbs:DbVerb",
                    "was.ws": "skitai.was._verbs:WsVerb",
                },
            ),
            (
                "Calls",
                _of("skitai.was._call", "Call", "MapCall")
                | _of("skitai.was._rpc", "RpcCall")
                | _of("skitai.was._db", "DbCall")
                | _of("skitai.was._dbtransaction", "Transaction")
                | _of("skitai.was._wsconversation", "Connection"),
            ),
            (
                "Results",
                _of("skitai.was._results", "Result", "ResponseHeaders")
                | _of("skitai.was._call", "Results")
                | _of("skitai.was._streams", "StreamResult")
                | _of("skitai.was._rpcresult", "RpcResult")
                | _of("skitai.was._dbresult", "DbResult")
                | _of("skitai.was._wsresult", "MessageResult"),
            ),
            (
                "Other services",
                _of("skitai.was._mailing", "email", shown="was.")
                | _of("skitai.was._composing", "Email")
                | _of("skitai.was._publishing", "publish", shown="was.")
                | {"was.status": "skitai.was._status:Status"}
                | _of("skitai.was._xml", "tojson", "fromjson", "toxml", "fromxml", shown="was.")
                | _of("skitai.was._provider", "configure", shown="was."),
            ),
            (
                "Of a request, and of all",
                _of("skitai.was._services", "Services") | _of("skitai.was._shared", "Shared"),
            ),
        ),
    ),
    "saddle": Page(
        "skitai.saddle",
        "skitai.saddle",
        "The guide: [Saddle](../saddle.md).",
        more=(
            (
                "What handlers are given",
                {
                    "was.request": "skitai.saddle.request:Request",
                    "was.response": "skitai.saddle.response:Response",
                    "was.cookie": "skitai.saddle.cookies:Cookies",
                    "was.session": "skitai.saddle.sessions:Session",
                    "was.mbox": "skitai.saddle.messages:MessageBox",
                    "was.temp": "skitai.saddle.temp:Temp",
                },
            ),
        ),
    ),
    "testclient": Page(
        "skitai.saddle.testclient",
        "Saddle's test client",
        "The guide: [Testing](../saddle/testing.md).",
        (
            (
                "",
                _of("skitai.saddle.testclient", "TestClient")
                | _of("skitai.saddle.testresponse", "TestResponse")
                | _of("skitai.saddle.testsockets", "TestWebSocket", "WebSocketRefused", "WebSocketClosed"),
            ),
        ),
    ),
    "websocket": Page(
        "skitai.core.websockets.handles",
        "WebSockets of applications",
        "The guide: [WebSockets](../websocket.md).",
        (("", _of("skitai.core.websockets.handles", "Handle", "Room")),),
    ),
    "errors": Page("skitai.errors", "skitai.errors", "All can be imported from `skitai.errors`."),
    "producers": Page(
        "skitai.lib.producers",
        "skitai.lib.producers",
        "The guide: [Producers](../saddle/responses.md#producers). Each has `more()`, which gives the next\n"
        "piece, and an empty one at the end.",
    ),
}


@dataclass(frozen=True)
class Entry:
    """Something public: ``name`` as it is shown, ``rank`` of its heading."""

    name: str
    value: Any
    rank: int
    #: By applications: how is shown.
    is_made: bool = True

    @cached_property
    def doc(self) -> str:
        own = self.value
        if isinstance(own, type):
            made = vars(own)["__init__"].__doc__ if self.is_made and "__init__" in vars(own) else ""
            return "\n\n".join(inspect.cleandoc(doc) for doc in (own.__doc__, made) if doc)
        return inspect.getdoc(own) or ""

    def members(self) -> Iterator[Entry]:
        """Methods and properties, those of our own base classes too, in the order of their definition."""
        if not isinstance(self.value, type):
            return
        found: dict[str, Any] = {}
        for base in reversed(self.value.__mro__):
            if base.__module__.startswith("skitai"):
                for name, value in vars(base).items():
                    if not name.startswith(("_", "skitai_")) and _is_member(value, base):
                        found[name] = value
        for name, value in found.items():
            yield Entry(f"{self.name}.{name}", value, self.rank + 1)


def _is_member(value: Any, base: type) -> bool:
    if base.__module__ == "skitai.lib.producers":  # what all of these have is told once
        return False
    return isinstance(value, (property, cached_property, classmethod, staticmethod)) or inspect.isfunction(
        value
    )


def entries(page: Page) -> Iterator[tuple[str, list[Entry]]]:
    """The headings of a page, with what stands below each."""
    module = importlib.import_module(page.module)
    parts = page.parts or (("", _of(page.module, *module.__all__)),)
    for heading, names in (*parts, *page.more):
        found = []
        for shown, where in names.items():
            home, _, name = where.partition(":")
            value = getattr(importlib.import_module(home), name)
            if isinstance(value, type) or callable(value):
                rank = 3 if heading else 2
                found.append(Entry(shown, value, rank, is_made=not page.parts and not heading))
        yield heading, found


def undocumented(page: Page) -> list[str]:
    """What has no docstring."""
    return [
        entry.name
        for _, found in entries(page)
        for top in found
        for entry in (top, *top.members())
        if not entry.doc
    ]


def rendered(page: Page) -> str:
    """The page in Markdown."""
    return "\n".join(_lines(page)).rstrip() + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield f"# {page.title}"
    yield ""
    yield "<!-- made by docs/reference.py of docstrings: change these -->"
    yield ""
    yield page.intro
    yield ""
    if page.module != "skitai.was":  # which tells how it is built
        yield markdown(inspect.getdoc(importlib.import_module(page.module)) or "")
        yield ""
    for heading, found in entries(page):
        if heading:
            yield f"## {heading}"
            yield ""
        for top in found:
            for entry in (top, *top.members()):
                yield f"{'#' * entry.rank} `{entry.name}`"
                yield ""
                yield from _signature(entry)
                yield markdown(entry.doc)
                yield ""


def _signature(entry: Entry) -> Iterator[str]:
    value, name = entry.value, entry.name.rpartition(".")[2]
    if isinstance(value, type):
        if "__call__" in vars(value):
            value = vars(value)["__call__"]
        elif (
            not entry.is_made
            or issubclass(value, BaseException)
            or getattr(value, "_is_protocol", False)
            or "__init__" not in vars(value)
        ):
            return
        else:
            value = vars(value)["__init__"]
    if isinstance(value, (property, cached_property)):
        getter = value.fget if isinstance(value, property) else value.func
        returned = inspect.signature(getter).return_annotation if getter else inspect.Signature.empty
        if isinstance(returned, str):
            yield f"*Attribute*, `{returned}`."
            yield ""
        return
    function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
    signature = inspect.signature(function)
    parameters = [
        one.replace(default=_Shown(one.default)) if one.default is not one.empty else one
        for one in signature.parameters.values()
        if one.name not in ("self", "cls") and not one.name.startswith("_")
    ]
    if isinstance(entry.value, type) and value.__name__ == "__init__":
        signature = signature.replace(return_annotation=inspect.Signature.empty)
    keyword = "async def" if inspect.iscoroutinefunction(function) else "def"
    short = signature.replace(parameters=parameters)
    text = f"{keyword} {name}{short}: ...".replace("'", "")
    yield "```python"
    yield from [text] if len(text) <= 100 else _one_by_one(text, short)
    yield "```"
    yield ""


class _Shown:
    """A default whose repr is source: an object without one is shown as ``...``."""

    def __init__(self, value: Any) -> None:
        self._text = repr(value).replace("'", '"')

    def __repr__(self) -> str:
        return "..." if self._text.startswith("<") else self._text


def _one_by_one(text: str, signature: inspect.Signature) -> Iterator[str]:
    """A line for each parameter, as Black lays a long one out."""
    yield text.partition("(")[0] + "("
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    for one in signature.parameters.values():
        if one.kind is one.KEYWORD_ONLY and kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD):
            yield "    *,"
        kind = one.kind
        yield f"    {one},".replace("'", "")
    yield f"){text[text.rindex(' ->') :]}" if " ->" in text else "): ..."


# --- from docstrings to Markdown

_SECTION = re.compile(r"^(Args|Returns|Raises|Yields|Attributes):$")
_CODE = re.compile(r"(`+[^`]+`+)")
_ITEM = re.compile(r"^(?P<name>[\w*.,| ]+?): (?P<text>.*)$")


def markdown(doc: str) -> str:
    """A docstring in Markdown: sections as lists; what Markdown would take for its own is escaped."""
    lines: list[str] = []
    inside = ""
    was_empty = True
    for line in doc.splitlines():
        if found := _SECTION.match(line):
            inside = found[1]
            lines += [*([""] if lines and lines[-1] else []), f"**{inside}**", ""]
        elif inside and line.startswith("    ") and not line.startswith("     "):
            item = _ITEM.match(line.strip())
            lines.append(
                f"- `{item['name']}`: {_escaped(item['text'])}" if item else f"- {_escaped(line.strip())}"
            )
        elif inside and line.startswith("     "):
            lines.append(f"  {_escaped(line.strip())}")
        else:
            if inside and line:
                inside = ""
            is_code = line.startswith("    ") and (
                was_empty or (bool(lines) and lines[-1].startswith("    "))
            )
            lines.append(line if is_code else _escaped(line))
        was_empty = not line
    return "\n".join(lines).strip("\n")


def _escaped(text: str) -> str:
    pieces = _CODE.split(text)
    # Outside of code: what would be emphasis or a tag.
    pieces[::2] = [re.sub(r"(?<!^)([*_<\[])|^([*_<\[])", r"\\\1\2", piece) for piece in pieces[::2]]
    return "".join(pieces)


def main() -> int:
    """Write all pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / f"{name}.md").write_text(rendered(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
