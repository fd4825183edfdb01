"""The arithmetic, on figures whose result can be seen."""

from __future__ import annotations

import math

import pytest

from benchmarks.figures import Quartiles, paired, quartiles


def test_quartiles_lie_between_values() -> None:
    assert quartiles([4.0, 1.0, 3.0, 2.0]) == (1.75, 2.5, 3.25)


def test_quartiles_of_one_value_are_that_value() -> None:
    assert quartiles([3.0]) == (3.0, 3.0, 3.0)


def test_no_values_have_no_quartiles() -> None:
    with pytest.raises(ValueError, match="no values"):
        quartiles([])


def test_ratios_are_paired_by_round() -> None:
    # The machine got twice as slow after the first round; the ratio did not change.
    assert paired([200.0, 100.0, 100.0], [100.0, 50.0, 50.0]) == (2.0, 2.0, 2.0)


def test_rounds_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired([1.0, 2.0], [1.0])


def test_a_slice_that_took_no_tick_of_the_clock_does_not_end_the_run() -> None:
    assert paired([2.0, 2.0, 2.0], [0.0, 1.0, 1.0]).median == 2.0
    assert paired([2.0, 2.0], [0.0, 0.0]) == (math.inf, math.inf, math.inf)
    assert paired([0.0], [0.0]).median == 1.0


def test_quartiles_print_as_median_and_span() -> None:
    assert str(Quartiles(1.0, 1.234, 2.0)) == "1.23 [1.00-2.00]"
