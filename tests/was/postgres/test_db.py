"""``was.db`` as handlers write it: one database, one of several, all of them."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from skitai import _waiting, was
from skitai.errors import CallCancelled, ClientDisconnected, NetworkTimeout
from skitai.was._services import Services
from tests.postgres import PASSWORD, USER, Postgres
from tests.was.postgres.asking import eventually
from tests.was.postgres.handlers import providing


@pytest.fixture
def told(
    monkeypatch: pytest.MonkeyPatch, postgres: Postgres, postgres_shards: list[Postgres]
) -> Iterator[list[str]]:
    members = ", ".join(shard.member for shard in postgres_shards)
    nobody = f"127.0.0.1:1/mydb/{USER}/{PASSWORD}"
    sections = (
        f"[@mydb]\ntype = postresql\nmembers = {members}\n"
        f"[@single]\ntype = postgresql\nmembers = {postgres.member}\n"
        f"[@half]\ntype = postgresql\nmembers = {nobody}, {postgres.member}\n"
        f"[@broken]\ntype = postgresql\nmembers = {members}, {nobody}\n"
        "[@search]\nmembers = 127.0.0.1:1\n"
    )
    with providing(monkeypatch, sections, db_connections_max=4) as told:
        yield told


def db(postgres: Postgres, **options: Any) -> Any:
    return was.db(postgres.address, "mydb", "postgres", "password", **options)


# -- one database -------------------------------------------------------------------------------------


def test_the_sample_of_the_readme(told: list[str], postgres: Postgres) -> None:
    s = was.db(postgres.address, "mydb", "postgres", "password")
    s.execute("SELECT 1 AS one, 'x' AS letter")
    result = s.getwait(2)
    assert (result.status, result.code, result.msg) == (3, 200, "OK")
    assert result.data == [{"one": 1, "letter": "x"}]
    assert result.data is result.data
    assert list(result) == result.data
    assert (result.rows, result.rowcount) == ([(1, "x")], 1)
    assert [column.name for column in result.description] == ["one", "letter"]
    assert result.node == ("127.0.0.1", postgres.port)
    assert result.error is None
    assert was.tojson(result.data) == '[{"one": 1, "letter": "x"}]'


def test_a_statement_without_rows_has_no_data(told: list[str], postgres: Postgres) -> None:
    s = db(postgres)
    s.execute("CREATE TABLE made (i int)")
    result = s.getwait(2)
    assert (result.status, result.data, result.description) == (3, [], None)
    assert s.execute("DROP TABLE made").getwait(2).status == 3


def test_what_is_refused_has_the_exception(told: list[str], postgres: Postgres) -> None:
    result = db(postgres).execute("SELECT 1/0").getwait(2)
    assert (result.status, result.code, result.data, result.rowcount) == (2, 501, [], -1)
    assert isinstance(result.error, errors.DivisionByZero)
    assert result.msg == "division by zero"
    with pytest.raises(errors.DivisionByZero):
        result.reraise()
    with pytest.raises(errors.DivisionByZero):
        result.json()


def test_what_is_late_is_given_up_here_and_there(told: list[str], postgres: Postgres) -> None:
    result = db(postgres).execute("SELECT pg_sleep(30), 'too late'").getwait(0.3)
    assert (result.status, result.code) == (1, 702)
    assert isinstance(result.error, NetworkTimeout)
    eventually(lambda: postgres.running("'too late'") == 0)


def test_the_time_of_a_call_is_counted_from_it(told: list[str], postgres: Postgres) -> None:
    result = db(postgres, timeout=0.2).execute("SELECT pg_sleep(30)").getwait(20)
    assert result.status == 1
    assert result.elapsed < 5


def test_what_is_given_up_is_not_done(told: list[str], postgres: Postgres) -> None:
    s = db(postgres).execute("SELECT pg_sleep(30), 'given up'")
    eventually(lambda: postgres.running("'given up'") == 1)
    s.cancel()
    assert s.getwait(1).status == 0
    assert isinstance(s.getwait(1).error, CallCancelled)
    eventually(lambda: postgres.running("'given up'") == 0)


def test_several_at_once_and_one_after_the_other(told: list[str], postgres: Postgres) -> None:
    calls = [db(postgres).execute("SELECT pg_sleep(0.4), %s AS n", (number,)) for number in range(3)]
    began = time.monotonic()
    assert [call.getwait(2).data[0]["n"] for call in calls] == [0, 1, 2]
    assert time.monotonic() - began < 1.2  # which it would be one after the other
    s = db(postgres)
    for number in range(3):
        s.execute("SELECT %s AS n", (number,))
        assert s.getwait(2).data == [{"n": number}]


def test_it_is_waited_for_in_other_ways(told: list[str], postgres: Postgres) -> None:
    s = db(postgres)
    s.execute("SELECT 1")
    assert s.wait(2)
    assert s.done
    assert [result.rows for result in s.getswait(2)] == [[(1,)]]
    assert [result.rows for result in s] == [[(1,)]]

    async def handler() -> Any:
        s = db(postgres)
        s.execute("SELECT 2")
        return (await s).rows, (await db(postgres).execute("SELECT 3")).rows

    assert asyncio.run(handler()) == ([(2,)], [(3,)])


def test_by_uri_and_by_dsn(told: list[str], postgres: Postgres) -> None:
    uri = f"postgresql://postgres:password@{postgres.address}/mydb"
    local = f"host={postgres.socket_folder} port={postgres.port} dbname=mydb user=postgres"
    for name in (uri, local, postgres.dsn):
        assert was.db(name).execute("SELECT 1").getwait(2).rows == [(1,)]
    folder = was.db(str(postgres.socket_folder), "mydb", "postgres")
    assert "no such file" in folder.execute("SELECT 1").getwait(2).msg.lower()  # on port 5432


def test_results_have_bounds(told: list[str], postgres: Postgres) -> None:
    result = db(postgres, rows_max=2).execute("SELECT generate_series(1, 3)").getwait(2)
    assert (result.status, result.code) == (2, 709)
    assert "3 rows, more than 2 (rows_max)" in result.msg


def test_calls_of_a_request_end_with_it(told: list[str], postgres: Postgres) -> None:
    """Whoever waits learns that nobody waits for him: all that he has asked for is given up."""

    class Gone:
        loss = ClientDisconnected("the client has gone")

    def handle() -> None:
        _waiting.REQUEST.set(Gone())
        token = was.activate({})
        try:
            other = db(postgres).execute("SELECT pg_sleep(30), 'orphan'")
            detached = db(postgres, detach=True).execute("SELECT pg_sleep(0.2), 'detached'")
            with pytest.raises(ClientDisconnected):
                db(postgres).execute("SELECT pg_sleep(30), 'orphan'").getwait(5)
            calls.extend((other, detached))
        finally:
            was.deactivate(token)

    calls: list[Any] = []
    contextvars.copy_context().run(handle)
    eventually(lambda: postgres.running("'orphan'") == 0)
    assert isinstance(calls[0].getwait(1).error, CallCancelled)
    assert calls[1].getwait(2).status == 3


def test_a_call_has_less_time_than_its_request(told: list[str], postgres: Postgres) -> None:
    token = was.activate({"skitai.response_timeout": 0.2})
    try:
        assert isinstance(was.current(), Services)
        result = db(postgres).execute("SELECT pg_sleep(30)").getwait(20)
    finally:
        was.deactivate(token)
    assert result.status == 1
    assert result.elapsed < 5


# -- clusters -----------------------------------------------------------------------------------------


def test_one_member_of_a_cluster(told: list[str], postgres: Postgres) -> None:
    for ask in (was.db, was.db.lb):
        result = ask("@single").execute("SELECT 1 AS one").getwait(2)
        assert (result.status, result.data) == (3, [{"one": 1}])
        assert result.node == ("127.0.0.1", postgres.port)


def test_all_members_in_their_order(told: list[str], postgres_shards: list[Postgres]) -> None:
    s = was.db.map("@mydb")
    s.execute("SELECT name FROM cities WHERE name > %s ORDER BY name", ("B",))
    results = s.getswait(timeout=2)
    names = [[row["name"] for row in result.data] for result in results if result.status == 3]
    assert names == [["Bonn"], ["Celle", "Dachau"], ["Emden", "Fulda"]]
    assert [result.node[1] for result in results] == [shard.port for shard in postgres_shards]
    assert sum(len(result.data) for result in was.db.map("@mydb").execute("SELECT * FROM cities")) == 6


def test_enough_members(told: list[str]) -> None:
    s = was.db.map("@broken")
    s.execute("SELECT count(*) AS n FROM cities")
    results = s.getswait(2)
    assert [result.status for result in results] == [3, 3, 3, 2]
    assert isinstance(results[3].error, psycopg2.OperationalError)
    s.execute("SELECT pg_sleep(CASE shard WHEN 1 THEN 30 ELSE 0 END), 'shard' FROM cities LIMIT 1")
    began = time.monotonic()
    results = s.getswait(5, need=2)
    assert [result.status for result in results][::2] == [3, 3]
    assert results[1].status == 0
    assert time.monotonic() - began < 2


def test_late_members_say_so(told: list[str]) -> None:
    s = was.db.map("@mydb")
    s.execute("SELECT pg_sleep(CASE shard WHEN 1 THEN 30 ELSE 0 END) FROM cities LIMIT 1")
    assert [result.status for result in s.getswait(0.5)] == [3, 1, 3]


def test_another_member_is_asked_when_there_is_no_connection(told: list[str]) -> None:
    for _ in range(10):
        result = was.db.lb("@half").execute("SELECT 1").getwait(2)
        assert (result.status, result.rows) == (3, [(1,)])


def test_what_the_server_refuses_is_not_asked_again(told: list[str]) -> None:
    result = was.db.lb("@mydb").execute("SELECT * FROM nowhere").getwait(2)
    assert isinstance(result.error, errors.UndefinedTable)
    eventually(lambda: sum(each["made"] for each in was.status("DB", fancy=False)["DB"]["databases"]) == 1)


def test_what_may_have_run_is_not_asked_again(told: list[str], postgres: Postgres) -> None:
    postgres.execute("CREATE TABLE runs (i int)")
    try:
        call = was.db.lb("@half").execute("INSERT INTO runs VALUES (1); SELECT pg_sleep(30)")
        eventually(lambda: postgres.running("INSERT INTO runs") == 1)
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO runs%'"
        )
        result = call.getwait(3)
        assert result.status == 2
        assert isinstance(result.error, psycopg2.OperationalError)
        assert postgres.running("INSERT INTO runs") == 0
    finally:
        postgres.execute("DROP TABLE runs")


def test_the_state_of_it_is_told(told: list[str], postgres: Postgres) -> None:
    db(postgres).execute("SELECT 1").getwait(2)
    eventually(lambda: was.status("DB", fancy=False)["DB"]["databases"][0]["idle"] == 1)
    (found,) = was.status("DB", fancy=False)["DB"]["databases"]
    assert found["database"] == postgres.address
    assert (found["made"], found["idle"], found["most"]) == (1, 1, 4)
    assert "password" not in was.status("DB")


# -- mistakes -----------------------------------------------------------------------------------------


def test_mistakes_are_refused_where_they_are_made(told: list[str], postgres: Postgres) -> None:
    with pytest.raises(ValueError, match=r"@search is a cluster of type http, which is asked by was.get"):
        was.db("@search")
    with pytest.raises(ValueError, match=r"@mydb is a cluster of type postgresql, which is asked by was.db"):
        was.get("@mydb/")
    with pytest.raises(ValueError, match="there is no cluster @nowhere; those there are: @mydb, "):
        was.db("@nowhere")
    with pytest.raises(TypeError, match="the members of @mydb say database, user and password"):
        was.db("@mydb", "mydb")
    with pytest.raises(TypeError, match=r"takes the address of a database or @name, not 7"):
        was.db(7)
    with pytest.raises(TypeError, match="address, database, user and password"):
        was.db("a", "b", "c", "d", "e")
    with pytest.raises(TypeError, match="nothing stands behind it"):
        was.db("postgresql://a/b", "c")
    with pytest.raises(ValueError, match="is no address of a database"):
        was.db("a:x", "b")
    with pytest.raises(ValueError, match="a cluster, as @name"):
        was.db.map("127.0.0.1:5432")
    with pytest.raises(TypeError, match=r"was.db has no argument 'timeuot'; it has timeout, "):
        db(postgres, timeuot=1)
    with pytest.raises(ValueError, match="rows_max is a number of rows"):
        db(postgres, rows_max="many")
    with pytest.raises(ValueError, match="cannot have a NUL"):
        db(postgres).execute("SELECT 1\0; DROP TABLE x")
    with pytest.raises(RuntimeError, match="nothing was asked"):
        db(postgres).getwait()
    with pytest.raises(ValueError, match="this is no database") as caught:
        was.db("host=a pasword=hunter2")
    assert "hunter2" not in str(caught.value)


def test_without_psycopg2_it_is_said_how_to_get_it() -> None:
    script = (
        "import sys; sys.modules['psycopg2'] = None\n"
        "from skitai import was\n"
        "try: was.db('127.0.0.1', 'a', 'b', 'c')\n"
        "except ImportError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "was.db needs psycopg2" in run.stdout
    assert "pip install 'skitai[pg]'" in run.stdout


def test_nothing_of_it_is_loaded_before_it_is_used() -> None:
    script = (
        "import sys\n"
        "from skitai import was\n"
        "was.prepare()\n"
        "assert not [name for name in sys.modules if 'psycopg2' in name or '_postgres' in name]\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# -- the end of the process ---------------------------------------------------------------------------


def test_statements_end_with_their_process(told: list[str], postgres: Postgres) -> None:
    s = db(postgres)
    s.execute("SELECT pg_sleep(20.25)")
    eventually(lambda: postgres.running("20.25") == 1)
    was.withdraw(5)
    result = s.getwait(10)
    assert result.status == 0
    assert isinstance(result.error, CallCancelled)
    # The server is not told, and would go on for others to see.
    postgres.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%(20.25)'")
    eventually(lambda: postgres.running("20.25") == 0)
