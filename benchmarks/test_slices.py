"""Rounds without servers and without load: who gets how many slices, and who is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import procfs, slices
from benchmarks.process import Request, ServerFailed
from benchmarks.results import Outcome
from benchmarks.scenarios import SCENARIOS
from benchmarks.wrk import Load, Report

LATENCY = {"max": 1.0}


class Fake:
    """A server whose session is the length of its name; ``ended`` has those that were stopped."""

    ended: list[str]

    def __init__(self, name: str, app: str, core: int, folder: Path) -> None:
        self.name = self.url = name
        self.session = len(name)

    def wait_ready(self, request: Request) -> None:
        if self.name == "cheroot":
            raise ServerFailed("does not listen: out of order")

    def drop_output(self) -> None:
        pass

    def stop(self) -> None:
        self.ended.append(self.name)


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> Outcome:
    def snapshot() -> procfs.Snapshot:
        look[0] += 1.0
        return procfs.Snapshot(look[0], 0.0, 0.0, {size: procfs.Cpu(look[0], 0.0) for size in range(20)})

    look = [0.0]
    Fake.ended = []
    monkeypatch.setattr(slices, "Server", Fake)
    monkeypatch.setattr(slices, "SETTLE", 0)
    monkeypatch.setattr(procfs, "memory", lambda session: 10.0)
    monkeypatch.setattr(procfs, "snapshot", snapshot)
    return Outcome("hello", "", "skitai", connections=64, rounds=5, seconds=1)


def test_every_server_gets_every_round_and_the_warm_up_does_not_count(
    outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []

    def drive(load: Load, url: str, seconds: int, core: int) -> Report:
        loaded.append(url)
        return Report(1000, 1000.0, LATENCY)

    monkeypatch.setattr(slices, "drive", drive)
    slices.measure(outcome, SCENARIOS["hello"], ["skitai", "waitress", "cheroot"], (0, 1))
    assert outcome.left_out == {"cheroot": "does not listen: out of order"}
    assert {name: len(row.slices) for name, row in outcome.rows.items()} == {"skitai": 5, "waitress": 5}
    assert next(iter(outcome.rows)) == "skitai"
    assert all(set(loaded[start : start + 2]) == {"skitai", "waitress"} for start in range(0, 12, 2))
    assert outcome.rows["waitress"].slices[0].user == pytest.approx(1000.0)
    assert sorted(Fake.ended) == ["cheroot", "skitai", "waitress"]


def test_a_peer_that_fails_later_has_no_row_and_ours_ends_it(
    outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = {"skitai": 4, "waitress": 2}

    def drive(load: Load, url: str, seconds: int, core: int) -> Report:
        good[url] -= 1
        if good[url] < 0:
            raise ValueError("wrk: Socket errors: read 1")
        return Report(1000, 1000.0, LATENCY)

    monkeypatch.setattr(slices, "drive", drive)
    with pytest.raises(ServerFailed, match="skitai: wrk: Socket errors"):
        slices.measure(outcome, SCENARIOS["hello"], ["skitai", "waitress"], (0, 1))
    assert outcome.left_out == {"waitress": "wrk: Socket errors: read 1"}
    assert list(outcome.rows) == ["skitai"]
    assert sorted(Fake.ended) == ["skitai", "waitress"]


def test_an_upstream_is_asked_by_all_and_not_measured(
    outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = set()

    def drive(load: Load, url: str, seconds: int, core: int) -> Report:
        paths.add(load.path)
        return Report(1000, 1000.0, LATENCY)

    monkeypatch.setattr(slices, "drive", drive)
    outcome.ours = "skitai-parks"
    slices.measure(outcome, SCENARIOS["fetch"], ["skitai-parks", "aiohttp"], (0, 1))
    assert paths == {"/?count=20000&at_once=100&url=nginx/1k.bin"}
    assert list(outcome.rows) == ["skitai-parks", "aiohttp"]
    assert sorted(Fake.ended) == ["aiohttp", "nginx", "skitai-parks"]
