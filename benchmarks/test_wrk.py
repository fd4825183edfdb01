"""What is asked of wrk, and what is read of its report."""

from __future__ import annotations

import pytest

from benchmarks.wrk import Load, command, milliseconds, read_report

REPORT = """\
Running 1s test @ http://127.0.0.1:5000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.07ms  153.42us   4.01ms   94.12%
    Req/Sec    59.44k     1.71k   61.33k    90.91%
  Latency Distribution
     50%  978.00us
     75%    1.10ms
     90%    1.25ms
     99%    1.02s{pad}
  65012 requests in 1.10s, 7.94MB read
Requests/sec:  59116.22
Transfer/sec:      7.22MB
""".replace("{pad}", " ")  # as wrk pads its seconds


def test_reads_a_report() -> None:
    report = read_report(REPORT)
    assert (report.requests, report.rate) == (65012, 59116.22)
    assert report.latency == {"50": 0.978, "75": 1.1, "90": 1.25, "99": 1020.0, "max": 4.01}


@pytest.mark.parametrize(
    "line",
    [
        "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
        "  Non-2xx or 3xx responses: 65012\n",
    ],
)
def test_a_slice_with_errors_does_not_count(line: str) -> None:
    with pytest.raises(ValueError, match=line.strip()):
        read_report(REPORT.replace("Requests/sec", line + "Requests/sec"))


def test_a_slice_without_requests_does_not_count() -> None:
    with pytest.raises(ValueError, match="no requests"):
        read_report("  0 requests in 1.10s, 0.00B read\nRequests/sec:      0.00\n")


def test_a_report_without_latencies_does_not_count() -> None:
    with pytest.raises(ValueError, match="no 90%"):
        read_report(REPORT.replace("90%  ", ""))


@pytest.mark.parametrize(
    ("text", "expected"), [("500.00us", 0.5), ("4.01ms", 4.01), ("1.20s", 1200.0), ("2.00m", 120_000.0)]
)
def test_times_have_units(text: str, expected: float) -> None:
    assert milliseconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["-nan%", "12", "1.0 ms"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        milliseconds(text)


def test_a_load_is_a_command_of_bounded_time() -> None:
    load = Load("/1k.bin", 8, "post.lua", ("Connection: close",))
    words = command(load, "http://127.0.0.1:5000", 2, core=1)
    assert words[:8] == ["taskset", "--cpu-list", "1", "wrk", "-t1", "-c8", "-d2s", "--latency"]
    assert words[8] == "-s"
    assert words[9].endswith("/load/post.lua")
    assert words[10:] == ["-H", "Connection: close", "http://127.0.0.1:5000/1k.bin"]
