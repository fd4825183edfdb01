"""What is read of /proc: texts whose result is known, and this process itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from benchmarks.procfs import TICKS_PER_SECOND, Cpu, Snapshot, busy, foreign, memory, pss, snapshot, stat


def ticks(count: int) -> float:
    return count / TICKS_PER_SECOND


def test_stat_of_a_process_whose_name_looks_like_fields() -> None:
    text = "17 (a) R 1 (b) S 4 17 9 0 -1 4194304 1 2 3 4 70 30 5 2 20 0 1 0 100"
    assert stat(text) == (9, Cpu(ticks(75), ticks(32)))


def test_the_machine_is_busy_when_it_neither_idles_nor_waits() -> None:
    text = "cpu  10 20 30 1000 2000 40 50 60 5 5\ncpu0 5 10 15 500 1000 20 25 30 2 2\n"
    assert busy(text) == ticks(10 + 20 + 30 + 40 + 50 + 60)


def test_foreign_load_is_what_neither_servers_nor_harness_used() -> None:
    before = Snapshot(100.0, 50.0, 5.0, {7: Cpu(1.0, 1.0), 8: Cpu(0.5, 0.5), 9: Cpu(4.0, 0.0)})
    after = Snapshot(102.0, 53.0, 5.5, {7: Cpu(1.5, 1.5), 8: Cpu(0.5, 0.5), 9: Cpu(5.5, 0.0)})
    # 3 s of work in 2 s: 1 s of server 7, 0.5 s of wrk; 1.5 s remain for the stranger 9.
    assert foreign(before, after, [7, 8]) == pytest.approx(0.75)


def test_foreign_load_shows_its_own_error() -> None:
    # Ticks that were counted for the process, and not yet for the machine.
    before = Snapshot(1.0, 10.0, 0.0, {7: Cpu(1.0, 0.0)})
    after = Snapshot(2.0, 10.9, 0.0, {7: Cpu(2.0, 0.0)})
    assert foreign(before, after, [7]) == pytest.approx(-0.1)


def test_pss_is_not_rss() -> None:
    assert (
        pss("0000-ffff ---p 00000000 00:00 0 [rollup]\nRss:   4044 kB\nPss:    792 kB\nPss_Dirty: 5 kB\n")
        == 792
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /proc")
def test_cpu_time_and_memory_of_a_session_are_those_of_its_processes() -> None:
    # A child of a child, as a worker is; it has ended when the session is looked at.
    work = "import time\nwhile time.process_time() < 0.2: pass"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    code = f"{child}; print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        assert snapshot().sessions[process.pid].total >= 0.15
        assert 1 < memory(process.pid) < 200
        process.communicate(b"\n", timeout=10)
    assert process.pid not in snapshot().sessions


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /proc")
def test_a_snapshot_knows_the_harness() -> None:
    before = snapshot()
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    after = snapshot()
    assert after.at > before.at
    assert after.busy > before.busy
    assert after.harness - before.harness >= 0.05
    assert os.getsid(0) in after.sessions or os.getsid(0) == 0
