"""An entry of a log as one object of JSON on a line of its own, for programs that collect logs.

    {"time": "2026-11-22T19:05:44.512+01:00", "type": "info", "client": "203.0.113.7", "port": 34884, …}

``time`` is RFC 3339 with the offset of local time.  Everything is ASCII, what is not is written ``\\u…``: so
nothing that an application or a client got into a text ends a line.

Run by the writer thread only.
"""

from __future__ import annotations

import json
import time

__all__ = ["JsonLines", "json_line"]


class JsonLines:
    def __init__(self) -> None:
        self._second = -1
        self._date = self._offset = ""

    def time(self, when: float) -> str:
        """``when``: seconds as of ``time.time()``."""
        second = int(when)
        if second != self._second:
            self._second = second
            local = time.localtime(second)
            self._date = time.strftime("%Y-%m-%dT%H:%M:%S", local)
            offset = time.strftime("%z", local)
            self._offset = f"{offset[:3]}:{offset[3:]}"
        return f"{self._date}.{int(when % 1 * 1000):03}{self._offset}"

    def encode(self, when: float, kind: str, text: str) -> bytes:
        """``kind``: ``warn``, or with a logger's name ``warn:shop.cart``."""
        type_, _, logger = kind.partition(":")
        entry: dict[str, object] = {"time": self.time(when), "type": type_}
        if logger:
            entry["logger"] = logger
        entry["message"] = text
        return json_line(entry)


def json_line(entry: dict[str, object]) -> bytes:
    return json.dumps(entry).encode("ascii") + b"\n"
