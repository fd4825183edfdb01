"""Skitai beside other WSGI servers: ``python -m benchmarks.compare [--rounds N]``.

On a shared machine requests per second drift by a third within minutes, so a figure of
one server is worth nothing and two figures taken one after the other hardly more.  Here a
round gives each server one second, in random order, and only the two figures of one
round are divided; what drifts slowly falls out of the ratio.  The median ratio and its
quartiles are the result.  The CPU time per request is steadier still, because it does not
count the time for which the machine ran something else.  (A server against itself gave
1.00 [0.92-1.08] in ten rounds, on two cores that others used too.)

Server and load are pinned to a core each.  A slice with an error or an answer other than
2xx ends the run: a server that refuses is quick.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.servers import COMMANDS, Server, running

SERVER_CORE = 0
LOAD_CORE = 1
CONNECTIONS = 64
OURS = "skitai"


@dataclass(frozen=True, slots=True)
class Slice:
    """One second of one server: requests per second, CPU microseconds per request."""

    rate: float
    cpu: float


def read_wrk(report: str) -> tuple[int, float]:
    """Requests and requests per second of a report of wrk; ValueError if any went wrong."""
    wrong = re.search(r"Socket errors: .*|Non-2xx or 3xx responses: .*", report)
    requests = re.search(r"(\d+) requests in ", report)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", report)
    if wrong or not requests or not rate or requests[1] == "0":
        raise ValueError(wrong[0] if wrong else f"no requests in: {report!r}")
    return int(requests[1]), float(rate[1])


def measure(server: Server, seconds: int) -> Slice:
    before = server.cpu_seconds()
    load = subprocess.run(
        f"taskset --cpu-list {LOAD_CORE} wrk -t1 -c{CONNECTIONS} -d{seconds}s {server.url}".split(),
        text=True,
        capture_output=True,
        timeout=seconds + 30,
        check=True,
    )
    try:
        requests, rate = read_wrk(load.stdout)
    except ValueError as error:
        raise SystemExit(f"{server.name} did not answer properly: {error}") from None
    return Slice(rate, (server.cpu_seconds() - before) * 1e6 / requests)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median, third quartile; of a single value itself thrice."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    first, median, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, median, third


def paired(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Quartiles of ours divided by theirs, round by round."""
    return quartiles([mine / its for mine, its in zip(ours, theirs, strict=True)])


def report(slices: dict[str, list[Slice]]) -> str:
    """A table; ratios above 1 are in our favour in both columns."""
    lines = [f"{'':10} {'requests/s':>11} {'us CPU each':>12}   ratio of requests/s    ratio of CPU"]
    mine = slices[OURS]
    for name, its in slices.items():
        rate = statistics.median(part.rate for part in its)
        cpu = statistics.median(part.cpu for part in its)
        line = f"{name:10} {rate:11,.0f} {cpu:12.1f}"
        if name != OURS:
            rates = paired([part.rate for part in mine], [part.rate for part in its])
            cpus = paired([part.cpu for part in its], [part.cpu for part in mine])
            for first, median, third in (rates, cpus):
                line += f"   {median:5.2f} [{first:.2f}-{third:.2f}]"
        lines.append(line)
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare", description="Skitai beside other servers."
    )
    parser.add_argument("--rounds", type=int, default=20, help="at least 20 for a claim (default: 20)")
    parser.add_argument("--seconds", type=int, default=1, help="of one slice (default: 1)")
    peers = [name for name in COMMANDS if name != OURS]
    parser.add_argument("--peers", nargs="*", choices=peers, default=peers)
    options = parser.parse_args(arguments)
    for program in ("wrk", "taskset"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is missing (Debian: apt-get install wrk util-linux)")
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        raise SystemExit(
            f"needs the cores {SERVER_CORE} and {LOAD_CORE}, one for the server, one for the load"
        )

    print(f"hello, {CONNECTIONS} keep-alive connections; {options.rounds} rounds of {options.seconds} s each")
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}", flush=True)
    slices: dict[str, list[Slice]] = {name: [] for name in [OURS, *options.peers]}
    with running(list(slices), SERVER_CORE) as servers:
        for server in servers:
            measure(server, options.seconds)  # warm: caches, threads, lazy imports
        for _ in range(options.rounds):
            for server in random.sample(servers, len(servers)):
                slices[server.name].append(measure(server, options.seconds))
    print(report(slices))


if __name__ == "__main__":
    main()
