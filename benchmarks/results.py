"""What is kept of a run: every slice of every server, so that other questions can be asked later.

The JSON is these classes as they stand; `FORMAT` changes when a name of theirs does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import Quartiles, paired, quartiles

__all__ = ["CLAIM_ROUNDS", "Outcome", "Row", "Run", "Slice", "read", "write"]

FORMAT = 1
CLAIM_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of one server."""

    rate: float
    """requests per second"""
    user: float
    """microseconds of CPU per request, in user space"""
    system: float
    """the same, in the kernel"""
    latency: dict[str, float]
    """milliseconds by percentile, and the longest: those of `wrk.LATENCIES` that are known"""
    foreign: float
    """cores that worked for others meanwhile"""

    @property
    def cpu(self) -> float:
        return self.user + self.system


@dataclass(slots=True)
class Row:
    """One server of a scenario; memory in MiB (PSS), before the warm-up and after the last round."""

    memory_idle: float
    memory_after: float = 0.0
    slices: list[Slice] = field(default_factory=list)

    def of(self, value: Callable[[Slice], float]) -> list[float]:
        return [value(part) for part in self.slices]


@dataclass(slots=True)
class Outcome:
    """One scenario; all rows have as many slices.  The first row is ``ours``."""

    name: str
    title: str
    ours: str
    connections: int
    rounds: int
    seconds: int
    """of one slice; 0: as long as it takes"""
    rows: dict[str, Row] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    """what each server says that it is; of the scenario, because a build can change in a run"""

    @property
    def claim(self) -> bool:
        """Whether there are rounds enough to say anything by."""
        return self.rounds >= CLAIM_ROUNDS

    def faster(self, other: str) -> Quartiles:
        """Our requests per second divided by another's: above 1 is in our favour."""
        return paired(
            self.rows[self.ours].of(lambda part: part.rate), self.rows[other].of(lambda part: part.rate)
        )

    def cheaper(self, other: str, value: Callable[[Slice], float]) -> Quartiles:
        """Another's CPU time divided by ours: above 1 is in our favour, too."""
        return paired(self.rows[other].of(value), self.rows[self.ours].of(value))

    def foreign(self) -> Quartiles:
        return quartiles([part.foreign for row in self.rows.values() for part in row.slices])


@dataclass(slots=True)
class Run:
    """``machine`` is for people: what the servers ran on."""

    machine: dict[str, str]
    outcomes: list[Outcome] = field(default_factory=list)


def write(run: Run, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"format": FORMAT, **asdict(run)}, indent=1) + "\n")


def read(file: Path) -> Run:
    """A run that `write` wrote; ValueError for another file."""
    kept: dict[str, Any] = json.loads(file.read_text())
    if kept.pop("format", None) != FORMAT:
        raise ValueError(f"{file} holds no results of format {FORMAT}")
    outcomes = [
        Outcome(**{**outcome, "rows": {name: _row(row) for name, row in outcome["rows"].items()}})
        for outcome in kept.pop("outcomes")
    ]
    return Run(outcomes=outcomes, **kept)


def _row(kept: dict[str, Any]) -> Row:
    return Row(**{**kept, "slices": [Slice(**part) for part in kept["slices"]]})
