"""The arithmetic of `compare`: what it reads from wrk and /proc, and what it makes of it."""

from __future__ import annotations

import os
import time

import pytest

from benchmarks.compare import Slice, paired, quartiles, read_wrk, report
from benchmarks.servers import group_cpu_seconds

REPORT = """\
Running 1s test @ http://127.0.0.1:5000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.07ms  153.42us   4.01ms   94.12%
    Req/Sec    59.44k     1.71k   61.33k    90.91%
  65012 requests in 1.10s, 7.94MB read
Requests/sec:  59116.22
Transfer/sec:      7.22MB
"""


def test_reads_a_report_of_wrk() -> None:
    assert read_wrk(REPORT) == (65012, 59116.22)


@pytest.mark.parametrize(
    "line",
    [
        "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
        "  Non-2xx or 3xx responses: 65012\n",
    ],
)
def test_a_slice_with_errors_does_not_count(line: str) -> None:
    with pytest.raises(ValueError, match=line.strip()):
        read_wrk(REPORT.replace("Requests/sec", line + "Requests/sec"))


def test_a_slice_without_requests_does_not_count() -> None:
    with pytest.raises(ValueError, match="no requests"):
        read_wrk("  0 requests in 1.10s, 0.00B read\nRequests/sec:      0.00\n")


def test_ratios_are_paired_by_round() -> None:
    # The machine got twice as slow after the first round; the ratio did not change.
    assert paired([200.0, 100.0, 100.0], [100.0, 50.0, 50.0]) == (2.0, 2.0, 2.0)


def test_quartiles_of_one_round_are_its_value() -> None:
    assert quartiles([3.0]) == (3.0, 3.0, 3.0)


def test_ratios_above_one_are_in_our_favour() -> None:
    table = report({"skitai": [Slice(3000.0, 100.0)], "other": [Slice(1000.0, 250.0)]})
    ours, other = table.splitlines()[1:]
    assert ours.split() == ["skitai", "3,000", "100.0"]
    assert other.split() == ["other", "1,000", "250.0", "3.00", "[3.00-3.00]", "2.50", "[2.50-2.50]"]


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="reads Linux's /proc")
def test_cpu_time_of_a_process_group_grows_with_work() -> None:
    before = group_cpu_seconds(os.getpgrp())
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    assert group_cpu_seconds(os.getpgrp()) - before >= 0.05
