"""The site that the load tests serve: apps/load.py, and files of their own."""

from __future__ import annotations

from pathlib import Path

from tests.live.apps import load
from tests.live.program import REPO

__all__ = ["FILES_HOST", "write_site"]

#: A host that has files only: what it has not is the server's own 404.
FILES_HOST = "files.test"


def write_site(folder: Path, **settings: object) -> Path:
    """Everything that `skitaid-instance` needs, in ``folder``; ``settings`` are keys of [server].
    Returns the configuration file."""
    files = folder / "files"
    files.mkdir()
    (files / "small").write_text("a small file")
    (files / "huge").write_bytes(load.HUGE)
    lines = [
        "[server]",
        "master = no",  # the process that was started is the one to be measured
        *(f"{key} = {value}" for key, value in settings.items()),
        "[routes:line]",
        "/files = files",
        f"/ = {REPO}/tests/live/apps/load:app",
        f": {FILES_HOST}",
        "/ = files",
    ]
    conf = folder / "load.conf"
    conf.write_text("\n".join(lines) + "\n", "utf-8")
    return conf
