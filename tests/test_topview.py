"""The lines of `skitai top`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from skitai.cli.topview import Line, Style, quantile, view

EVIL = "\x1b[2J\x07<b>\n"


def look(**changed: Any) -> dict[str, Any]:
    usage = {"resident": 3 << 20, "proportional": None, "cpu": 1.0, "threads": 9}
    live = {
        "loop_lag": 0.0002,
        "threads": 4,
        "threads_inside": 2,
        "queued": 0,
        "parked": 0,
        "connections": 1,
        "websockets": 0,
        "calls": 0,
    }
    return {
        "name": EVIL,
        "version": "1",
        "uptime": 90000.0,
        "unready": "",
        "counts": {"requests": 10, "server_errors": 0, "overdue": 0, "restarts": 0},
        "bounds": [0.001, 0.01],
        "latencies": {"app": [0, 0, 0]},
        "mounts": [{"host": "default", "path": f"/{EVIL}", "statuses": [0, 0, 10, 0, 0, 0]}],
        "master": {"pid": 1, **usage},
        "workers": [{"pid": 2, "phase": "serving", "answers": True, **usage, **live}],
        "members": [],
        "rooms": {EVIL: 3},
        "mail": None,
        "handlers": [],
        **changed,
    }


def alarms(lines: Iterable[Line]) -> list[str]:
    return [text for style, text in lines if style is Style.ALARM]


def test_rates_are_of_the_time_between_two_looks() -> None:
    now = look(
        counts={"requests": 60, "server_errors": 5, "overdue": 0, "restarts": 0},
        latencies={"app": [0, 10, 0]},
        mounts=[{"host": "default", "path": "/a", "statuses": [0, 0, 45, 0, 0, 5]}],
    )
    lines = [text for _, text in view(now, look(), 2.0)]
    assert lines[0].endswith("up 1d 1h  ready")
    assert "25 requests/s   app p50 5.5ms  p99 9.9ms   2xx 22  5xx 2.5" in lines[1]
    assert "      25       22        0        0      2.5 default /a" in lines
    assert any("       2 serving      0%     3M      -      2/4" in line for line in lines)


def test_what_clients_have_chosen_cannot_move_the_cursor() -> None:
    handler = {
        "pid": 2,
        "seconds": 3.25,
        "request": EVIL,
        "how": "thread",
        "waits": EVIL,
        "where": EVIL,
        "stack": [EVIL],
    }
    member = {
        "pid": 2,
        "cluster": EVIL,
        "member": EVIL,
        "in_flight": 1,
        "latency": 0.5,
        "ejected_for": 3.0,
        "healthy": True,
    }
    shown = list(view(look(handlers=[handler], members=[member]), look(), 1.0))
    assert all(text.isprintable() for _, text in shown)
    assert sum("<b>" in text for _, text in shown) == 6
    assert alarms(shown)[0].startswith("    3.2s")


def test_a_worker_in_which_no_python_runs_is_an_alarm() -> None:
    now = look()
    now["workers"][0]["answers"] = False
    assert alarms(view(now, now, 1.0))[0].endswith("silent: no Python runs there")
    booting = {"pid": 3, "phase": "booting", "answers": False, **look()["master"]}
    assert alarms(view(look(workers=[booting]), look(), 1.0)) == []


@pytest.mark.parametrize(
    ("counts", "share", "seconds"),
    [
        ([0, 0, 0], 0.5, None),
        ([4, 0, 0], 0.5, 0.0005),
        ([1, 1, 0], 0.99, 0.001 + 0.009 * 0.98),
        ([0, 0, 7], 0.5, 0.01),
    ],
)
def test_a_quantile_lies_within_its_bucket(counts: list[int], share: float, seconds: float | None) -> None:
    found = quantile([0.001, 0.01], counts, share)
    assert found == (None if seconds is None else pytest.approx(seconds))
