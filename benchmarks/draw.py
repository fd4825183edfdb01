"""A picture of a run for the docs: ``python -m benchmarks.draw FILE.json OUT.svg``.

A bar is a server's requests per second in units of ours, from the paired ratios; the thin
line at its end spans their quartiles.  SVG is text, and bars are rectangles: this needs no
library, and the file can be read in a diff.
"""

from __future__ import annotations

import argparse
import statistics
from html import escape
from pathlib import Path

from benchmarks.results import Outcome, Run, read
from benchmarks.table import notice

__all__ = ["draw"]

WIDTH = 800
LABELS = 150
BARS = 360
LINE = 22
GAP = 14

# The background is the page's: colours that can be read on white and on black.
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#777}.title{font-weight:600}.small{font-size:11px}"
    ".ours{fill:#d9730d}.peer{fill:#6f8fb5}.spread{stroke:#777;stroke-width:2}"
)


def draw(run: Run) -> str:
    """The picture; ValueError for a run without an outcome."""
    if not run.outcomes:
        raise ValueError("nothing to draw: the run has no outcome")
    parts: list[str] = []
    y = GAP
    for outcome in run.outcomes:
        y = _outcome(parts, outcome, y)
    machine = ", ".join(run.machine[key] for key in ("processor", "system", "python", "time"))
    for line in ("Bars: requests/s in units of ours; line: quartiles of the paired ratios.", machine):
        y += LINE
        parts.append(_text(GAP, y, line, "small"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + GAP}" role="img">\n'
        f"<title>Skitai beside other servers</title>\n<style>{_STYLE}</style>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _outcome(parts: list[str], outcome: Outcome, y: int) -> int:
    """Add one scenario below ``y``; returns where it ends."""
    y += LINE
    parts.append(_text(GAP, y, notice(outcome), "title"))
    # Ours in units of theirs, so quartiles change places when turned round.
    speeds = {
        name: (1 / ratio.third, 1 / ratio.median, 1 / ratio.first)
        for name, ratio in ((name, outcome.faster(name)) for name in outcome.rows)
    }
    scale = BARS / max(third for _, _, third in speeds.values())
    for name, (first, median, third) in speeds.items():
        y += LINE
        rate = statistics.median(outcome.rows[name].of(lambda part: part.rate))
        parts += [
            _text(GAP, y, name),
            f'<rect class="{"ours" if name == outcome.ours else "peer"}" x="{LABELS}" y="{y - 12}" '
            f'width="{median * scale:.1f}" height="14"/>',
        ]
        said = f"{rate:,.0f}/s"
        if name != outcome.ours:
            parts.append(
                f'<line class="spread" x1="{LABELS + first * scale:.1f}" x2="{LABELS + third * scale:.1f}" '
                f'y1="{y - 5}" y2="{y - 5}"/>'
            )
            said = f"{median:.2f} times ours [{first:.2f}-{third:.2f}], {said}"
        parts.append(_text(LABELS + int(third * scale) + 8, y, said))
    y += LINE
    parts.append(_text(GAP, y, f"others kept {outcome.foreign()} cores busy meanwhile", "small"))
    return y + GAP


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}"{style}>{escape(text)}</text>'


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.draw", description="A picture of a run.")
    parser.add_argument("results", type=Path, metavar="FILE.json")
    parser.add_argument("picture", type=Path, metavar="OUT.svg")
    options = parser.parse_args()
    try:
        options.picture.write_text(draw(read(options.results)))
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
