"""The text of one access line, as Skitai has written it since 0.11.

    CLIENTIP:PORT METHOD URI HTTP/x.y STATUS BYTES Nms Nms

The first time is execution (from the request's head, so with its upload, until the head of the
response was handed over), the second delivery (from then until the last byte was out).  Called by the service
in the loop thread, once a request: it only formats.  The log adds date and type.

One request is one line of eight words, whatever the client sent: what could end a line or
start a word is written as an escape.
"""

from __future__ import annotations

import re

__all__ = ["access_line"]

_NOT_OF_A_WORD = re.compile(r"[^!-~]")


def access_line(
    address: str,
    port: int,
    method: str,
    target: str,
    version: str,
    status: int,
    size: int,
    execution: float,
    delivery: float,
) -> str:
    """One request in words.

    ``address``: the client's, empty behind a unix socket (then ``unix`` is written); an IPv6
    address gets brackets, so that the port can be told from it.  ``version``: ``"1.1"``, or
    ``"-"`` when no request line could be read.  ``size``: bytes sent, the head included.
    ``execution`` and ``delivery``: seconds.
    """
    if ":" in address:
        address = f"[{address}]"
    protocol = f"HTTP/{version}" if version != "-" else "-"
    return (
        f"{address or 'unix'}:{port} {_word(method)} {_word(target)} {protocol} {status} {size} "
        f"{int(execution * 1000 + 0.5)}ms {int(delivery * 1000 + 0.5)}ms"
    )


def _word(text: str) -> str:
    """``text`` as one word of visible ASCII; ``-`` if it is empty."""
    if _NOT_OF_A_WORD.search(text) is None:
        return text or "-"
    return _NOT_OF_A_WORD.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii") if match[0] != " " else "\\x20"
