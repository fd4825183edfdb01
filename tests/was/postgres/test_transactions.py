"""Transactions: what is done is done as a whole or not at all, and none is left open."""

# ruff: noqa: PT012  what is tested is how a block ends

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from skitai import _waiting, was
from skitai.errors import ClientDisconnected, NetworkTimeout
from tests.postgres import Postgres
from tests.was.postgres.asking import eventually
from tests.was.postgres.handlers import providing


@pytest.fixture
def db(monkeypatch: pytest.MonkeyPatch, postgres: Postgres) -> Iterator[Any]:
    sections = f"[@mydb]\ntype = postgresql\nmembers = {postgres.member}, 127.0.0.1:1/a/b/c\n"
    postgres.execute("CREATE TABLE kept (i int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    try:
        with providing(monkeypatch, sections, db_connections_max=2):
            yield lambda **options: was.db(postgres.dsn, **options)
            eventually(lambda: not any("transaction" in state for state in postgres.sessions()))
    finally:
        postgres.execute("DROP TABLE kept")


def kept(postgres: Postgres) -> list[int]:
    return [number for (number,) in postgres.execute("SELECT i FROM kept ORDER BY i")]


def test_it_is_committed(db: Any, postgres: Postgres) -> None:
    with db().begin() as tx:
        tx.execute("INSERT INTO kept VALUES (1)")
        assert tx.execute("SELECT i FROM kept").getwait(2).rows == [(1,)]
        assert kept(postgres) == []
        tx.execute("INSERT INTO kept VALUES (%s)", (2,))
    assert kept(postgres) == [1, 2]


def test_an_exception_rolls_it_back(db: Any, postgres: Postgres) -> None:
    with pytest.raises(LookupError), db().begin() as tx:
        tx.execute("INSERT INTO kept VALUES (1)")
        raise LookupError
    assert kept(postgres) == []


def test_a_statement_that_fails_unseen_is_raised_at_the_end(db: Any, postgres: Postgres) -> None:
    with pytest.raises(errors.DivisionByZero), db().begin() as tx:
        tx.execute("INSERT INTO kept VALUES (1)")
        tx.execute("SELECT 1/0")
        tx.execute("INSERT INTO kept VALUES (2)")
    with pytest.raises(IndexError), db().begin() as tx:
        tx.execute("INSERT INTO kept VALUES (3)")
        tx.execute("INSERT INTO kept VALUES (%s)", ())  # which has never left
    assert kept(postgres) == []


def test_a_failure_that_was_seen_is_not_committed_either(db: Any, postgres: Postgres) -> None:
    with pytest.raises(errors.DivisionByZero), db().begin() as tx:
        tx.execute("INSERT INTO kept VALUES (1)")
        assert tx.execute("SELECT 1/0").getwait(2).status == 2
    assert kept(postgres) == []


def test_savepoints(db: Any, postgres: Postgres) -> None:
    with db().begin() as tx:
        tx.execute("INSERT INTO kept VALUES (1)")
        tx.execute("SAVEPOINT before")
        assert tx.execute("SELECT 1/0").getwait(2).status == 2
        tx.execute("ROLLBACK TO before")
        tx.execute("INSERT INTO kept VALUES (2)")
    assert kept(postgres) == [1, 2]


def test_what_the_server_finds_at_the_end_is_raised(db: Any, postgres: Postgres) -> None:
    with pytest.raises(errors.UniqueViolation), db().begin() as tx:
        tx.execute("INSERT INTO kept VALUES (1)")
        tx.execute("INSERT INTO kept VALUES (1)")
    assert kept(postgres) == []


def test_it_ends_before_its_block(db: Any, postgres: Postgres) -> None:
    with db().begin() as tx:
        tx.execute("INSERT INTO kept VALUES (1)")
        tx.commit()
        with pytest.raises(RuntimeError, match="in its block only"):
            tx.execute("SELECT 1")
    with db().begin() as tx:
        tx.execute("INSERT INTO kept VALUES (2)")
        tx.rollback()
    assert kept(postgres) == [1]
    with pytest.raises(RuntimeError, match="begins once"), tx:
        pass


def test_its_words(db: Any, postgres: Postgres) -> None:
    with db().begin("serializable", read_only=True, deferrable=True) as tx:
        assert tx.execute("SHOW transaction_isolation").getwait(2).rows == [("serializable",)]
        assert tx.execute("SHOW transaction_deferrable").getwait(2).rows == [("on",)]
    with pytest.raises(errors.ReadOnlySqlTransaction), db().begin(read_only=True) as tx:
        tx.execute("INSERT INTO kept VALUES (1)")
    with pytest.raises(ValueError, match="isolation is one of serializable, "):
        db().begin("snapshot")
    with pytest.raises(ValueError, match="deferrable wants"):
        db().begin(deferrable=True)
    with pytest.raises(TypeError, match="no transaction in common"):
        was.db.map("@mydb").begin()


def test_others_run_beside_it(db: Any, postgres: Postgres) -> None:
    with db().begin() as tx:
        tx.execute("INSERT INTO kept VALUES (1)").getwait(2)
        assert db().execute("SELECT count(*) AS n FROM kept").getwait(2).data == [{"n": 0}]
        with db().begin() as other:
            other.execute("INSERT INTO kept VALUES (2)")
    assert kept(postgres) == [1, 2]


def test_a_member_that_is_not_there_is_passed_over(db: Any, postgres: Postgres) -> None:
    for number in range(8):
        with was.db("@mydb").begin() as tx:
            tx.execute("INSERT INTO kept VALUES (%s)", (number,))
    assert kept(postgres) == list(range(8))


def test_one_that_cannot_begin_says_why(db: Any) -> None:
    with pytest.raises(psycopg2.OperationalError), was.db("127.0.0.1:1", "a", "b", "c").begin():
        pass
    with db().begin(), db().begin(), pytest.raises(NetworkTimeout), db(timeout=0.2).begin():
        pass


def test_it_does_not_outlast_its_time(db: Any, postgres: Postgres) -> None:
    with pytest.raises(NetworkTimeout, match="was rolled back"), db().begin(timeout=0.2) as tx:
        tx.execute("INSERT INTO kept VALUES (1)").getwait(2)
        time.sleep(0.4)
        assert postgres.sessions().count("idle in transaction") == 0
        tx.execute("INSERT INTO kept VALUES (2)").getwait(2)
    assert kept(postgres) == []


def test_it_does_not_outlast_its_request(db: Any, postgres: Postgres) -> None:
    token = was.activate({"skitai.response_timeout": 0.3})
    try:
        with pytest.raises(NetworkTimeout), db().begin() as tx:
            tx.execute("INSERT INTO kept VALUES (1)").getwait(2)
            tx.execute("SELECT pg_sleep(30), 'in time'")
    finally:
        was.deactivate(token)
    eventually(lambda: postgres.running("'in time'") == 0)
    assert kept(postgres) == []


def test_a_client_that_goes_rolls_it_back(db: Any, postgres: Postgres) -> None:
    class Gone:
        loss: ClientDisconnected | None = None

    request = Gone()

    def handle() -> None:
        _waiting.REQUEST.set(request)
        token = was.activate({})
        try:
            with db().begin() as tx:
                tx.execute("INSERT INTO kept VALUES (1)").getwait(2)
                request.loss = ClientDisconnected("the client has gone")
                tx.execute("SELECT pg_sleep(30), 'for whom'").getwait(20)
        finally:
            was.deactivate(token)

    with pytest.raises(ClientDisconnected):
        contextvars.copy_context().run(handle)
    eventually(lambda: postgres.running("'for whom'") == 0)
    assert kept(postgres) == []


def test_one_statement_too_late_and_nothing_is_committed(db: Any, postgres: Postgres) -> None:
    with pytest.raises(NetworkTimeout, match="no complete answer"), db().begin() as tx:
        tx.execute("INSERT INTO kept VALUES (1)")
        assert tx.execute("SELECT pg_sleep(30)").getwait(0.1).status == 1
    assert kept(postgres) == []


def test_a_connection_that_breaks(db: Any, postgres: Postgres) -> None:
    with pytest.raises(psycopg2.OperationalError), db().begin() as tx:
        tx.execute("INSERT INTO kept VALUES (1)").getwait(2)
        postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT%'")
        assert tx.execute("INSERT INTO kept VALUES (2)").getwait(2).status == 2
    assert kept(postgres) == []
    assert db().execute("SELECT 1").getwait(2).rows == [(1,)]


def test_one_that_is_forgotten_is_rolled_back(db: Any, postgres: Postgres) -> None:
    tx = db().begin().__enter__()
    tx.execute("INSERT INTO kept VALUES (1)").getwait(2)
    assert postgres.sessions().count("idle in transaction") == 1
    del tx
    eventually(lambda: postgres.sessions().count("idle in transaction") == 0)
    assert kept(postgres) == []


def test_in_coroutines(db: Any, postgres: Postgres) -> None:
    async def handler() -> None:
        async with db().begin() as tx:
            tx.execute("INSERT INTO kept VALUES (1)")
            assert (await tx.execute("SELECT count(*) FROM kept")).rows == [(1,)]
        with pytest.raises(LookupError):
            async with db().begin() as tx:
                tx.execute("INSERT INTO kept VALUES (2)")
                raise LookupError
        with pytest.raises(errors.DivisionByZero):
            async with db().begin() as tx:
                tx.execute("INSERT INTO kept VALUES (3)")
                tx.execute("SELECT 1/0")

    asyncio.run(handler())
    assert kept(postgres) == [1]


def test_many_at_once(db: Any, postgres: Postgres) -> None:
    def work(number: int) -> None:
        for step in range(5):
            with db().begin() as tx:
                tx.execute("INSERT INTO kept VALUES (%s)", (number * 10 + step,))
                if step % 2:
                    tx.rollback()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(kept(postgres)) == 24
