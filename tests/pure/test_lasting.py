"""What is said of routes that last.  What is learnt, and when, is in tests/c/habits_check.c."""

from __future__ import annotations

import pytest

from skitai._kernels import engine
from skitai._speedups.lasting import Lasting, name_of


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/", "GET h/"),
        ("/user/17", "GET h/user/*"),
        ("/user/0123456789abcdef0123456789abcdef/edit", "GET h/user/*/edit"),
        ("/a/b/c/d/e", "GET h/a/b/c/..."),
        ("/report?year=2026", "GET h/report"),
        ("/abcdefghijklmnopqrstuvwx", "GET h/abcdefghijklmnopqrstuvwx"),
        ("/abcdefghijklmnopqrstuvwxy", "GET h/*"),
    ],
)
def test_names_are_folded_as_routes_are(target: str, name: str) -> None:
    assert name_of("GET", "h", target) == name


def test_a_new_kind_is_told_once() -> None:
    told: list[tuple[str, str]] = []
    lasting = Lasting(lambda habit, before: told.append((before, habit.kind)))
    for kind in ("fast", "lasts", "lasts"):
        lasting.lasted(3, 77, kind, 0.05, "GET", "h", "/a")
    for kind in ("waits", "waits"):
        lasting.measured(3, 77, kind, 0.06, 0.01)
    lasting.lasted(3, 77, "fast", 0.0001, "GET", "h", "/a")
    assert told == [("fast", "lasts"), ("lasts", "waits"), ("waits", "fast")]


def test_a_place_that_another_route_has_taken_begins_anew() -> None:
    told: list[str] = []
    lasting = Lasting(lambda habit, before: told.append(f"{habit.route} {before} {habit.kind}"))
    lasting.lasted(3, 77, "lasts", 0.05, "GET", "h", "/a")
    lasting.measured(3, 88, "waits", 0.05, 0.0)  # of a route that was pushed out since
    lasting.lasted(3, 99, "lasts", 0.05, "GET", "h", "/b")
    assert told == ["GET h/a fast lasts", "GET h/b fast lasts"]


def test_only_what_has_strikes_is_known() -> None:
    lasting = Lasting(lambda habit, before: None)
    lasting.lasted(3, 77, "lasts", 0.05, "GET", "h", "/b")
    lasting.lasted(4, 88, "fast", 0.05, "GET", "h", "/a")
    lasting.lasted(5, 99, "fast", 0.05, "GET", "h", "/c")
    strikes = {(3, 77): 8, (4, 88): 4, (5, 99): 0}
    assert lasting.habits(lambda place, route: strikes[place, route]) == [
        engine.Habit("GET h/a", "fast", 4, 0.05, 0.0),
        engine.Habit("GET h/b", "lasts", 8, 0.05, 0.0),
    ]
