"""One connection for many statements: giving up, losing it, and what of it reaches a neighbour."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2 import errors

from skitai.errors import CallCancelled, NetworkTimeout, ResponseTooLarge
from skitai.was._postgres.libpq import libpq
from skitai.was._postgres.sharing import Sharing
from tests.postgres import Postgres
from tests.was.postgres.asking import Asked, Asking, asking, eventually
from tests.was.postgres.sharing import SharesAll


@pytest.fixture
def db(postgres: Postgres) -> Iterator[Asking]:
    """One connection, and nobody is too slow for it."""
    with asking(postgres, db_connections_max=1) as world:
        world.client.sharing = SharesAll()
        assert world.give("SELECT 1") == [(1,)]
        yield world


def given(asked: list[Asked]) -> list[object]:
    return [(one.rows().error or one.rows().rows[0][-1]) for one in asked]


def others(postgres: Postgres, function: str) -> None:
    """Call it for all sessions but the test's own."""
    postgres.execute(
        f"SELECT {function}(pid) FROM pg_stat_activity WHERE datname = 'mydb' AND pid <> pg_backend_pid()"
    )


def cancel_all(postgres: Postgres) -> None:
    others(postgres, "pg_cancel_backend")


def test_answers_come_in_order_over_one_connection(postgres: Postgres, db: Asking) -> None:
    asked = [db.begin("SELECT pg_backend_pid(), %s", (number,)) for number in range(500)]
    rows = [one.rows().rows[0] for one in asked]
    assert [number for _, number in rows] == list(range(500))
    assert len({process for process, _ in rows}) == 1
    assert db.state()["made"] == 1


def test_what_fails_fails_alone(db: Asking) -> None:
    asked = [db.begin("SELECT 6 / %s", (number % 3,)) for number in range(60)]
    for number, one in enumerate(asked):
        if number % 3:
            assert one.rows().rows == [(6 // (number % 3),)]
        else:
            assert isinstance(one.rows().error, errors.DivisionByZero)


def test_each_is_a_transaction_of_its_own(postgres: Postgres, db: Asking) -> None:
    postgres.execute("CREATE TABLE numbers (i int UNIQUE)")
    try:
        asked = [db.begin("INSERT INTO numbers VALUES (%s)", (number // 2,)) for number in range(20)]
        assert [one.rows().error is None for one in asked] == [True, False] * 10
        assert postgres.execute("SELECT count(*) FROM numbers") == [(10,)]
    finally:
        postgres.execute("DROP TABLE numbers")


def test_more_than_the_socket_takes_at_once(db: Asking) -> None:
    text = "x" * 500_000
    asked = [db.begin("SELECT %s || %s", (text, number)) for number in range(60)]
    for number, one in enumerate(asked):
        assert one.rows().rows == [(f"{text}{number}",)]


# -- giving up ------------------------------------------------------------------------------------


def test_the_head_that_is_given_up_ends_on_the_server(postgres: Postgres, db: Asking) -> None:
    rows = db.ask("SELECT pg_sleep(30), 'late'", seconds=0.2)
    assert isinstance(rows.error, NetworkTimeout)
    eventually(lambda: postgres.running("'late'") == 0)
    assert db.give("SELECT 1") == [(1,)]
    assert db.state()["made"] == 1


def test_those_behind_it_get_their_answers(db: Asking) -> None:
    head = db.begin("SELECT pg_sleep(30)")
    behind = [db.begin("SELECT %s", (number,)) for number in range(20)]
    time.sleep(0.1)
    head.handle.cancel()
    assert isinstance(head.rows(5).error, CallCancelled)
    assert given(behind) == list(range(20))
    assert db.state()["made"] == 1


def test_many_that_nobody_waits_for(postgres: Postgres, db: Asking) -> None:
    asked = [db.begin("SELECT pg_sleep(30), 'lost'") for _ in range(5)]
    last = db.begin("SELECT 'last'")
    time.sleep(0.1)
    for one in asked:
        one.handle.cancel()
    assert all(isinstance(one.rows(5).error, CallCancelled) for one in asked)
    assert given([last]) == ["last"]
    assert postgres.running("'lost'") == 0


def test_one_that_waits_behind_others_is_given_up_and_they_are_not(db: Asking) -> None:
    first = db.begin("SELECT pg_sleep(1), 'first'")
    second = db.begin("SELECT 'second'")
    third = db.begin("SELECT 'third'")
    time.sleep(0.05)
    second.handle.cancel()
    assert isinstance(second.rows(0.6).error, CallCancelled)
    assert given([first, third]) == ["first", "third"]
    assert db.client.canceller.count == 0


def test_what_ends_by_itself_in_a_moment_is_not_cancelled(db: Asking) -> None:
    for number in range(50):
        one = db.begin("SELECT pg_sleep(0.001)")
        time.sleep(0.001)
        one.handle.cancel()
        assert db.give("SELECT %s", (number,)) == [(number,)]
    # A machine that has much else to do may be slow once.
    assert db.client.canceller.count <= 5


def test_a_cancel_that_hits_a_neighbour(postgres: Postgres, db: Asking) -> None:
    """What only reads is asked again, and nobody sees it; what may do more fails, for it may have."""
    postgres.execute("CREATE SEQUENCE steps")
    try:
        reading = "SELECT count(*), 'read' FROM generate_series(1, 5000000)"
        head = db.begin("SELECT pg_sleep(30)")
        neighbours = [
            db.begin(text, seconds=60) for text in (reading, "SELECT nextval('steps'), pg_sleep(30)")
        ]
        time.sleep(0.1)
        head.handle.cancel()
        eventually(lambda: db.client.canceller.count == 1)
        for part in ("'read'", "nextval"):
            eventually(lambda part=part: postgres.running(part) == 1)
            # As if the one for the head had come late.
            cancel_all(postgres)
        assert isinstance(neighbours[1].rows().error, errors.QueryCanceled)
        assert neighbours[0].rows(60).rows[0][1] == "read"
        assert db.give("SELECT nextval('steps')") == [(2,)]
    finally:
        postgres.execute("DROP SEQUENCE steps")


def test_a_cancel_of_somebody_else_is_an_error_like_others(postgres: Postgres, db: Asking) -> None:
    one = db.begin("SELECT pg_sleep(30), 'theirs'")
    eventually(lambda: postgres.running("'theirs'") == 1)
    cancel_all(postgres)
    assert isinstance(one.rows().error, errors.QueryCanceled)


def test_a_server_that_does_not_end_a_statement_loses_the_connection(postgres: Postgres, db: Asking) -> None:
    one = db.begin("SELECT pg_sleep(30)")
    behind = db.begin("SELECT 1")
    time.sleep(0.1)
    postgres.freeze()
    try:
        one.handle.cancel()
        assert isinstance(behind.rows(5).error, CallCancelled)
    finally:
        postgres.thaw()
    assert db.give("SELECT 1") == [(1,)]


# -- losing it ------------------------------------------------------------------------------------


def test_the_last_word_of_a_server(postgres: Postgres, db: Asking) -> None:
    """The head may have run; the server has not looked at those behind it, and they are asked again."""
    head = db.begin("SELECT pg_sleep(30), 'head'")
    behind = [db.begin("SELECT %s", (number,)) for number in range(5)]
    eventually(lambda: postgres.running("'head'") == 1)
    others(postgres, "pg_terminate_backend")
    rows = head.rows()
    assert isinstance(rows.error, errors.AdminShutdown)
    assert not rows.has_not_run
    assert given(behind) == list(range(5))
    assert db.state()["lost"] == 1


def test_a_server_that_is_gone_without_a_word(postgres: Postgres, db: Asking) -> None:
    """Nobody knows how far it came: all that was sent fails, and nothing of it is asked again."""
    postgres.execute("CREATE TABLE done (i int)")
    postgres.execute("CHECKPOINT")  # the tests' server does not wait for its disk
    try:
        asked = [
            db.begin("INSERT INTO done SELECT %s FROM pg_sleep(0.05)", (number,)) for number in range(20)
        ]
        assert asked[2].rows().error is None
        ((process,),) = postgres.execute(
            "SELECT pid FROM pg_stat_activity WHERE query LIKE 'INSERT INTO done%'"
        )
        os.kill(process, signal.SIGKILL)
        failed = [one.rows().error for one in asked if one.rows().error is not None]
        assert len(failed) > 10
        assert all(isinstance(error, psycopg2.OperationalError) for error in failed)
        assert len({id(error) for error in failed}) == len(failed)
        eventually(lambda: db.ask("SELECT 1").error is None)
        numbers = [number for (number,) in db.give("SELECT i FROM done ORDER BY i")]
        assert numbers == list(range(len(numbers)))
    finally:
        postgres.execute("DROP TABLE done")


def test_an_idle_connection_that_ends_is_noticed(postgres: Postgres, db: Asking) -> None:
    others(postgres, "pg_terminate_backend")
    eventually(lambda: db.state()["lost"] == 1)
    assert db.give("SELECT 1") == [(1,)]


def test_the_server_is_restarted_in_mid_load(postgres: Postgres) -> None:
    with asking(postgres, db_connections_max=4) as db:
        db.client.sharing = SharesAll()
        answered = failed = 0
        for turn in range(30):
            asked = [db.begin("SELECT %s", (number,)) for number in range(40)]
            if turn == 10:
                postgres.kill()
                postgres.start()
                eventually(lambda: db.ask("SELECT 1").error is None)
            for number, one in enumerate(asked):
                rows = one.rows()
                if rows.error is None:
                    assert rows.rows == [(number,)]
                    answered += 1
                else:
                    assert isinstance(rows.error, psycopg2.OperationalError)
                    failed += 1
        assert failed <= 40
        assert answered >= 40 * 29


# -- size -----------------------------------------------------------------------------------------


def test_more_rows_than_are_wanted(db: Asking) -> None:
    asked = [db.begin("SELECT generate_series(1, %s)", (count,), rows_max=10) for count in (10, 11, 1)]
    assert [len(one.rows().rows) for one in asked] == [10, 0, 1]
    assert isinstance(asked[1].rows().error, ResponseTooLarge)


def test_a_long_result_is_given_up_and_its_neighbours_are_not(postgres: Postgres, db: Asking) -> None:
    long = db.begin("SELECT repeat('x', 1000) FROM generate_series(1, 200000)", response_max=1 << 20)
    behind = [db.begin("SELECT %s", (number,)) for number in range(5)]
    assert isinstance(long.rows().error, ResponseTooLarge)
    found = [one.rows().error for one in behind]
    # Where the server is quick, memory comes first: the connection ends.
    assert found == [None] * 5 or all(isinstance(error, CallCancelled) for error in found)
    eventually(lambda: postgres.running("repeat") == 0)
    assert db.give("SELECT 1") == [(1,)]


# -- paces ------------------------------------------------------------------------------------------


def test_a_statement_shares_once_it_was_seen_to_be_quick(postgres: Postgres) -> None:
    if not libpq().keeps_step:
        pytest.skip("what calls a function may write, which has a connection of its own with this libpq")
    with asking(postgres, db_connections_max=4) as db:
        db.client.sharing = Sharing()
        text = "SELECT pg_sleep(%s), pg_backend_pid()"
        assert db.ask(text, (0,)).error is None
        assert db.state()["shared"] == 0
        assert db.ask(text, (0,)).error is None
        assert db.state()["shared"] == 1
        # A slow one is found out, and stays away.
        assert db.ask(text, (0.1,)).error is None
        slow = [db.begin(text, (0.2,)) for _ in range(3)]
        while any(not one.is_over for one in slow):
            assert db.state()["on shared"] == 0
            time.sleep(0.01)
        assert all(one.rows().error is None for one in slow)


# -- leaks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rounds", [60, pytest.param(1600, marks=pytest.mark.soak)])
def test_nothing_is_left_of_statements(db: Asking, rounds: int) -> None:
    def some(count: int) -> None:
        for _ in range(count):
            asked = [db.begin("SELECT %s, 1 / %s", ("x" * 500, number % 2)) for number in range(64)]
            assert sum(one.rows().error is None for one in asked) == 32

    some(20)
    gc.collect()
    before, objects = resident(), len(gc.get_objects())
    some(rounds)
    gc.collect()
    assert len(gc.get_objects()) - objects < 500
    assert resident() - before < 3 << 20


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
