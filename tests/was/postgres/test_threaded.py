"""What needs a blocking connection: in threads, within the same bounds, and ended on the server as well."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from skitai import was
from skitai.errors import NetworkTimeout
from tests.postgres import Postgres
from tests.was.postgres.asking import eventually
from tests.was.postgres.handlers import providing


@pytest.fixture
def db(monkeypatch: pytest.MonkeyPatch, postgres: Postgres, postgres_shards: list[Postgres]) -> Iterator[Any]:
    members = ", ".join(shard.member for shard in postgres_shards)
    postgres.execute("CREATE TABLE many (i int PRIMARY KEY, t text)")
    try:
        with providing(
            monkeypatch,
            f"[@mydb]\ntype = postgresql\nmembers = {members}\n"
            f"[@half]\ntype = postgresql\nmembers = 127.0.0.1:1/a/b/c, {postgres.member}\n",
            db_connections_max=2,
        ):
            yield lambda **options: was.db(postgres.dsn, **options)
    finally:
        postgres.execute("DROP TABLE many")


def count(postgres: Postgres) -> int:
    return int(postgres.execute("SELECT count(*) FROM many")[0][0])


def test_many_sets_of_values(db: Any, postgres: Postgres) -> None:
    s = db()
    s.executemany("INSERT INTO many VALUES (%s, %s)", ((number, "x") for number in range(100)))
    assert s.getwait(5).status == 3
    assert count(postgres) == 100


def test_a_job_is_done_as_a_whole_or_not_at_all(db: Any, postgres: Postgres) -> None:
    result = db().executemany("INSERT INTO many VALUES (%s, '')", [(1,), (2,), (1,)]).getwait(5)
    assert isinstance(result.error, errors.UniqueViolation)
    assert count(postgres) == 0


def test_a_function_of_the_database(db: Any, postgres: Postgres) -> None:
    result = db().callproc("upper", ["abc"]).getwait(5)
    assert (result.status, result.data) == (3, [{"upper": "ABC"}])
    assert db(rows_max=2).callproc("generate_series", (1, 3)).getwait(5).code == 709


def test_copy_in_and_out(db: Any, postgres: Postgres) -> None:
    text = "".join(f"{number}\tline {number}\n" for number in range(5000))
    assert db().copy("COPY many FROM STDIN", io.StringIO(text)).getwait(5).rowcount == 5000
    out = io.StringIO()
    assert db().copy("COPY (SELECT * FROM many ORDER BY i) TO STDOUT", out).getwait(5).status == 3
    assert out.getvalue() == text
    assert isinstance(db().copy("COPY nowhere TO STDOUT", out).getwait(5).error, errors.UndefinedTable)


def test_a_job_that_is_late_ends_on_the_server(db: Any, postgres: Postgres) -> None:
    result = db().callproc("pg_sleep", (30,)).getwait(0.5)
    assert isinstance(result.error, NetworkTimeout)
    eventually(lambda: postgres.running("pg_sleep") == 0)
    many = [(number, number) for number in range(100_000)]
    result = db().executemany("INSERT INTO many SELECT %s, %s || pg_sleep(0.001)::text", many).getwait(0.5)
    assert result.status == 1
    eventually(lambda: postgres.running("INSERT INTO many") == 0)
    assert count(postgres) == 0


def test_threads_have_their_part_of_the_connections(db: Any, postgres: Postgres) -> None:
    jobs = [db().callproc("pg_sleep", (0.2,)) for _ in range(4)]
    others = [db().execute("SELECT pg_sleep(0.1)") for _ in range(4)]
    most = 0
    while not all(call.done for call in jobs + others):
        most = max(most, postgres.connected_to())
        time.sleep(0.01)
    assert all(call.getwait(5).status == 3 for call in jobs + others)
    assert 1 <= most <= 2


def test_members_of_clusters(db: Any, postgres_shards: list[Postgres]) -> None:
    assert [result.rows for result in was.db.map("@mydb").callproc("abs", (-1,)).getswait(5)] == [[(1,)]] * 3
    for _ in range(6):
        assert was.db.lb("@half").callproc("abs", (-1,)).getwait(5).rows == [(1,)]
    with pytest.raises(TypeError, match="there is one file"):
        was.db.map("@mydb").copy("COPY x FROM STDIN", io.StringIO())


def test_where_there_is_no_server(db: Any) -> None:
    result = was.db("127.0.0.1:1", "a", "b", "c").callproc("abs", (1,)).getwait(5)
    assert isinstance(result.error, psycopg2.OperationalError)
