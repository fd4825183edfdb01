"""LISTEN and NOTIFY: who listens hears, as long as he listens, and knows when there may be a gap."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from skitai import was
from tests.postgres import Postgres
from tests.was.postgres.asking import eventually
from tests.was.postgres.handlers import providing


@pytest.fixture
def db(monkeypatch: pytest.MonkeyPatch, postgres: Postgres) -> Iterator[Any]:
    sections = (
        f"[@mydb]\ntype = postgresql\nmembers = {postgres.member}\n"
        f"[@two]\ntype = postgresql\nmembers = {postgres.member}, {postgres.dsn}\n"
    )
    with providing(monkeypatch, sections, db_connections_max=2):
        yield lambda: was.db("@mydb")


def notify(postgres: Postgres, channel: str, payload: str = "") -> None:
    postgres.execute("SELECT pg_notify(%s, %s)", (channel, payload))


def unused() -> int:
    """Connections that nobody has for himself."""
    (found,) = was.status("DB", fancy=False)["DB"]["databases"]
    return int(found["idle"] + found["shared"])


def test_what_is_sent_is_heard(db: Any, postgres: Postgres) -> None:
    with db().listen("jobs") as notices:
        notify(postgres, "jobs", "one")
        notify(postgres, "others", "not for us")
        notify(postgres, "jobs", "two")
        first, second = notices.getwait(2), notices.getwait(2)
        assert (first.channel, first.payload, second.payload) == ("jobs", "one", "two")
        assert first.pid > 0
        assert notices.getwait(0.1) is None
        assert (notices.gaps, notices.dropped) == (0, 0)


def test_many_listen_over_one_connection(db: Any, postgres: Postgres) -> None:
    names = ["a", "b", 'it\'s "quoted" %s', "ä" * 31]
    with db().listen(names[0]) as one, db().listen(names[1]) as two, db().listen(names[0]) as three:
        with db().listen(names[2]) as four, db().listen(names[3]) as five:
            for name in names:
                notify(postgres, name, name)
            heard = [notices.getwait(2).payload for notices in (one, two, three, four, five)]
            assert heard == [names[0], names[1], names[0], names[2], names[3]]
        eventually(lambda: len(postgres.sessions()) == 1)  # who has notified may not have left yet
        assert db().execute("SELECT 1").getwait(2).status == 3
    eventually(lambda: unused() == 2)
    assert db().execute("SELECT count(*) AS n FROM pg_listening_channels()").getwait(2).data == [{"n": 0}]


def test_a_loop_over_them_and_a_function(db: Any, postgres: Postgres) -> None:
    heard: list[Any] = []
    came = threading.Event()

    def take(notice: Any) -> None:
        heard.append(notice.payload)
        came.set()

    with db().listen("jobs", take), db().listen("jobs") as notices:
        notify(postgres, "jobs", "x")
        for notice in notices:
            assert notice.payload == "x"
            break
        assert came.wait(2)
    assert heard == ["x"]


def test_a_connection_that_breaks_leaves_a_gap(db: Any, postgres: Postgres) -> None:
    with db().listen("jobs") as notices:
        postgres.kill()
        eventually(lambda: notices.gaps == 1)
        postgres.start()
        eventually(lambda: "idle" in postgres.sessions(), 5)
        notify(postgres, "jobs", "again")
        assert notices.getwait(5).payload == "again"
        assert notices.gaps == 1


def test_in_coroutines(db: Any, postgres: Postgres) -> None:
    async def handler() -> list[str]:
        heard = []
        async with db().listen("jobs") as notices:
            notify(postgres, "jobs", "one")
            notify(postgres, "jobs", "two")
            async for notice in notices:
                heard.append(notice.payload)
                if len(heard) == 2:
                    return heard
        raise AssertionError("it ended by itself")

    assert asyncio.run(handler()) == ["one", "two"]


def test_where_nobody_can_listen(db: Any) -> None:
    with pytest.raises(psycopg2.OperationalError), was.db("127.0.0.1:1", "a", "b", "c").listen("jobs"):
        pass
    for name in ("", "x" * 64, "a\0b", 7):
        with pytest.raises(ValueError, match="a channel has a name of 1 to 63 bytes"):
            db().listen(name)
    with pytest.raises(ValueError, match="@two has 2 members, and each tells only"):
        was.db("@two").listen("jobs")
