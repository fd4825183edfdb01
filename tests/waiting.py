"""Waiting for what another thread or program is about to do, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["takes_less_than", "wait_until"]


def wait_until(condition: Callable[[], object], timeout: float = 30.0, what: str = "") -> None:
    """Look every 10 ms until ``condition()`` is true; AssertionError after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what or condition}"
        time.sleep(0.01)


def takes_less_than(seconds: float, act: Callable[[], float]) -> None:
    """``act()`` tells how many seconds it has taken.  Another program may have had the processor meanwhile,
    but not three times: AssertionError then."""
    took = [act()]
    while took[-1] >= seconds:
        assert len(took) < 3, took
        took.append(act())
