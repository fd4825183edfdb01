"""Which statements are quick enough to share a connection."""

from __future__ import annotations

from skitai.was._postgres.paces import Paces


def test_it_shares_once_it_was_quick() -> None:
    paces = Paces()
    assert not paces.may_share("a")
    paces.note("a", 0.003)
    assert paces.may_share("a")
    assert not paces.may_share("b")


def test_a_slow_run_takes_sixteen_quick_ones() -> None:
    paces = Paces()
    paces.note("a", 0.001)
    paces.note("a", 0.025)
    for _ in range(16):
        assert not paces.may_share("a")
        paces.note("a", 0.001)
    assert paces.may_share("a")
    assert paces.snapshot() == {"quick": 1, "slow": 0}


def test_the_way_there_and_back_does_not_count() -> None:
    paces = Paces()
    paces.note("a", 0.150)
    paces.note("b", 0.165)
    assert paces.may_share("a")
    assert paces.may_share("b")
    paces.note("b", 0.180)
    assert not paces.may_share("b")


def test_the_longest_known_are_forgotten() -> None:
    paces = Paces()
    for number in range(5000):
        paces.note(str(number), 0.001)
    assert not paces.may_share("0")
    assert paces.may_share("4999")
    assert sum(paces.snapshot().values()) == 4096


def test_what_stands_behind_others_has_not_run_before() -> None:
    paces = Paces()
    paces.note("a", 0.100)
    # It was sent early, and answered soon behind the one before it.
    paces.note("b", 0.300, behind=0.002)
    assert paces.may_share("b")
    # It was sent late: what passes behind the one before it is its own way.
    paces.note("b", 0.101, behind=0.099)
    assert paces.may_share("b")
    paces.note("b", 0.300, behind=0.050)
    assert not paces.may_share("b")


def test_what_is_brief() -> None:
    paces = Paces()
    paces.note("a", 0.001)
    assert paces.is_brief("a")
    paces.note("a", 0.004)
    assert not paces.is_brief("a")
    assert paces.may_share("a")
    # Sixteen of them together.
    paces.note("a", 0.010, count=16)
    assert paces.is_brief("a")
    assert not paces.is_brief("b")
