"""``skitai top``: a running instance, again and again, in the terminal.

Its source is the master, which answers while workers cannot; so does this.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skitai._lazy import LazyModule
from skitai.cli.asking import Unreachable, add_place, ask, control_of
from skitai.cli.topview import Line, Style, view
from skitai.launch import ExitCode, complain

if TYPE_CHECKING:
    import curses
else:
    curses = LazyModule("curses")

__all__ = ["add_command"]

#: Seconds for an answer.
_PATIENCE = 5.0
#: Milliseconds between two looks at the keyboard.
_KEYS_EVERY = 100


def add_command(commands: argparse._SubParsersAction[Any]) -> None:
    text = "how a running server stands: requests, latencies, workers, and handlers that last"
    parser = commands.add_parser("top", help=text, description=f"Show, until q is pressed, {text}.")
    add_place(parser)
    parser.add_argument(
        "--once", action="store_true", help="print it once, as plain text, after one interval"
    )
    parser.add_argument(
        "--interval", type=_seconds, default=1.0, metavar="SECONDS", help="between two looks (default: 1)"
    )
    parser.set_defaults(function=_top)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("from 0.1 to 3600")
    return seconds


def _top(options: argparse.Namespace) -> int:
    looks = _Looks(control_of(options))
    try:
        if options.once:
            looks.look()
            time.sleep(options.interval)
            looks.look()
            print("\n".join(text for _, text in looks.lines()))
        elif not (sys.stdin.isatty() and sys.stdout.isatty()):
            complain("top needs a terminal; for scripts there is --once")
            return ExitCode.FAILURE
        else:
            looks.look()
            curses.wrapper(_show, looks, options.interval)
    except Unreachable as error:
        complain(error)
        return ExitCode.FAILURE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.CLEAN


class _Looks:
    """The last two."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._now: tuple[float, Any] | None = None
        self._before: tuple[float, Any] | None = None
        self.failure = ""

    def look(self) -> None:
        """Raises Unreachable."""
        status, text = ask(self._path, "GET", "/live", _PATIENCE)
        if status != 200:
            raise Unreachable(text.strip())
        # A server that was started anew has counted less.
        told = json.loads(text)
        is_same = self._now is not None and self._now[1]["uptime"] <= told["uptime"]
        self._before = self._now if is_same else None
        self._now = (time.monotonic(), told)

    def look_if_possible(self) -> None:
        try:
            self.look()
            self.failure = ""
        except Unreachable as error:
            self.failure = str(error)

    def lines(self) -> list[Line]:
        assert self._now is not None
        at, now = self._now
        before_at, before = self._before or self._now
        lines = list(view(now, before, at - before_at))
        return [(Style.ALARM, self.failure), *lines] if self.failure else lines


def _show(screen: curses.window, looks: _Looks, interval: float) -> None:
    curses.use_default_colors()
    curses.curs_set(0)
    curses.init_pair(1, curses.COLOR_RED, -1)
    styles = {
        Style.PLAIN: curses.A_NORMAL,
        Style.TITLE: curses.A_BOLD,
        Style.HEAD: curses.A_REVERSE,
        Style.ALARM: curses.color_pair(1) | curses.A_BOLD,
    }
    screen.timeout(_KEYS_EVERY)
    due = 0.0
    first = 0
    while True:
        if time.monotonic() >= due:
            looks.look_if_possible()
            due = time.monotonic() + interval
        lines = looks.lines()
        height, width = screen.getmaxyx()
        first = max(0, min(first, len(lines) - height))
        _draw(screen, lines[first : first + height], width, styles)
        key = screen.getch()
        if key in (ord("q"), ord("Q")):
            return
        if key in (curses.KEY_DOWN, ord("j")):
            first += 1
        elif key in (curses.KEY_UP, ord("k")):
            first -= 1


def _draw(screen: curses.window, lines: list[Line], width: int, styles: dict[Style, int]) -> None:
    screen.erase()
    for row, (style, text) in enumerate(lines):
        shown = text.ljust(width) if style is Style.HEAD else text
        try:
            # The last cell of the last line cannot be written to without scrolling.
            screen.addnstr(row, 0, shown, max(0, width - 1), styles[style])
        except curses.error:
            return  # it has become smaller since
    screen.refresh()
