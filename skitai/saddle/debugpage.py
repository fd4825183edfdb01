"""What a developer sees of an exception: where it came from, the lines around it, and the locals there.

Text only; `skitai.core.errorpages` makes a page of it, and escapes it.  Shown when ``app.debug`` is set,
and never otherwise.  Values that look secret are masked by the names they have, and the application's own
secrets wherever they stand: a page like this is pasted into chats.
"""

from __future__ import annotations

import linecache
import os
import re
import reprlib
import traceback
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any

__all__ = ["detail_of"]

_OURS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
_MASK = "********"
_SECRET = re.compile(
    r"pass(word|wd|phrase)?$|pwd|secret|token|secure_?key|api_?key|auth|cookie|session", re.I
)
#: Lines shown before and behind the one that was being run.
_AROUND = 3
#: Shorter secrets would blot out half of the page.
_SECRET_MIN = 4
#: Frames of one exception: a runaway recursion has a thousand equal ones.
_FRAMES_MAX = 20
#: Characters of one local.
_LOCAL_MAX = 1000


class _Repr(reprlib.Repr):
    """Short, and masked by the keys of dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 200
        self.maxdict = self.maxlist = self.maxtuple = 10
        self.maxlevel = 3

    def repr1(self, value: Any, level: int) -> str:
        try:
            return super().repr1(value, level)
        except Exception as error:  # whatever the application's objects do, the page is about another fault
            return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"

    def repr_dict(self, value: dict[Any, Any], level: int) -> str:
        if level <= 0:
            return "{...}"
        items = [
            f"{self.repr1(key, level - 1)}: {_MASK if _is_secret(key) else self.repr1(item, level - 1)}"
            for key, item in list(value.items())[: self.maxdict]
        ]
        return f"{{{', '.join(items)}{', ...' if len(value) > self.maxdict else ''}}}"


_REPR = _Repr()


def detail_of(error: BaseException, secrets: Iterable[str]) -> str:
    """The exceptions that led to ``error``, the first one first, as text."""
    text = "\n".join(_exceptions(error))
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        if len(secret) >= _SECRET_MIN:
            text = text.replace(secret, _MASK)
    return text


def _exceptions(error: BaseException) -> Iterator[str]:
    chain: list[tuple[BaseException, str]] = [(error, "")]
    seen = {id(error)}
    while True:
        last = chain[-1][0]
        if last.__cause__ is not None:
            before, link = last.__cause__, "This was the cause of:"
        elif last.__context__ is not None and not last.__suppress_context__:
            before, link = last.__context__, "While this was handled:"
        else:
            break
        if id(before) in seen:
            break
        seen.add(id(before))
        chain.append((before, link))
    for part, link in reversed(chain):
        yield from (line.rstrip("\n") for line in traceback.format_exception_only(type(part), part))
        yield from _frames(part.__traceback__)
        if link:
            yield f"\n{link}\n"


def _frames(step: TracebackType | None) -> Iterator[str]:
    steps: list[tuple[FrameType, int]] = []
    while step is not None:
        steps.append((step.tb_frame, step.tb_lineno))
        step = step.tb_next
    own = [item for item in steps if not item[0].f_code.co_filename.startswith(_OURS)] or steps
    if len(own) > _FRAMES_MAX:
        yield f"\n... {len(own) - _FRAMES_MAX} frames further out"
    for frame, line in own[-_FRAMES_MAX:]:
        yield f"\n{frame.f_code.co_filename}:{line} in {frame.f_code.co_name}"
        yield from _source(frame, line)
        yield from _locals(frame)


def _source(frame: FrameType, line: int) -> Iterator[str]:
    linecache.checkcache(frame.f_code.co_filename)
    for number in range(max(1, line - _AROUND), line + _AROUND + 1):
        text = linecache.getline(frame.f_code.co_filename, number, frame.f_globals).rstrip()
        if text or number == line:
            name, is_set, _ = text.partition("=")
            if is_set and _is_secret(name.strip()):
                text = f"{name.rstrip()} = {_MASK}"
            yield f"  {'>' if number == line else ' '} {number:4}  {text}"


def _locals(frame: FrameType) -> Iterator[str]:
    if frame.f_code.co_name == "<module>":
        return  # the whole module
    for name, value in frame.f_locals.items():
        yield f"      {name} = {_MASK if _is_secret(name) else _REPR.repr(value)[:_LOCAL_MAX]}"


def _is_secret(name: object) -> bool:
    return isinstance(name, str) and _SECRET.search(name) is not None
