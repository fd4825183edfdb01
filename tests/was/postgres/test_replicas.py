"""``.lb`` over a server and one that follows it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg2 import errors

from skitai import was
from tests.postgres import Postgres
from tests.was.postgres.asking import eventually
from tests.was.postgres.handlers import providing


@pytest.fixture(params=["the one that tests bring", "Debian's"])
def first(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[Postgres]:
    if request.param != "Debian's":
        yield postgres
        return
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None)
    if binaries is None:
        pytest.skip("no initdb of Debian's (apt-get install postgresql)")
    with tempfile.TemporaryDirectory(prefix="skitai-pg-") as folder:
        server = Postgres.created(binaries.parent, Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch, first: Postgres) -> Iterator[tuple[Postgres, Postgres]]:
    """The first one, and its replica; ``@both`` are the two, ``@replica`` the latter."""
    with tempfile.TemporaryDirectory(prefix="skitai-pg-") as folder:
        replica = first.replica(Path(folder))
        replica.start()
        sections = (
            f"[@both]\ntype = postgresql\nmembers = {first.member}, {replica.member}\n"
            f"[@replica]\ntype = postgresql\nmembers = {replica.member}\n"
        )
        try:
            with providing(monkeypatch, sections):
                yield first, replica
        finally:
            replica.kill()
            first.execute("DROP TABLE IF EXISTS followed")


def test_what_is_written_is_read_there(both: tuple[Postgres, Postgres]) -> None:
    first, _ = both
    with was.db(first.dsn).begin() as tx:
        tx.execute("CREATE TABLE followed (i int)")
        tx.execute("INSERT INTO followed VALUES (1)")
    eventually(lambda: was.db("@replica").execute("SELECT i FROM followed").getwait(2).rows == [(1,)])
    result = was.db("@replica").execute("INSERT INTO followed VALUES (2)").getwait(2)
    assert isinstance(result.error, errors.ReadOnlySqlTransaction)


def test_one_of_them_goes_and_comes_back(both: tuple[Postgres, Postgres]) -> None:
    _, replica = both
    asked = {was.db.lb("@both").execute("SELECT 1 AS one").getwait(5).node for _ in range(60)}
    assert len(asked) == 2
    replica.kill()
    results = [was.db.lb("@both").execute("SELECT 1 AS one").getwait(5) for _ in range(40)]
    # One that was on its way when the replica went may have run there.
    assert sum(result.status != 3 for result in results) <= 1
    replica.start()
    assert was.db.lb("@both").execute("SELECT 1 AS one").getwait(5).status == 3
