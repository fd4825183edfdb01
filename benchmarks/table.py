"""Results as text: first what a server does and how that compares, then how it does it.

Ratios above 1 are in our favour in all columns.  The other figures are medians over all
rounds and are for orientation: they say as much about the machine as about the server.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

from benchmarks.results import CLAIM_ROUNDS, Outcome, Row, Run, Slice
from benchmarks.wrk import LATENCIES

__all__ = ["heading", "notice", "table"]

_NAME = 19
_RATIO = 18


def heading(run: Run) -> str:
    return "\n".join(f"{name + ':':11}{value}" for name, value in run.machine.items())


def notice(outcome: Outcome) -> str:
    """What a scenario is, and whether its figures may be used for a claim."""
    length = f" x {outcome.seconds} s" if outcome.seconds else " times"
    text = f"{outcome.name}: {outcome.title}; {outcome.connections} connections, {outcome.rounds}{length}"
    return text if outcome.claim else f"{text} (no claim: fewer than {CLAIM_ROUNDS})"


def table(outcome: Outcome) -> str:
    space = " " * _NAME
    lines = [
        f"{space} requests/s   CPU us/request   ratio to {outcome.ours}: median [quartiles], above 1 is ours",
        f"{space}               user   system   {'requests/s':{_RATIO}}{'CPU':{_RATIO}}user CPU",
        *(
            f"{name:{_NAME}}{_speed(row)}   {_ratios(outcome, name)}".rstrip()
            for name, row in outcome.rows.items()
        ),
        f"{space} latency in ms under full load            memory in MiB",
        space + "".join(f"{_percentile(key):>8}" for key in LATENCIES) + "       idle    after",
        *(f"{name:{_NAME}}{_latency(row)}  {_memory(row)}" for name, row in outcome.rows.items()),
        *(f"left out: {name}: {reason}" for name, reason in outcome.left_out.items()),
        f"others kept {outcome.foreign()} cores busy meanwhile",
    ]
    return "\n".join(lines)


def _middle(row: Row, value: Callable[[Slice], float]) -> float:
    return statistics.median(row.of(value))


def _speed(row: Row) -> str:
    rate = _middle(row, lambda part: part.rate)
    user = _middle(row, lambda part: part.user)
    system = _middle(row, lambda part: part.system)
    return f"{rate:11,.0f} {user:8.1f} {system:8.1f}"


def _ratios(outcome: Outcome, name: str) -> str:
    if name == outcome.ours:
        return ""
    ratios = (
        outcome.faster(name),
        outcome.cheaper(name, lambda part: part.cpu),
        outcome.cheaper(name, lambda part: part.user),
    )
    return "".join(f"{ratio!s:{_RATIO}}" for ratio in ratios)


def _latency(row: Row) -> str:
    return "".join(f"{_middle_latency(row, key):>8}" for key in LATENCIES)


def _middle_latency(row: Row, key: str) -> str:
    known = [part.latency[key] for part in row.slices if key in part.latency]
    return f"{statistics.median(known):.2f}" if known else "-"


def _memory(row: Row) -> str:
    return f"{row.memory_idle:9.1f}{row.memory_after:9.1f}"


def _percentile(key: str) -> str:
    return f"{key}%" if key.isdecimal() else key
