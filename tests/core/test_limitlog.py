from __future__ import annotations

import pytest

from skitai.core import limitlog
from skitai.core.limitlog import LimitLog


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(limitlog, "monotonic", lambda: now[0])
    return now


def test_one_line_a_second_for_each_limit(clock: list[float]) -> None:
    lines: list[str] = []
    log = LimitLog(lambda text, kind: lines.append(f"[{kind}] {text}"))
    for _ in range(3):
        log.note("connections_max", "closed a connection")
    log.note("queue_max", "503")
    clock[0] += 1.5
    log.note("connections_max", "closed a connection")
    log.note("queue_max", "503")
    assert lines == [
        "[warn] connections_max: closed a connection",
        "[warn] queue_max: 503",
        "[warn] connections_max: closed a connection (and 2 more times since the last such line)",
        "[warn] queue_max: 503",
    ]
