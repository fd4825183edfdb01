"""The table of counters that processes share."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from skitai.counters import ROWS, Count, CounterTable, private_row

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")


def test_another_process_counts_in_its_row() -> None:
    table, descriptor = CounterTable.make()
    script = (
        "import sys; from skitai.counters import Count, CounterTable\n"
        "row = CounterTable(int(sys.argv[1])).row(7)\n"
        "row[Count.REQUESTS] += 5\n"
        "row[Count.SERVER_ERRORS] += 1"
    )
    subprocess.run([sys.executable, "-c", script, str(descriptor)], pass_fds=[descriptor], check=True)
    os.close(descriptor)
    table.row(3)[Count.REQUESTS] += 2
    assert table.totals() == {**dict.fromkeys(Count, 0), Count.REQUESTS: 7, Count.SERVER_ERRORS: 1}


def test_the_sums_of_a_worker_that_ended_stay() -> None:
    table, descriptor = CounterTable.make()
    os.close(descriptor)
    for worker in range(3):
        row = table.row(ROWS - 1)
        row[Count.REQUESTS] += 10 + worker
        table.keep(ROWS - 1)
        assert list(row) == [0] * len(row)
    assert table.totals()[Count.REQUESTS] == 33


def test_a_slot_holds_more_than_32_bits() -> None:
    table, descriptor = CounterTable.make()
    os.close(descriptor)
    table.own[Count.REQUESTS] = 2**63
    table.row(1)[Count.REQUESTS] = 2**63 - 1
    assert table.totals()[Count.REQUESTS] == 2**64 - 1


def test_rows_do_not_touch_each_other() -> None:
    table, descriptor = CounterTable.make()
    os.close(descriptor)
    for count in Count:
        table.row(1)[count] = 1
    assert not any(table.row(0))
    assert not any(table.row(2))
    assert len(private_row()) == len(table.row(1)) > max(Count)
