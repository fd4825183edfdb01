"""An entry of a log as bytes: ``YYYY.MM.DD HH:MM:SS [type] text``, local time.

Run by the writer thread only.  A text of several lines (a traceback) is left as it is, but for
further lines that begin like an entry: those are indented, so that nothing an application or a
client managed to get into a text passes for an entry of its own.  Other control characters are
escaped, since a terminal obeys them.
"""

from __future__ import annotations

import re
import time

__all__ = ["LineFormat"]

#: C0, DEL and C1 without tab; the line and paragraph separators; the marks that turn the
#: direction of writing, which can hide what a line says (CVE-2021-42574).
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LIKE_AN_ENTRY = re.compile(r"\n(?=[0-9]{4}\.[0-9]{2}\.[0-9]{2} )")


class LineFormat:
    """Makes lines; keeps the text of the current second, which most entries share."""

    def __init__(self) -> None:
        self._second = -1
        self._date = ""

    def prefix(self, second: int, kind: str = "info") -> str:
        """What stands before the text.  ``second``: as of ``time.time()``."""
        if second != self._second:
            self._second = second
            self._date = time.strftime("%Y.%m.%d %H:%M:%S", time.localtime(second))
        return f"{self._date} [{kind}] "

    def encode(self, when: float, kind: str, text: str) -> bytes:
        """One entry with its line end.  ``when``: seconds as of ``time.time()``."""
        if _CONTROLS.search(kind) is not None:
            kind = _CONTROLS.sub(_escape, kind)
        if _CONTROLS.search(text) is not None:
            lines = text.rstrip("\r\n").replace("\r\n", "\n").split("\n")
            text = "\n".join([_CONTROLS.sub(_escape, line) for line in lines])
            text = _LIKE_AN_ENTRY.sub("\n    ", text)
        return f"{self.prefix(int(when), kind)}{text}\n".encode("utf-8", "backslashreplace")


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
