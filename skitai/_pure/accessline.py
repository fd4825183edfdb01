"""The text of access lines, as Skitai has written them since 0.11: the plain Python twin.

    YYYY.MM.DD HH:MM:SS [info] CLIENTIP:PORT METHOD URI HTTP/x.y STATUS BYTES Nms Nms

The first time is execution (from the request's head, so with its upload, until the head of the
response was handed over), the second delivery (from then until the last byte was out).  Who
serves a request only notes what is to be said, as an `AccessRecord`; the thread that writes the
logs makes lines of many records at once.

One request is one line of eight words, whatever the client sent: what could end a line or
start a word is written as an escape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

__all__ = ["access_lines"]

#: ``(when, address, port, method, target, version, status, size, execution, delivery)``
#:
#: ``when``: as of ``time.time()``.  ``address``: the client's, empty behind a unix socket (then
#: ``unix`` is written); an IPv6 address gets brackets, so that the port can be told from it.
#: ``version``: ``"1.1"``, or ``"-"`` when no request line could be read.  ``size``: bytes sent, the
#: head included.  ``execution`` and ``delivery``: seconds.
AccessRecord = tuple[float, str, int, str, str, str, int, int, float, float]

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
    _, address, port, method, target, version, status, size, execution, delivery = record
    if ":" in address:
        address = f"[{address}]"
    protocol = f"HTTP/{version}" if version != "-" else "-"
    return (
        f"{_word(address or 'unix')}:{port} {_word(method)} {_word(target)} {protocol} {status} {size} "
        f"{int(execution * 1000 + 0.5)}ms {int(delivery * 1000 + 0.5)}ms"
    )


def _word(text: str) -> str:
    """``text`` as one word of visible ASCII; ``-`` if it is empty."""
    if _NOT_OF_A_WORD.search(text) is None:
        return text or "-"
    return _NOT_OF_A_WORD.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii") if match[0] != " " else "\\x20"
