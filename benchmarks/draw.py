"""A picture of a run: ``python -m benchmarks.draw FILE.json OUT.svg [SCENARIO ...] [--p99]``.

A bar is a server's requests per second in units of ours, from the paired ratios, or with ``--p99`` the
milliseconds in which 99 of 100 answers were there (the median of all slices); the thin line at its end spans
the quartiles.  SVG is text, and bars are rectangles: it needs no library, and can be read in a diff.

``python -m benchmarks.draw --docs`` makes those of docs/benchmarks.md anew.
"""

from __future__ import annotations

import argparse
import statistics
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from benchmarks.figures import quartiles
from benchmarks.results import Outcome, Run, read
from benchmarks.table import notice

__all__ = ["PICTURES", "RESULTS", "draw", "picture"]

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"

#: Those of docs/benchmarks.md: the run that its tables are of, scenarios, and whether latencies are shown.
PICTURES: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "hello.svg": ("2026-11-23-19.json", ("hello",), False),
    "wsgi.svg": ("2026-11-23-24.json", ("10k", "post", "close", "flask"), False),
    "proxy.svg": ("2026-11-23-20.json", ("proxy", "proxy-64k"), False),
    "slow.svg": ("2026-11-23-23.json", ("tenth", "sleepers", "burners"), True),
    "files.svg": ("2026-11-23-22.json", ("static-1k", "static-64k", "static-304"), False),
    "asking.svg": ("2026-11-23-10.json", ("fetch", "db", "db-far"), False),
}

WIDTH = 800
LABELS = 150
BARS = 360
LINE = 22
GAP = 14
#: Characters of a title that fit into a line.
TITLES = 100

# The background is the page's: colours that can be read on white and on black.
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#777}.title{font-weight:600}.small{font-size:11px}"
    ".ours{fill:#d9730d}.peer{fill:#6f8fb5}.spread{stroke:#777;stroke-width:2}"
)


def picture(name: str) -> str:
    """One of `PICTURES`."""
    file, scenarios, latency = PICTURES[name]
    return draw(read(RESULTS / file), scenarios, latency=latency)


def draw(run: Run, scenarios: Sequence[str] = (), *, latency: bool = False) -> str:
    """The picture of all outcomes, or of these scenarios; ValueError where there is none."""
    outcomes = [outcome for outcome in run.outcomes if not scenarios or outcome.name in scenarios]
    if not outcomes:
        raise ValueError("nothing to draw: the run has no outcome")
    parts: list[str] = []
    y = GAP
    for outcome in outcomes:
        y = _outcome(parts, outcome, y, _waits if latency else _speeds)
    machine = ", ".join(run.machine[key] for key in ("processor", "system", "python", "time"))
    said = "Bars: requests/s in units of ours; line: quartiles of the paired ratios."
    if latency:
        said = "Bars: milliseconds until 99 of 100 answers were there, median of the slices; line: quartiles."
    for line in (said, machine):
        y += LINE
        parts.append(_text(GAP, y, line, "small"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + GAP}" role="img">\n'
        f"<title>Skitai beside other servers</title>\n<style>{_STYLE}</style>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


@dataclass(frozen=True)
class _Bar:
    """Its length and the quartiles around it, and what stands behind it."""

    name: str
    first: float
    median: float
    third: float
    text: str


def _speeds(outcome: Outcome) -> Iterator[_Bar]:
    for name, row in outcome.rows.items():
        ratio = outcome.faster(name)
        # Ours in units of theirs, so quartiles change places when turned round.
        first, median, third = 1 / ratio.third, 1 / ratio.median, 1 / ratio.first
        said = f"{statistics.median(row.of(lambda part: part.rate)):,.0f}/s"
        if name != outcome.ours:
            said = f"{median:.2f} times ours [{first:.2f}-{third:.2f}], {said}"
        yield _Bar(name, first, median, third, said)


def _waits(outcome: Outcome) -> Iterator[_Bar]:
    for name, row in outcome.rows.items():
        found = quartiles(row.of(lambda part: part.latency["99"]))
        said = f"{found.median:.1f} ms [{found.first:.1f}-{found.third:.1f}]"
        yield _Bar(name, found.first, found.median, found.third, said)


def _outcome(parts: list[str], outcome: Outcome, y: int, bars_of: Callable[[Outcome], Iterator[_Bar]]) -> int:
    """Add one scenario below ``y``; returns where it ends."""
    for line in textwrap.wrap(notice(outcome), TITLES):
        y += LINE
        parts.append(_text(GAP, y, line, "title"))
    bars = list(bars_of(outcome))
    scale = BARS / max(bar.third for bar in bars)
    for bar in bars:
        y += LINE
        parts += [
            _text(GAP, y, bar.name),
            f'<rect class="{"ours" if bar.name == outcome.ours else "peer"}" x="{LABELS}" y="{y - 12}" '
            f'width="{bar.median * scale:.1f}" height="14"/>',
        ]
        if bar.first < bar.third:
            parts.append(
                f'<line class="spread" x1="{LABELS + bar.first * scale:.1f}" '
                f'x2="{LABELS + bar.third * scale:.1f}" y1="{y - 5}" y2="{y - 5}"/>'
            )
        parts.append(_text(LABELS + int(bar.third * scale) + 8, y, bar.text))
    y += LINE
    parts.append(_text(GAP, y, f"others kept {outcome.foreign()} cores busy meanwhile", "small"))
    return y + GAP


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}"{style}>{escape(text)}</text>'


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.draw", description="A picture of a run.")
    parser.add_argument("--docs", action="store_true", help="make the pictures of docs/benchmarks.md anew")
    parser.add_argument(
        "--p99", action="store_true", help="milliseconds for 99 of 100 answers, no requests/s"
    )
    parser.add_argument("results", type=Path, nargs="?", metavar="FILE.json")
    parser.add_argument("picture", type=Path, nargs="?", metavar="OUT.svg")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    options = parser.parse_args()
    if options.docs:
        for name in PICTURES:
            (RESULTS / name).write_text(picture(name))
        return
    if options.picture is None:
        parser.error("FILE.json and OUT.svg are needed, or --docs")
    try:
        drawn = draw(read(options.results), options.scenarios, latency=options.p99)
        options.picture.write_text(drawn)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
