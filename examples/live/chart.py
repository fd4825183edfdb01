"""Bars in SVG, drawn by the server: no script and no library."""

from dataclasses import dataclass
from html import escape

__all__ = ["Bar", "chart"]

ROW, NAMES, WIDTH, TEXTS = 26, 96, 420, 120


@dataclass
class Bar:
    name: str
    length: float
    text: str
    failed: bool = False
    total: bool = False

    @property
    def kind(self):
        return "failed" if self.failed else "total" if self.total else "one"


def chart(title, bars):
    """The longest bar has the whole width; colours are the style sheet's."""
    longest = max((bar.length for bar in bars), default=0) or 1
    pieces = []
    for number, bar in enumerate(bars):
        y = number * ROW
        width = round(bar.length / longest * WIDTH, 1)
        pieces.append(
            f'<text class="name" x="{NAMES - 10}" y="{y + 17}">{escape(bar.name)}</text>'
            f'<rect class="{bar.kind}" x="{NAMES}" y="{y + 4}" width="{width}" height="{ROW - 8}" rx="4"/>'
            f'<text x="{NAMES + width + 8}" y="{y + 17}">{escape(bar.text)}</text>'
        )
    size = f"0 0 {NAMES + WIDTH + TEXTS} {len(bars) * ROW}"
    head = f'<svg class="chart" viewBox="{size}" role="img"><title>{escape(title)}</title>'
    return f"{head}{''.join(pieces)}</svg>"
