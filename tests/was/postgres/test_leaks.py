"""What is over leaves nothing behind: no memory, no connections, no threads, no descriptors."""

from __future__ import annotations

import gc
import os
import threading
import tracemalloc

import pytest

from tests.postgres import Postgres
from tests.was.postgres.asking import Asking, asking, eventually


def work(db: Asking, count: int) -> None:
    """So many statements, of all kinds, forty at a time."""
    for start in range(0, count, 40):
        asked = [
            db.begin(
                "SELECT 1/0" if number % 10 == 3 else "SELECT %s, repeat('x', 100)",
                None if number % 10 == 3 else (number,),
                may_change_session=number % 20 == 5,
            )
            for number in range(start, start + 40)
        ]
        if start % 400 == 0:
            late = db.begin("SELECT pg_sleep(30)", seconds=0.01)
            late.rows()
        for each in asked:
            each.rows()


@pytest.mark.parametrize(
    "count", [2000, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]
)
def test_many_statements_leave_nothing(postgres: Postgres, count: int) -> None:
    with asking(postgres, db_connections_max=4) as db:
        work(db, 800)  # what is loaded and learnt once
        gc.collect()
        tracemalloc.start()
        try:
            work(db, 400)
            gc.collect()
            before, descriptors = tracemalloc.get_traced_memory()[0], len(os.listdir("/proc/self/fd"))
            work(db, count)
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert grown < 200_000, f"{grown / count:.0f} bytes for each statement"
        assert len(os.listdir("/proc/self/fd")) <= descriptors + 2
        eventually(lambda: len(postgres.sessions()) <= 4)  # one that makes room may end a moment later
        assert db.client.waiting == 0
        assert db.client.snapshot()["statements"] == 0
    eventually(lambda: not any(thread.name.startswith("skitai-db") for thread in threading.enumerate()))
    eventually(lambda: not postgres.sessions())
