"""Statements that are one transaction because nobody can tell: when they are, and what of it anybody sees."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg2 import errors

from skitai.errors import CallCancelled, NetworkTimeout, ResponseTooLarge
from skitai.was._postgres.sharing import Sharing
from tests.postgres import Postgres
from tests.was.postgres.asking import Asked, Asking, asking, eventually
from tests.was.postgres.sharing import AllBrief, SharesAll

#: Takes as long as its value is large; with 1 it is brief.
COUNT = "SELECT count(*) / 100 FROM generate_series(1, %s) AS a, generate_series(1, 100) AS b"
LONG = 1_000_000


@pytest.fixture
def db(postgres: Postgres) -> Iterator[Asking]:
    """One connection, and nobody is too slow for it, nor for companions."""
    with asking(postgres, db_connections_max=1) as world:
        world.client.sharing = AllBrief()
        assert world.give("SELECT 1") == [(1,)]
        yield world


@contextmanager
def at_once(db: Asking) -> Iterator[None]:
    """What is asked within leaves together."""
    is_held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        is_held.set()
        go_on.wait(10)

    db.loop.call_soon(hold)
    assert is_held.wait(10)
    try:
        yield
    finally:
        go_on.set()


def asked_at_once(db: Asking, sql: str, values: list[Any], **options: Any) -> list[Asked]:
    with at_once(db):
        return [db.begin(sql, (value,), **options) for value in values]


def transactions(asked: list[Asked]) -> int:
    """By the times of their beginning, which are the first columns."""
    return len({one.rows().rows[0][0] for one in asked})


def test_companions_are_one_transaction(db: Asking) -> None:
    asked = asked_at_once(db, "SELECT now(), %s", list(range(40)))
    assert [one.rows().rows[0][1] for one in asked] == list(range(40))
    assert transactions(asked) == 3  # of 16, 16 and 8


def test_other_texts_between_them_do_not_part_them(db: Asking) -> None:
    texts = ["SELECT now(), %s", "SELECT now(), %s, 'other'"]
    with at_once(db):
        asked = [db.begin(texts[number % 2], (number,)) for number in range(20)]
    assert [one.rows().rows[0][1] for one in asked] == list(range(20))
    assert transactions(asked) == 2
    assert transactions(asked[::2]) == transactions(asked[1::2]) == 1


def test_what_writes_has_no_companions(postgres: Postgres, db: Asking) -> None:
    postgres.execute("CREATE TABLE notes (i int)")
    try:
        asked = asked_at_once(db, "INSERT INTO notes VALUES (%s) RETURNING xmin::text", list(range(20)))
        assert transactions(asked) == 20
    finally:
        postgres.execute("DROP TABLE notes")


def test_a_function_that_nobody_knows_has_no_companions(postgres: Postgres, db: Asking) -> None:
    asked = asked_at_once(db, "SELECT clock_timestamp(), txid_current(), %s", list(range(20)))
    assert len({one.rows().rows[0][1] for one in asked}) == 20


def test_what_is_quick_but_not_brief_has_no_companions(postgres: Postgres) -> None:
    text = "SELECT now(), count(*) FROM generate_series(1, %s)"
    with asking(postgres, db_connections_max=1) as db:
        db.client.sharing = SharesAll()
        db.give("SELECT 1")  # how long the way is
        for _ in range(3):
            db.give(text, (100_000,))
        with at_once(db):
            asked = [db.begin(text, (100_000,)) for _ in range(5)]
        assert transactions(asked) == 5


def test_what_was_seen_to_be_brief_has_companions(postgres: Postgres) -> None:
    with asking(postgres, db_connections_max=1) as db:
        db.client.sharing = Sharing()

        def once() -> bool:
            asked = asked_at_once(db, "SELECT now(), %s", list(range(16)))
            return transactions(asked) == 1

        eventually(once)


def test_what_fails_fails_alone_and_the_others_are_asked_again(db: Asking) -> None:
    values = [1, 2, 0, 3, 0, 0, 6]
    asked = asked_at_once(db, "SELECT 6 / %s", values)
    for value, one in zip(values, asked, strict=True):
        if value:
            assert one.rows().rows == [(6 // value,)]
        else:
            assert isinstance(one.rows().error, errors.DivisionByZero)
    assert db.give("SELECT 1") == [(1,)]


def test_what_python_refuses_fails_alone(db: Asking) -> None:
    asked = asked_at_once(db, "SELECT %s", [1, object(), 3])
    assert [one.rows().error is None for one in asked] == [True, False, True]


def test_one_that_is_slow_and_given_up(postgres: Postgres, db: Asking) -> None:
    """The server is told, and its companions get their rows: those before it, and those behind it."""
    asked = asked_at_once(db, COUNT, [1, 2, LONG, 3, 4], seconds=30)
    eventually(lambda: postgres.running("count") == 1)
    asked[2].handle.cancel()
    assert isinstance(asked[2].rows(0.5).error, CallCancelled)
    eventually(lambda: postgres.running("count") == 0)
    assert [asked[place].rows().rows for place in (0, 1, 3, 4)] == [[(1,)], [(2,)], [(3,)], [(4,)]]
    assert db.state()["made"] == 1


def test_one_that_is_given_up_where_another_one_is_slow(postgres: Postgres, db: Asking) -> None:
    """Nobody knows which of the two it is that runs; the slow one is run again, and nobody sees it."""
    asked = asked_at_once(db, COUNT, [1, 50_000, 3, 4], seconds=30)
    asked[2].handle.cancel()
    assert isinstance(asked[2].rows(1.0).error, CallCancelled)
    assert [asked[place].rows(20).rows for place in (0, 1, 3)] == [[(1,)], [(50_000,)], [(4,)]]


def test_all_of_them_are_too_late(postgres: Postgres, db: Asking) -> None:
    asked = asked_at_once(db, COUNT, [1, LONG, LONG, LONG], seconds=0.3)
    assert all(isinstance(one.rows().error, NetworkTimeout) for one in asked)
    eventually(lambda: postgres.running("count") == 0)
    assert db.give("SELECT 1") == [(1,)]


def test_a_result_of_too_many_rows_and_one_of_too_many_bytes(db: Asking) -> None:
    text = "SELECT repeat('x', 1000) FROM generate_series(1, %s)"
    asked = asked_at_once(db, text, [1, 20, 2], rows_max=10)
    assert [len(one.rows().rows) for one in asked] == [1, 0, 2]
    assert isinstance(asked[1].rows().error, ResponseTooLarge)
    asked = asked_at_once(db, text, [1, 60_000, 2], response_max=8 << 20)
    assert len(asked[0].rows().rows) == 1
    assert isinstance(asked[1].rows().error, (ResponseTooLarge, CallCancelled))


def test_the_last_word_of_a_server(postgres: Postgres, db: Asking) -> None:
    """Those before the one that ran have their rows; those behind it are asked again."""
    asked = asked_at_once(db, COUNT, [1, 2, LONG, 3, 4], seconds=30)
    eventually(lambda: postgres.running("count") == 1)
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = 'mydb' AND pid <> pg_backend_pid()"
    )
    assert isinstance(asked[2].rows().error, errors.AdminShutdown)
    assert [asked[place].rows().rows for place in (0, 1, 3, 4)] == [[(1,)], [(2,)], [(3,)], [(4,)]]
    assert db.state()["lost"] == 1
