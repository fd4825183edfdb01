"""The text of access lines, as Skitai has written them since 0.11: the plain Python twin.

    YYYY.MM.DD HH:MM:SS [info] CLIENTIP:PORT METHOD URI HTTP/x.y STATUS BYTES Nms Nms

The first time is execution (from the request's head, so with its upload, until the head of the
response was handed over), the second delivery (from then until the last byte was out).  Who
serves a request only notes what is to be said, as an `AccessRecord`; the thread that writes the
logs makes lines of many records at once.

One request is one line of eight words (and `AccessNotes` where they are asked for), whatever the client
sent: what could end a line or start a word is written as an escape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias, cast

__all__ = ["access_lines"]


class AccessNotes(NamedTuple):
    """What a line says of a request besides, where it is asked to (``log_fields``): each as a word
    ``name=value`` behind the others.

    ``trace``, ``span``: of the ``traceparent`` that it has brought.  ``queue``: seconds that it waited for a
    thread; ``upstream``: until who was asked in our place had given the last byte of its answer.  Empty
    and None are left out.
    """

    request_id: str = ""
    trace: str = ""
    span: str = ""
    queue: float | None = None
    upstream: float | None = None


#: ``(when, address, port, method, target, version, status, size, execution, delivery)``
#:
#: ``when``: as of ``time.time()``.  ``address``: the client's, empty behind a unix socket (then
#: ``unix`` is written); an IPv6 address gets brackets, so that the port can be told from it.
#: ``version``: ``"1.1"``, or ``"-"`` when no request line could be read.  ``size``: bytes sent, the
#: head included.  ``execution`` and ``delivery``: seconds.
_Plain: TypeAlias = tuple[float, str, int, str, str, str, int, int, float, float]
#: The same with `AccessNotes` behind it.
_Noted: TypeAlias = tuple[float, str, int, str, str, str, int, int, float, float, AccessNotes]
#: Or, where an id is all of them, that alone: less is to be done while clients wait.
_Identified: TypeAlias = tuple[float, str, int, str, str, str, int, int, float, float, str]
AccessRecord: TypeAlias = _Plain | _Noted | _Identified


def notes_of(record: AccessRecord) -> AccessNotes | None:
    if len(record) == 10:
        return None
    notes = cast("_Noted | _Identified", record)[10]
    return AccessNotes(notes) if isinstance(notes, str) else notes


_NOT_OF_A_WORD = re.compile(r"[^!-~]")


def access_lines(records: Iterable[AccessRecord], prefix_of: Callable[[int], str]) -> list[bytes]:
    """A line, with its end, for each of ``records``.  ``prefix_of(second)``: what stands before the words."""
    lines: list[bytes] = []
    second, prefix = -1, ""
    for record in records:
        if int(record[0]) != second:
            second = int(record[0])
            prefix = prefix_of(second)
        lines.append(f"{prefix}{access_line(record)}\n".encode("ascii"))
    return lines


def access_line(record: AccessRecord) -> str:
    """The words of one request."""
    _, address, port, method, target, version, status, size, execution, delivery = record[:10]
    if ":" in address:
        address = f"[{address}]"
    protocol = f"HTTP/{version}" if version != "-" else "-"
    return (
        f"{_word(address or 'unix')}:{port} {_word(method)} {_word(target)} {protocol} {status} {size} "
        f"{int(execution * 1000 + 0.5)}ms {int(delivery * 1000 + 0.5)}ms"
        f"{_further_words(notes_of(record))}"
    )


def _further_words(notes: AccessNotes | None) -> str:
    words = ""
    for name, value in notes._asdict().items() if notes is not None else ():
        if isinstance(value, float):
            words += f" {name}={int(value * 1000 + 0.5)}ms"
        elif value:
            words += f" {name}={_word(value)}"
    return words


def _word(text: str) -> str:
    """``text`` as one word of visible ASCII; ``-`` if it is empty."""
    if _NOT_OF_A_WORD.search(text) is None:
        return text or "-"
    return _NOT_OF_A_WORD.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii") if match[0] != " " else "\\x20"
