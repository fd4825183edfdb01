"""Nobody notices a reload: a little of ``python -m benchmarks.reloads``, and for `make soak` all of it."""

from __future__ import annotations

import sys

import pytest

from benchmarks.reloads import Plan, run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")


def carry_out(plan: Plan) -> None:
    seen, code = run(plan)
    print(dict(seen.answers), f"{len(seen.workers)} workers, the longest wait {seen.longest:.3f} s")
    assert not seen.failures
    assert seen.total >= plan.requests
    assert set(seen.answers) == {"kept", "fresh"}
    assert len(seen.workers) > plan.reloads
    assert code == 0


def test_two_reloads_under_load() -> None:
    carry_out(Plan(requests=3000, kept=40, reloads=2))


@pytest.mark.soak
def test_a_million_requests_through_a_hundred_reloads() -> None:
    carry_out(Plan())
