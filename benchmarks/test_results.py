"""From slices to ratios, a table, a file and a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.draw import PICTURES, RESULTS, draw, picture
from benchmarks.results import Outcome, Row, Run, Slice, read, write
from benchmarks.table import notice, table

LATENCY = {"50": 1.0, "75": 1.5, "90": 2.0, "99": 3.0, "max": 9.0}


def a_slice(rate: float, user: float, system: float) -> Slice:
    return Slice(rate, user, system, LATENCY, foreign=0.25)


@pytest.fixture
def run() -> Run:
    outcome = Outcome("hello", "12 bytes <b>", "skitai", connections=64, rounds=2, seconds=1)
    outcome.rows["skitai"] = Row(20.0, 21.0, [a_slice(3000.0, 40.0, 60.0), a_slice(1500.0, 40.0, 60.0)])
    outcome.rows["other"] = Row(30.0, 33.0, [a_slice(1000.0, 80.0, 170.0), a_slice(500.0, 80.0, 170.0)])
    outcome.left_out["third"] = "not installed"
    machine = {"processor": "abacus", "system": "Linux", "python": "CPython 3", "time": "now"}
    return Run(machine, [outcome])


def test_ratios_above_one_are_in_our_favour(run: Run) -> None:
    (outcome,) = run.outcomes
    assert outcome.faster("other").median == 3.0
    assert outcome.cheaper("other", lambda part: part.cpu).median == 2.5
    assert outcome.cheaper("other", lambda part: part.user).median == 2.0


def test_the_table_says_it_all(run: Run) -> None:
    text = table(run.outcomes[0])
    lines = [line.split() for line in text.splitlines()]
    assert ["skitai", "2,250", "40.0", "60.0"] in lines
    ratios = ["3.00", "[3.00-3.00]", "2.50", "[2.50-2.50]", "2.00", "[2.00-2.00]"]
    assert ["other", "750", "80.0", "170.0", *ratios] in lines
    assert ["other", "1.00", "1.50", "2.00", "3.00", "9.00", "30.0", "33.0"] in lines
    assert "\nleft out: third: not installed\n" in text
    assert text.endswith("\nothers kept 0.25 [0.25-0.25] cores busy meanwhile")


def test_latencies_that_wrk_cannot_tell_are_gaps(run: Run) -> None:
    for row in run.outcomes[0].rows.values():
        row.slices = [replace(part, latency={"max": 9.0}) for part in row.slices]
    lines = [line.split() for line in table(run.outcomes[0]).splitlines()]
    assert ["other", "-", "-", "-", "-", "9.00", "30.0", "33.0"] in lines


def test_few_rounds_are_no_claim(run: Run) -> None:
    (outcome,) = run.outcomes
    assert "no claim" in notice(outcome)
    outcome.rounds = 20
    assert "no claim" not in notice(outcome)


def test_a_file_gives_back_what_was_written(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "made" / "run.json"
    write(run, file)
    assert read(file) == run


def test_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text('{"format": 0}')
    with pytest.raises(ValueError, match="no results of format"):
        read(file)


def test_the_picture_is_svg_with_a_bar_for_each_row(run: Run) -> None:
    root = ElementTree.fromstring(draw(run))
    svg = "{http://www.w3.org/2000/svg}"
    ours, other = root.findall(f"{svg}rect")
    assert float(ours.attrib["width"]) == pytest.approx(3 * float(other.attrib["width"]), abs=0.2)
    texts = [text.text or "" for text in root.iter(f"{svg}text")]
    assert any("12 bytes <b>" in text for text in texts)
    assert any(text.startswith("0.33 times ours [0.33-0.33], 750/s") for text in texts)


def test_a_picture_of_latencies_has_the_slices_median(run: Run) -> None:
    outcome = run.outcomes[0]
    for row, milliseconds in zip(outcome.rows.values(), (2.0, 8.0), strict=True):
        row.slices = [replace(part, latency={"99": milliseconds}) for part in row.slices]
    root = ElementTree.fromstring(draw(run, [outcome.name], latency=True))
    svg = "{http://www.w3.org/2000/svg}"
    ours, other = root.findall(f"{svg}rect")
    assert float(other.attrib["width"]) == pytest.approx(4 * float(ours.attrib["width"]), abs=0.4)
    texts = [text.text or "" for text in root.iter(f"{svg}text")]
    assert "2.0 ms [2.0-2.0]" in texts
    assert "8.0 ms [8.0-8.0]" in texts


def test_scenarios_that_were_not_run_have_no_picture(run: Run) -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        draw(run, ["other"])


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_of_the_page_are_of_the_runs_that_are_kept(name: str) -> None:
    assert (RESULTS / name).read_text() == picture(name), "python -m benchmarks.draw --docs makes it anew"


def test_an_empty_run_has_no_picture() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        draw(Run({}))
