"""The load: one wrk with one thread, pinned to a core, for whole seconds; and its report.

A load is bounded three times: by wrk's duration, by the number of its connections, and by
a timeout that ends wrk should it hang.

wrk sends the next request of a connection when the answer to the last has come: latencies
are those of a server under full load with that many clients waiting.  wrk 4 then corrects
for the requests that nobody sent meanwhile ("coordinated omission"): for each latency over
twice the average it adds shorter ones.  So they are for comparing servers, not for promises.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

__all__ = ["LATENCIES", "Load", "Report", "command", "drive", "read_report"]

SCRIPTS = Path(__file__).with_name("load")
GRACE = 30
# Seconds by which a load beside is longer at both ends.
LEAD = 1
PERCENTILES = ("50", "75", "90", "99")
LATENCIES = (*PERCENTILES, "max")
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0}


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk sends.  ``script`` is a file of ``load/``, ``headers`` are lines of a head."""

    path: str = "/"
    connections: int = 64
    script: str | None = None
    headers: tuple[str, ...] = ()
    batched: bool = False
    """``script`` sends several requests at once"""
    other: tuple[str, float] | None = None
    """a path that is asked for with this probability instead, by benchmarks/chance.py in place of wrk;
    the latencies are those of ``path``"""
    fetches: int = 0
    """the server asks another one so many times for each answer: it is asked once, and these are counted"""
    echoes: int = 0
    """in place of wrk ``load/echoes.c`` sends WebSocket texts of so many bytes, each when the last is back"""
    beside: Load | None = None
    """sent meanwhile by a second wrk on the same core; the report is without it"""


@dataclass(frozen=True, slots=True)
class Report:
    """Answers, answers per second, and milliseconds by those of `LATENCIES` that are known."""

    requests: int
    rate: float
    latency: dict[str, float]


def command(load: Load, url: str, seconds: int, core: int) -> list[str]:
    """The command line; ``url`` ends with the port."""
    words = f"taskset --cpu-list {core} wrk -t1 -c{load.connections} -d{seconds}s --latency".split()
    if load.script is not None:
        words += ["-s", str(SCRIPTS / load.script)]
    for header in load.headers:
        words += ["-H", header]
    return [*words, url + load.path]


def drive(load: Load, url: str, seconds: int, core: int) -> Report:
    """Load for so many seconds; ValueError if not every answer was good."""
    if load.beside is None:
        return _drive_alone(load, url, seconds, core)
    # It begins before and ends behind the load that is measured.
    around = subprocess.Popen(
        command(load.beside, url, seconds + 2 * LEAD, core), text=True, stdout=subprocess.PIPE
    )
    try:
        time.sleep(LEAD)
        report = _drive_alone(replace(load, beside=None), url, seconds, core)
        read_report(around.communicate(timeout=GRACE)[0])
        return report
    except subprocess.TimeoutExpired:
        raise ValueError(f"the wrk beside did not end within {GRACE} s") from None
    finally:
        around.kill()
        around.wait()


def _drive_by_chance(load: Load, url: str, seconds: int, core: int) -> Report:
    assert load.other is not None
    path, share = load.other
    words = (
        f"taskset --cpu-list {core} {sys.executable} -m benchmarks.chance {url.partition('//')[2]}".split()
    )
    words += [str(seconds), str(load.connections), load.path, path, str(share)]
    try:
        run = subprocess.run(words, text=True, capture_output=True, timeout=seconds + GRACE)
    except subprocess.TimeoutExpired:
        raise ValueError(f"the client did not end within {seconds + GRACE} s") from None
    if run.returncode:
        raise ValueError(f"the client: {run.stderr.strip()[-200:]}")
    return Report(**json.loads(run.stdout))


def _drive_echoes(load: Load, url: str, seconds: int, core: int) -> Report:
    with tempfile.TemporaryDirectory(prefix="skitai-bench-") as folder:
        program = Path(folder) / "echoes"
        try:
            words = ["cc", "-O2", "-o", str(program), str(SCRIPTS / "echoes.c")]
            subprocess.run(words, check=True, capture_output=True, timeout=GRACE)
        except (OSError, subprocess.SubprocessError) as error:
            raise ValueError(f"the client is not to be compiled: {error}") from None
        words = f"taskset --cpu-list {core} {program} {url.rpartition(':')[2]} {load.path}".split()
        words += [str(load.connections), str(load.echoes), str(seconds)]
        try:
            run = subprocess.run(words, text=True, capture_output=True, timeout=seconds + GRACE)
        except subprocess.TimeoutExpired:
            raise ValueError(f"the client did not end within {seconds + GRACE} s") from None
    if run.returncode:
        raise ValueError(f"the client: {run.stderr.strip()[-200:]}")
    return Report(**json.loads(run.stdout))


def _drive_fetching(load: Load, url: str) -> Report:
    connection = http.client.HTTPConnection(url.partition("//")[2], timeout=GRACE)
    begun = time.perf_counter()
    try:
        connection.request("GET", load.path)
        answer = connection.getresponse()
        answer.read()
    except (http.client.HTTPException, OSError) as error:
        raise ValueError(f"no answer: {error!r}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise ValueError(f"{answer.status} {answer.reason}")
    return Report(load.fetches, load.fetches / (time.perf_counter() - begun), {})


def _drive_alone(load: Load, url: str, seconds: int, core: int) -> Report:
    if load.fetches:
        return _drive_fetching(load, url)
    if load.echoes:
        return _drive_echoes(load, url, seconds, core)
    if load.other is not None:
        return _drive_by_chance(load, url, seconds, core)
    try:
        run = subprocess.run(
            command(load, url, seconds, core), text=True, capture_output=True, timeout=seconds + GRACE
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"wrk did not end within {seconds + GRACE} s") from None
    if run.returncode:
        raise ValueError(f"wrk ended with {run.returncode}: {(run.stderr or run.stdout).strip()[-200:]}")
    report = read_report(run.stdout)
    if not load.batched:
        return report
    # wrk times the batch, but corrects by the average of single requests: percentiles of
    # 0 come out, or of latencies that never were.
    return replace(report, latency={"max": report.latency["max"]})


def read_report(report: str) -> Report:
    """What wrk printed; ValueError if anything went wrong, because a server that refuses is quick."""
    wrong = re.search(r"Socket errors: .*|Non-2xx or 3xx responses: .*", report)
    requests = re.search(r"(\d+) requests in ", report)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", report)
    if wrong or not requests or not rate or requests[1] == "0":
        raise ValueError(f"wrk: {wrong[0]}" if wrong else f"wrk: no requests in {report!r}")
    latency = {}
    for percentile in PERCENTILES:
        found = re.search(rf"^\s+{percentile}%\s+(\S+) *$", report, re.MULTILINE)
        if not found:
            raise ValueError(f"wrk: no {percentile}% in its latencies: {report!r}")
        latency[percentile] = milliseconds(found[1])
    # Of a thread's statistics: average, deviation, maximum.
    found = re.search(r"^\s+Latency\s+\S+\s+\S+\s+(\S+)", report, re.MULTILINE)
    if not found:
        raise ValueError(f"wrk: no maximum of latencies: {report!r}")
    latency["max"] = milliseconds(found[1])
    return Report(int(requests[1]), float(rate[1]), latency)


def milliseconds(text: str) -> float:
    """A time as wrk writes it: ``678.02us``, ``1.07ms``, ``1.20s``, ``2.00m``."""
    found = re.fullmatch(r"([\d.]+)(us|ms|s|m|h)", text)
    if not found:
        raise ValueError(f"wrk: {text!r} is no time")
    return float(found[1]) * _MILLISECONDS[found[2]]
