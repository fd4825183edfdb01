"""Statements over connections that run one at a time: results, refusals, and what becomes of them."""

from __future__ import annotations

import datetime
import decimal
import os
import signal
import time
from collections.abc import Iterator

import psycopg2
import psycopg2.extensions
import pytest
from psycopg2 import errors, sql
from psycopg2.extras import Json

from skitai.errors import CallCancelled, CallsQueueFull, NetworkTimeout, ResolveError, ResponseTooLarge
from skitai.was._postgres import pool
from tests.postgres import Postgres
from tests.was.postgres.asking import Asking, asking, eventually


@pytest.fixture
def db(postgres: Postgres) -> Iterator[Asking]:
    with asking(postgres, db_connections_max=4) as world:
        yield world


# -- results --------------------------------------------------------------------------------------


def test_rows_with_their_description(db: Asking) -> None:
    rows = db.ask("SELECT 1 AS one, 'x' AS letter UNION ALL SELECT 2, NULL ORDER BY 1")
    assert rows.error is None
    assert rows.rows == [(1, "x"), (2, None)]
    assert [column.name for column in rows.description or ()] == ["one", "letter"]
    assert rows.rowcount == 2
    assert 0 < rows.elapsed < 5


def test_statements_without_rows(db: Asking) -> None:
    made = db.ask("CREATE TABLE t (i int)")
    assert (made.error, made.rows, made.description) == (None, (), None)
    assert db.ask("INSERT INTO t VALUES (1), (2), (3)").rowcount == 3
    assert db.ask("UPDATE t SET i = i + 1 WHERE i > %s", (1,)).rowcount == 2
    assert db.give("DELETE FROM t RETURNING i") == [(1,), (3,), (4,)]
    assert db.ask("SELECT * FROM t").rows == []
    db.give("DROP TABLE t")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        42,
        2**60,
        1.5,
        decimal.Decimal("1.10"),
        'it\'s \\ "quoted" €\U0001f600',
        datetime.date(2026, 11, 23),
        datetime.datetime(2026, 11, 23, 12, 30, 1, 5),
        [1, 2, None],
        ["a,b", 'c"d'],
    ],
    ids=repr,
)
def test_values_there_and_back(db: Asking, value: object) -> None:
    assert db.give("SELECT %s", (value,)) == [(value,)]


def test_parameters_by_name_json_bytes_and_composed(db: Asking) -> None:
    assert db.give("SELECT %(a)s + %(b)s", {"a": 1, "b": 2}) == [(3,)]
    assert db.give("SELECT %s::jsonb", (Json({"a": [1]}),)) == [({"a": [1]},)]
    (found,) = db.give("SELECT %s", (b"\x00\xff",))
    assert bytes(found[0]) == b"\x00\xff"
    composed = sql.SQL("SELECT {} AS {}").format(sql.Literal("x"), sql.Identifier('a "b"'))
    assert db.ask(composed).description[0].name == 'a "b"'  # type: ignore[index]


def test_registered_casters_apply(db: Asking) -> None:
    money = psycopg2.extensions.new_type((790,), "MONEY", lambda text, cursor: text and f"<{text}>")
    psycopg2.extensions.register_type(money)
    try:
        assert db.give("SELECT 12.5::money") == [("<$12.50>",)]
    finally:
        del psycopg2.extensions.string_types[790]


def test_a_caster_that_fails_fails_its_statement_alone(db: Asking) -> None:
    def fail(text: str, cursor: object) -> None:
        raise RuntimeError("no such money")

    money = psycopg2.extensions.new_type((790,), "MONEY", fail)
    psycopg2.extensions.register_type(money)
    try:
        assert isinstance(db.ask("SELECT 1::money").error, RuntimeError)
    finally:
        del psycopg2.extensions.string_types[790]
    assert db.give("SELECT 1") == [(1,)]


def test_long_statements_and_many_rows(db: Asking) -> None:
    text = "x" * 3_000_000
    assert db.give("SELECT length(%s)", (text,)) == [(3_000_000,)]
    assert db.give("SELECT %s", (text,)) == [(text,)]
    assert db.give("SELECT generate_series(1, 12345)") == [(number,) for number in range(1, 12346)]


def test_the_last_of_several_statements_counts(db: Asking) -> None:
    assert db.give("SELECT 1; SELECT 2", may_change_session=True) == [(2,)]


# -- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "params", "kind"),
    [
        ("SELEC 1", None, errors.SyntaxError),
        ("SELECT 1/0", None, errors.DivisionByZero),
        ("SELECT * FROM nowhere", None, errors.UndefinedTable),
        ("SELECT %s", (), IndexError),
        ("SELECT %s", (object(),), psycopg2.ProgrammingError),
        ("SELECT %(a)s", {"b": 1}, KeyError),
        ("SELECT %s", ("a\0b",), ValueError),
        ("", None, psycopg2.ProgrammingError),
        (7, None, TypeError),
        ("COPY (SELECT 1) TO STDOUT", None, psycopg2.ProgrammingError),
    ],
)
def test_what_is_refused_fails_alone(db: Asking, text: object, params: object, kind: type) -> None:
    before = db.begin("SELECT pg_sleep(0.05), 1")
    rows = db.ask(text, params)
    assert isinstance(rows.error, kind)
    assert before.rows().rows == [("", 1)]
    assert db.give("SELECT 2") == [(2,)]


# -- clocks -----------------------------------------------------------------------------------------


def test_a_timeout_ends_the_statement_on_the_server(postgres: Postgres, db: Asking) -> None:
    rows = db.ask("SELECT pg_sleep(30), 'late'", seconds=0.3)
    assert isinstance(rows.error, NetworkTimeout)
    assert rows.error.limit == "timeout"
    assert 0.25 < rows.elapsed < 5
    eventually(lambda: postgres.running("'late'") == 0)
    # The same connection goes on.
    assert db.give("SELECT 1") == [(1,)]
    assert db.state()["made"] == 1


def test_who_cancels_is_told_at_once(postgres: Postgres, db: Asking) -> None:
    asked = db.begin("SELECT pg_sleep(30), 'unwanted'")
    eventually(lambda: postgres.running("'unwanted'") == 1)
    asked.handle.cancel()
    assert isinstance(asked.rows(5).error, CallCancelled)
    eventually(lambda: postgres.running("'unwanted'") == 0)


def test_a_cancel_never_hits_the_next_statement(db: Asking) -> None:
    for number in range(60):
        asked = db.begin("SELECT pg_sleep(0.002)")
        time.sleep(0.0005 * (number % 8))
        asked.handle.cancel()
        for _ in range(6):
            assert db.give("SELECT 1") == [(1,)]


def test_who_waits_for_a_connection_has_a_deadline(postgres: Postgres, db: Asking) -> None:
    busy = [db.begin("SELECT pg_sleep(1), 'busy'") for _ in range(4)]
    eventually(lambda: postgres.running("'busy'") == 4)
    late = db.ask("SELECT 1", seconds=0.1)
    assert isinstance(late.error, NetworkTimeout)
    assert late.has_not_run
    assert postgres.running("'busy'") == 4
    assert [asked.rows().error for asked in busy] == [None] * 4


def test_more_may_be_given_time(db: Asking) -> None:
    asked = db.begin("SELECT pg_sleep(0.5)", seconds=0.2)
    asked.handle.extend(time.monotonic() + 5)
    assert asked.rows().error is None


# -- connections ------------------------------------------------------------------------------------


def test_there_are_never_more_than_the_most(postgres: Postgres, db: Asking) -> None:
    asked = [db.begin("SELECT pg_sleep(0.01), %s", (number,)) for number in range(200)]
    seen = 0
    while any(not each._done.done for each in asked):
        seen = max(seen, postgres.connected_to())
        time.sleep(0.001)
    assert [each.rows().rows[0][1] for each in asked] == list(range(200))
    assert 1 <= seen <= 4
    assert db.state()["made"] == 4


def test_the_first_who_came_is_the_first_who_is_served(postgres: Postgres) -> None:
    with asking(postgres, db_connections_max=1) as db:
        asked = [db.begin("SELECT clock_timestamp()") for _ in range(20)]
        times = [each.rows().rows[0][0] for each in asked]
        assert times == sorted(times)


def test_a_queue_that_is_full(postgres: Postgres) -> None:
    with asking(postgres, db_connections_max=1, db_queue_max=2) as db:
        asked = [db.begin("SELECT pg_sleep(0.2)") for _ in range(3)]
        eventually(lambda: db.client.waiting >= 1)
        found = [each.rows().error for each in asked] + [db.ask("SELECT 1").error]
        assert [type(error) for error in found] == [type(None), type(None), CallsQueueFull, type(None)]


def test_what_was_left_in_the_session_is_gone(postgres: Postgres) -> None:
    with asking(postgres, db_connections_max=1) as db:
        db.give("SET application_name = 'left'", may_change_session=True)
        db.give("CREATE TEMPORARY TABLE left_there (i int)", may_change_session=True)
        db.give("BEGIN", may_change_session=True)
        assert db.give("SELECT current_setting('application_name'), to_regclass('left_there')") == [
            ("skitai", None)
        ]
        eventually(lambda: postgres.sessions() == ["idle"])  # those of other tests have left
        assert db.state()["made"] == 1


def test_idle_connections_are_closed(postgres: Postgres) -> None:
    with asking(postgres, db_keep_alive=0.2, db_connections_min=1) as db:
        for asked in [db.begin("SELECT pg_sleep(0.05)") for _ in range(4)]:
            assert asked.rows().error is None
        eventually(lambda: len(postgres.sessions()) == 1)
        time.sleep(0.4)
        assert postgres.connected_to() == 1


def test_a_server_that_is_not_there(postgres: Postgres) -> None:
    with asking(postgres) as db:
        db.database = db.database._replace(dsn="host=127.0.0.1 port=1 dbname=x")
        first = db.ask("SELECT 1")
        assert isinstance(first.error, psycopg2.OperationalError)
        assert "refused" in str(first.error)
        assert first.has_not_run
        # For a moment nobody tries, and whoever asks is told why.
        assert str(db.ask("SELECT 1").error) == str(first.error)


def test_a_name_that_there_is_not(postgres: Postgres) -> None:
    with asking(postgres) as db:
        db.database = db.database._replace(dsn="host=nowhere.invalid dbname=x")
        assert isinstance(db.ask("SELECT 1").error, ResolveError)


def test_a_password_that_is_wrong_is_not_shown(postgres: Postgres) -> None:
    with asking(postgres) as db:
        dsn = postgres.dsn.replace("password=password", "password=hunter2")
        db.database = db.database._replace(dsn=dsn)
        error = db.ask("SELECT 1").error
        assert isinstance(error, psycopg2.OperationalError)
        assert "password authentication failed" in str(error)
        assert "hunter2" not in f"{error!r} {db.database!r} {db.client.snapshot()}"


def test_a_server_that_does_not_answer(postgres: Postgres) -> None:
    with asking(postgres) as db:
        postgres.freeze()
        try:
            began = time.monotonic()
            error = db.ask("SELECT 1", seconds=0.5).error
            assert isinstance(error, NetworkTimeout)
            assert time.monotonic() - began < 5
        finally:
            postgres.thaw()


def test_a_unix_socket_a_name_and_several_hosts(postgres: Postgres) -> None:
    with asking(postgres) as db:
        tail = f"dbname=mydb user=postgres password=password port={postgres.port}"
        for hosts in (postgres.socket_folder, "localhost", f"127.0.0.1,{postgres.socket_folder}"):
            db.database = db.database._replace(dsn=f"host={hosts} {tail}")
            assert db.give("SELECT 1") == [(1,)], hosts
        db.database = db.database._replace(
            dsn=f"postgresql://postgres:password@localhost:{postgres.port}/mydb"
        )
        assert db.give("SELECT 1") == [(1,)]


def test_the_server_is_restarted(postgres: Postgres) -> None:
    with asking(postgres, db_connections_max=3) as db:
        assert db.give("SELECT 1") == [(1,)]
        hit = [db.begin("SELECT pg_sleep(30)") for _ in range(3)]
        eventually(lambda: postgres.running("pg_sleep") == 3)
        postgres.kill()
        assert all(isinstance(asked.rows().error, psycopg2.OperationalError) for asked in hit)
        assert isinstance(db.ask("SELECT 1").error, psycopg2.OperationalError)
        postgres.start()
        eventually(lambda: db.ask("SELECT 1").error is None)


def test_an_idle_connection_that_the_server_ends_is_noticed(postgres: Postgres, db: Asking) -> None:
    assert db.give("SELECT 1") == [(1,)]
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'mydb' "
        "AND pid <> pg_backend_pid()"
    )
    eventually(lambda: db.state()["lost"] == 1)
    assert db.give("SELECT 1") == [(1,)]


def test_one_that_was_idle_for_long_is_asked_first(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_TRUSTED", 0.3)
    monkeypatch.setattr(pool, "_PATIENCE", 0.8)
    with asking(postgres, db_connections_max=1) as db:
        ((pid,),) = db.give("SELECT pg_backend_pid()")
        time.sleep(0.4)
        assert db.give("SELECT pg_backend_pid()") == [(pid,)]
        time.sleep(0.4)
        os.kill(pid, signal.SIGSTOP)
        try:
            # It does not answer: another one is made, and serves.
            assert db.give("SELECT pg_backend_pid()") != [(pid,)]
        finally:
            os.kill(pid, signal.SIGCONT)


def test_the_server_has_no_connections_left(postgres: Postgres) -> None:
    postgres.stop()
    postgres.start(max_connections=6)
    try:
        with asking(postgres, db_connections_max=20) as db:
            asked = [db.begin("SELECT pg_sleep(0.02), %s", (number,)) for number in range(60)]
            assert [each.rows().error for each in asked] == [None] * 60
    finally:
        postgres.stop()
        postgres.start()


# -- size -------------------------------------------------------------------------------------------


def test_more_rows_than_are_wanted(db: Asking) -> None:
    error = db.ask("SELECT generate_series(1, 11)", rows_max=10).error
    assert isinstance(error, ResponseTooLarge)
    assert "rows_max" in str(error)
    assert len(db.give("SELECT generate_series(1, 10)", rows_max=10)) == 10


@pytest.mark.parametrize(
    "text",
    [
        "SELECT repeat('x', 1000) FROM generate_series(1, 200000)",
        "SELECT repeat('x', 10000000) || generate_series(1, 20)",
    ],
    ids=["many rows", "long values"],
)
@pytest.mark.parametrize("is_local", [False, True], ids=["tcp", "unix"])
def test_a_result_of_200_mb(postgres: Postgres, db: Asking, text: str, is_local: bool) -> None:
    if is_local:
        dsn = f"host={postgres.socket_folder} port={postgres.port} dbname=mydb user=postgres"
        db.database = db.database._replace(dsn=dsn)
    db.give("SELECT 1")
    before = _resident()
    rows = db.ask(text, seconds=60, response_max=16 << 20)
    assert isinstance(rows.error, ResponseTooLarge)
    assert "response_max" in str(rows.error)
    assert _peak() - before < 120 << 20
    eventually(lambda: postgres.running("repeat") == 0)
    assert db.give("SELECT 1") == [(1,)]


def _status(name: str) -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(name))


def _resident() -> int:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")
