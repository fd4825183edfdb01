"""Both kinds of connections in one pool: neither keeps the other out."""

from __future__ import annotations

import pytest

from tests.postgres import Postgres
from tests.was.postgres.asking import asking, eventually
from tests.was.postgres.sharing import SharesAll


@pytest.mark.parametrize("most", [1, 2, 3])
def test_all_are_served_in_the_end(postgres: Postgres, most: int) -> None:
    with asking(postgres, db_connections_max=most) as db:
        db.client.sharing = SharesAll()
        asked = []
        for number in range(240):
            alone = number % 3 == 0
            asked.append(db.begin("SELECT %s + 0", (number,), may_change_session=alone, seconds=20))
        assert [each.rows(20).rows for each in asked] == [[(number,)] for number in range(240)]
        # One that was closed to make room may take a moment to end.
        eventually(lambda: len(postgres.sessions()) <= most)


@pytest.mark.parametrize("most", [1, 2])
def test_who_wants_one_alone_gets_one_from_those_that_share(postgres: Postgres, most: int) -> None:
    with asking(postgres, db_connections_max=most) as db:
        db.client.sharing = SharesAll()
        for number in range(20):
            shared = [db.begin("SELECT %s + 0", (number,)) for _ in range(50)]
            alone = [db.begin("SELECT %s + 0", (number,), may_change_session=True) for _ in range(3)]
            assert all(each.rows().error is None for each in shared + alone)
