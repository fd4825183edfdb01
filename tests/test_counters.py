"""The table of counters that processes share."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from skitai.counters import (
    BOUNDS,
    CLASSES,
    MONITOR,
    STATUSES,
    Count,
    CounterTable,
    Latency,
    MountSlots,
    count_status,
    histogram,
    observe,
    private_row,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")


def test_another_process_counts_in_its_row() -> None:
    table, descriptor = CounterTable.make()
    script = (
        "import sys; from skitai.counters import Count, CounterTable\n"
        "row = CounterTable(int(sys.argv[1])).row(int(sys.argv[2]))\n"
        "row[Count.REQUESTS] += 5\n"
        "row[Count.SERVER_ERRORS] += 1"
    )
    command = [sys.executable, "-c", script, str(descriptor), str(table.claim())]
    subprocess.run(command, pass_fds=[descriptor], check=True)
    os.close(descriptor)
    table.row(table.claim())[Count.REQUESTS] += 2
    assert table.totals() == {**dict.fromkeys(Count, 0), Count.REQUESTS: 7, Count.SERVER_ERRORS: 1}


def test_the_sums_of_a_worker_that_ended_stay() -> None:
    table, descriptor = CounterTable.make()
    os.close(descriptor)
    for worker in range(3):
        number = table.claim()
        row = table.row(number)
        row[Count.REQUESTS] += 10 + worker
        observe(row, Latency.APP, 0.2)
        count_status(row, 1, 404)
        before = table.sums()
        table.keep(number)
        assert table.sums() == before
        assert list(row) == [0] * len(row)
    assert table.totals()[Count.REQUESTS] == 33
    assert histogram(table.sums(), Latency.APP)[1] == pytest.approx(0.6)


def test_a_slot_holds_more_than_32_bits() -> None:
    table, descriptor = CounterTable.make()
    os.close(descriptor)
    table.own[Count.REQUESTS] = 2**63
    table.row(table.claim())[Count.REQUESTS] = 2**63 - 1
    assert table.totals()[Count.REQUESTS] == 2**64 - 1


def test_rows_do_not_touch_each_other() -> None:
    table, descriptor = CounterTable.make()
    os.close(descriptor)
    for count in Count:
        table.row(1)[count] = 1
    assert not any(table.row(0))
    assert not any(table.row(2))
    assert len(private_row()) == len(table.row(1)) > max(Count)


def test_columns_of_different_kinds_do_not_touch() -> None:
    row = private_row()
    for latency in Latency:
        observe(row, latency, 1000.0)
    count_status(row, MountSlots().of("h", "/beyond"), 999)
    assert not any(row[: Latency.QUEUE])
    assert sum(row[STATUSES:MONITOR]) == 1
    assert not any(row[MONITOR:])
    assert len(row) >= MONITOR + (MONITOR - STATUSES)
    for latency in Latency:
        counts, seconds = histogram(row, latency)
        assert counts == [0] * len(BOUNDS) + [1]
        assert seconds == 1000.0


def test_a_bucket_takes_its_bound_and_no_more() -> None:
    row = private_row()
    for bound in BOUNDS:
        observe(row, Latency.APP, bound)
        observe(row, Latency.APP, bound * 1.0001)
    counts, _ = histogram(row, Latency.APP)
    assert counts == [1] + [2] * (len(BOUNDS) - 1) + [1]


def test_time_that_runs_backwards_takes_nothing_away() -> None:
    row = private_row()
    observe(row, Latency.QUEUE, 1.0)
    observe(row, Latency.QUEUE, -5.0)
    assert histogram(row, Latency.QUEUE)[1] == 1.0


def test_mounts_keep_their_numbers_and_are_bounded() -> None:
    slots = MountSlots([("a", "/"), ("b", "/")])
    first = slots.of("b", "/")
    slots.add([("c", "/"), ("a", "/"), ("b", "/")])
    assert slots.of("b", "/") == first
    assert MountSlots(slots.known).of("c", "/") == slots.of("c", "/")
    slots.add([("many", f"/{number}") for number in range(1000)])
    assert len(slots.known) < 64
    row = private_row()
    count_status(row, slots.of("many", "/999"), 200)
    count_status(row, slots.of("b", "/"), 503)
    row[MONITOR + slots.of("b", "/") * CLASSES + 2] += 1
    found = slots.statuses(row)
    assert found["*", "*"] == [0, 0, 1, 0, 0, 0]
    assert found["b", "/"] == [0, 0, 1, 0, 0, 1]
    assert found["a", "/"] == [0] * CLASSES
