"""Through a transaction pooler, where two statements of a session may run in two sessions of the server."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from skitai import was
from skitai.errors import NetworkTimeout
from tests.postgres import PASSWORD, USER, Postgres, free_port, other_user
from tests.was.postgres.asking import eventually
from tests.was.postgres.handlers import providing


@pytest.fixture
def pooler(postgres: Postgres, require_program: Callable[[str], str]) -> Iterator[str]:
    """The DSN of a PgBouncer with three connections to the server."""
    program, port = require_program("pgbouncer"), free_port()
    with tempfile.TemporaryDirectory(prefix="skitai-pgb-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
        (folder / "ini").write_text(
            f"[databases]\nmydb = host={postgres.host} port={postgres.port} dbname=mydb\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {folder}/users\npool_mode = transaction\n"
            "default_pool_size = 3\nignore_startup_parameters = extra_float_digits\n"
        )
        process = subprocess.Popen([program, "-q", str(folder / "ini")], **other_user())
        dsn = f"host=127.0.0.1 port={port} dbname=mydb user={USER} password={PASSWORD}"
        try:
            eventually(lambda: can_connect(dsn), 10)
            yield dsn
        finally:
            process.kill()
            process.wait(10)


def can_connect(dsn: str) -> bool:
    try:
        psycopg2.connect(dsn, connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


@pytest.fixture
def db(monkeypatch: pytest.MonkeyPatch, pooler: str) -> Iterator[Callable[..., Any]]:
    with providing(monkeypatch, "", db_connections_max=8):
        yield lambda **options: was.db(pooler, **options)


def test_statements_transactions_and_what_ends_them(db: Callable[..., Any], postgres: Postgres) -> None:
    calls = [db().execute("SELECT %s AS n, pg_backend_pid()", (number,)) for number in range(200)]
    assert [call.getwait(10).data[0]["n"] for call in calls] == list(range(200))
    calls = [db().execute("SELECT %s + 0 AS n", (number,)) for number in range(200)]
    assert [call.getwait(10).data[0]["n"] for call in calls] == list(range(200))
    assert isinstance(db().execute("SELECT 1/0").getwait(5).error, errors.DivisionByZero)
    with db().begin() as tx:
        pids = {tx.execute("SELECT pg_backend_pid()").getwait(5).rows[0][0] for _ in range(5)}
        assert len(pids) == 1
    began = time.monotonic()
    assert isinstance(db().execute("SELECT pg_sleep(30), 'late'").getwait(0.3).error, NetworkTimeout)
    eventually(lambda: postgres.running("'late'") == 0)
    assert time.monotonic() - began < 3
    assert db().execute("SELECT 1 AS one").getwait(5).data == [{"one": 1}]
