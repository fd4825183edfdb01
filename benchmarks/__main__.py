"""``python -m benchmarks [SCENARIO ...]``: Skitai beside other servers.

docs/benchmarks.md says how to run it and how to read what it prints.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from benchmarks import machine, results
from benchmarks.process import ServerFailed
from benchmarks.results import Outcome, Run
from benchmarks.scenarios import PEERS, SCENARIOS, peer
from benchmarks.servers import SERVERS, version
from benchmarks.slices import measure
from benchmarks.table import heading, notice, table

RESULTS = Path(__file__).with_name("results")


def whole(most: int) -> Callable[[str], int]:
    """A type of arguments: 1 to ``most``, so that no load lasts for ever."""

    def convert(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {most}")
        return int(text)

    return convert


def scenario(text: str) -> str:
    if text not in SCENARIOS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(SCENARIOS)}")
    return text


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Skitai beside other servers.  Scenarios, by default all: "
        + "; ".join(f"{name} ({one.title})" for name, one in SCENARIOS.items()),
    )
    parser.add_argument("scenarios", nargs="*", type=scenario, metavar="SCENARIO")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="by default all")
    parser.add_argument(
        "--rounds",
        type=whole(1000),
        default=results.CLAIM_ROUNDS,
        help="fewer than 20 (the default) claim nothing",
    )
    parser.add_argument("--seconds", type=whole(60), default=1, help="of one slice (default: 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="default: benchmarks/results/TIME.json")
    options = parser.parse_args(given)
    options.scenarios = options.scenarios or list(SCENARIOS)
    return options


def cores() -> tuple[int, int]:
    """The servers' and wrk's; SystemExit if something that a run needs is not there."""
    if not sys.platform.startswith("linux"):
        raise SystemExit("the harness reads Linux's /proc: it does not run on this system")
    for program in ("wrk", "taskset"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is missing (Debian: apt-get install wrk util-linux)")
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise SystemExit("needs two cores, one for the servers and one for the load")
    return usable[0], usable[1]


def entrants(outcome: Outcome, peers: Sequence[str]) -> list[str]:
    """Who can run; the others go to ``left_out`` of ``outcome``, the versions of those who can, too."""
    asked = SCENARIOS[outcome.name]
    outcome.left_out.update({name: why for name, why in asked.cannot.items() if peer(name) in peers})
    if asked.upstream in SERVERS:
        outcome.versions[asked.upstream] = version(asked.upstream) or "not installed"
    there = []
    for name in asked.servers(peers):
        found = version(name)
        if found is None:
            outcome.left_out[name] = f"not installed ({SERVERS[name].get})"
        else:
            outcome.versions[name] = found
            there.append(name)
    return there


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(given)
    pinned = cores()
    # Like Ctrl-C: on the way out, what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    file = options.json or RESULTS / f"{datetime.now(timezone.utc):%Y-%m-%d-%H%M%S}.json"
    run = Run(machine.describe())
    print(heading(run))
    failed = []
    for name in options.scenarios:
        asked = SCENARIOS[name]
        outcome = Outcome(
            name,
            asked.title,
            asked.ours[0],
            asked.load.connections,
            options.rounds,
            0 if asked.load.fetches else options.seconds,
        )
        there = entrants(outcome, options.peers)
        print(f"\n{notice(outcome)}")
        print(", ".join(f"{each} {found}" for each, found in outcome.versions.items()), flush=True)
        try:
            measure(outcome, asked, there, pinned)
        except ServerFailed as error:
            print(f"not measured: {error}", flush=True)
            failed.append(name)
            continue
        print(table(outcome), flush=True)
        # After each, so that what breaks a later one does not take this one away.
        run.outcomes.append(outcome)
        results.write(run, file)
    if run.outcomes:
        print(f"\n{file}")
    if failed:
        raise SystemExit(f"ours did not do: {', '.join(failed)}")


if __name__ == "__main__":
    main()
