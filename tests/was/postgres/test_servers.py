"""The servers of the other tests: what they rely on."""

from __future__ import annotations

from tests.postgres import Postgres
from tests.was.postgres.asking import eventually


def test_it_is_asked_and_comes_back(postgres: Postgres) -> None:
    assert postgres.execute("SELECT 1 + %s", (1,)) == [(2,)]
    postgres.kill()
    postgres.start(max_connections=20)
    assert postgres.execute("SHOW max_connections") == [("20",)]
    postgres.stop()
    postgres.start()
    eventually(lambda: not postgres.sessions())


def test_shards_differ(postgres_shards: list[Postgres]) -> None:
    found = [shard.execute("SELECT name FROM cities ORDER BY name") for shard in postgres_shards]
    assert found == [[("Aachen",), ("Bonn",)], [("Celle",), ("Dachau",)], [("Emden",), ("Fulda",)]]
