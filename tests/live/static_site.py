"""A site of files for the tests of what clients see of them, and tables of such tests.

A table is a text, one case a line: columns with two spaces or more between them, ``#`` before a comment.
Both builds serve the same site and are asked the same.
"""

from __future__ import annotations

import gzip
import os
import re
import time
from pathlib import Path

from tests.live.program import LiveServer, Serve

BUILDS = ("compiled", "pure")

#: When all files were changed.
MODIFIED = 1_000_000_000
LAST_MODIFIED = "Sun, 09 Sep 2001 01:46:40 GMT"
EARLIER = "Sun, 09 Sep 2001 01:46:39 GMT"
LATER = "Sun, 09 Sep 2001 01:46:41 GMT"

BIG = b"".join(b"%07d\n" % number for number in range(40_000))  # 320 000 bytes, each eight of their own


def cases(table: str, columns: int) -> list[tuple[str, ...]]:
    """The lines of ``table``, missing columns at the end empty; ``-`` is an empty one."""
    found = []
    for line in table.splitlines():
        text = line.strip()
        if text and not text.startswith("#"):
            cells = [("" if cell == "-" else cell) for cell in re.split(r" {2,}", text)]
            assert len(cells) <= columns, line
            found.append((*cells, *[""] * (columns - len(cells))))
    return found


def write(path: Path, content: bytes, modified: float = MODIFIED) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (modified, modified))


def serve_site(serve_conf: Serve, home: Path, build: str, conf: str, files: dict[str, bytes]) -> LiveServer:
    """``files`` are below ``home``.  The compiled build keeps what has not changed for two seconds: so most
    of what is asked for twice is answered from there, and has to be the same."""
    for name, content in files.items():
        write(home / name, content)
    written = time.monotonic()
    server = serve_conf(conf, env={"SKITAI_PURE": "1"} if build == "pure" else {})
    if build == "compiled":
        time.sleep(max(0.0, written + 2.1 - time.monotonic()))
    return server


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)
