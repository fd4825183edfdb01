"""The descriptor limit: raised as far as the system lets us, and the connections that follow from it."""

from __future__ import annotations

import pytest

from skitai.core import processlimits
from skitai.limits import Limits

resource = pytest.importorskip("resource")


def system(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, *, refuses: bool = False) -> list[int]:
    """A system with these limits; returns what it is set to."""
    raised: list[int] = []

    def setrlimit(kind: int, limits: tuple[int, int]) -> None:
        if refuses:
            raise ValueError("current limit exceeds maximum limit")
        raised.append(limits[0])

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    return raised


def test_soft_becomes_hard_and_half_of_it_is_for_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = system(monkeypatch, 1024, 4096)
    assert processlimits.raise_descriptor_limit(Limits()).connections_max == (4096 - 128) // 2
    assert raised == [4096]


def test_a_number_that_was_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = system(monkeypatch, 1024, 4096)
    assert processlimits.raise_descriptor_limit(Limits(connections_max=7)).connections_max == 7
    assert raised == [4096]


def test_a_system_whose_infinity_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    system(monkeypatch, 256, resource.RLIM_INFINITY, refuses=True)
    assert processlimits.raise_descriptor_limit(Limits()).connections_max == (256 - 128) // 2
