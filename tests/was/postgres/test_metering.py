"""Over a Unix socket libpq gets a long answer piece by piece, so that its bytes can be counted: nothing of
it, and nothing of what is asked beside it, is lost or comes twice."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from skitai.errors import NetworkTimeout, ResponseTooLarge
from tests.postgres import Postgres
from tests.was.postgres.asking import Asking, asking, eventually
from tests.was.postgres.sharing import SharesAll

#: 3 MB in values of 1.5 MB, and in rows of 1 kB.
LONG_VALUES = "SELECT repeat(chr(96 + i), 1500000) FROM generate_series(1, 2) i"
MANY_ROWS = "SELECT i, repeat('x', 1000) FROM generate_series(1, 3000) i"


@pytest.fixture(params=["exclusive", "pipelined"])
def db(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[Asking]:
    with asking(postgres, db_connections_max=1) as world:
        dsn = f"host={postgres.socket_folder} port={postgres.port} dbname=mydb user=postgres"
        world.database = world.database._replace(dsn=dsn)
        if request.param == "pipelined":
            world.client.sharing = SharesAll()
        assert world.give("SELECT 1") == [(1,)]
        yield world


def test_long_answers_and_those_behind_them_are_whole(db: Asking) -> None:
    asked = []
    for number in range(6):
        asked.append((db.begin(LONG_VALUES), [("a" * 1_500_000,), ("b" * 1_500_000,)]))
        asked.append((db.begin("SELECT %s", (number,)), [(number,)]))
        asked.append((db.begin(MANY_ROWS), [(i, "x" * 1000) for i in range(1, 3001)]))
        asked.append((db.begin("SELECT %s", (-number,)), [(-number,)]))
    for one, expected in asked:
        rows = one.rows()
        assert rows.error is None
        assert list(rows.rows) == expected
    assert db.state()["made"] == 1


def test_a_long_statement_is_sent_behind_a_long_answer(db: Asking) -> None:
    """It waits until libpq has its own line again, on which alone it can leave."""
    for _ in range(3):
        answer = db.begin(LONG_VALUES)
        time.sleep(0.002)
        long = db.begin("SELECT length(%s)", ("y" * 2_000_000,))
        assert len(answer.rows().rows) == 2
        assert long.rows().rows == [(2_000_000,)]
    assert db.state()["made"] == 1


@pytest.mark.parametrize("text", [LONG_VALUES, MANY_ROWS], ids=["long values", "many rows"])
def test_the_bound_is_exact_to_a_piece(db: Asking, text: str) -> None:
    rows = db.ask(text, response_max=2_800_000)
    assert isinstance(rows.error, ResponseTooLarge)
    rows = db.ask(text, response_max=3_200_000)
    assert rows.error is None


def test_an_answer_that_is_given_up_in_its_midst(postgres: Postgres, db: Asking) -> None:
    text = "SELECT repeat('x', 100000), pg_sleep(0.01) FROM generate_series(1, 500) AS given_up"
    rows = db.ask(text, seconds=0.2)
    assert isinstance(rows.error, NetworkTimeout)
    eventually(lambda: postgres.running("given_up") == 0)
    assert db.give("SELECT 1") == [(1,)]


def test_a_server_that_goes_in_the_midst(postgres: Postgres, db: Asking) -> None:
    text = "SELECT repeat('x', 1000000), pg_sleep(0.05) FROM generate_series(1, 100) AS ended"
    asked = db.begin(text)
    eventually(lambda: postgres.running("ended") == 1)
    time.sleep(0.2)
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE '%AS ended%' AND pid <> pg_backend_pid()"
    )
    assert asked.rows().error is not None
    assert db.give("SELECT 1") == [(1,)]
    assert db.state()["made"] == 2
