"""Lines about routes that last."""

from __future__ import annotations

import pytest

from skitai._kernels import engine
from skitai.core import habitlog
from skitai.core.habitlog import HabitLog


def habit(kind: str, route: str = "GET h/report/*") -> engine.Habit:
    return engine.Habit(route, kind, 8, 0.0523, 0.0004)


@pytest.mark.parametrize(
    ("before", "kind", "line"),
    [
        (
            "lasts",
            "waits",
            "GET h/report/* waits (a call took 52 ms, 0 of them on the processor): "
            "its calls go to worker threads",
        ),
        (
            "waits",
            "burns",
            "GET h/report/* computes (a call took 52 ms, 0 of them on the processor): "
            "its calls go to worker threads, one at a time",
        ),
        ("waits", "fast", "GET h/report/* is quick by now: it is called in the thread that leads"),
        ("fast", "lasts", None),
        ("lasts", "fast", None),
    ],
)
def test_words(before: str, kind: str, line: str | None) -> None:
    lines: list[str] = []
    HabitLog(lines.append).note(habit(kind), before)
    assert lines == ([line] if line else [])


def test_so_many_lines_in_a_minute_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(habitlog, "monotonic", lambda: now)
    lines: list[str] = []
    log = HabitLog(lines.append)
    for number in range(25):
        log.note(habit("waits", f"GET h/{number}"), "lasts")
    assert len(lines) == 20
    now += 60
    log.note(habit("waits"), "lasts")
    assert len(lines) == 21
    assert lines[-1].endswith("(and 5 lines like this were left out)")
    log.note(habit("burns"), "waits")
    assert lines[-1].endswith("one at a time")
