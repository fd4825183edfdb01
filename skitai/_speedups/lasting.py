"""What is known of routes that last, in words: habits.h knows them by numbers only.

A name is made when a route gets a strike, so quick calls cost nothing.  One place of the table of
habits has one name here, so there are no more of them than places, whatever clients ask for.

The leader, and the workers that measure calls; under the GIL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from skitai._pure.engine import Habit

__all__ = ["Lasting", "name_of"]

#: As in habits.h.
_SEGMENTS = 3
_SEGMENT_LONG = 24


def name_of(method: str, host: str, target: str) -> str:
    """The requests that are learnt together, as a person would write them: ``GET example.com/user/*``."""
    segments = target.partition("?")[0].split("/")[1:]
    names = ["*" if _is_folded(segment) else segment for segment in segments[:_SEGMENTS]]
    more = ["..."] if len(segments) > _SEGMENTS else []
    return f"{method[:_SEGMENT_LONG]} {host}/{'/'.join(names + more)}"


def _is_folded(segment: str) -> bool:
    return len(segment) > _SEGMENT_LONG or any("0" <= letter <= "9" for letter in segment)


class Lasting:
    def __init__(self, on_change: Callable[[Habit, str], None]) -> None:
        """``on_change(habit, before)`` is told of each new kind, and of the one before."""
        self._on_change = on_change
        #: By place: which route has it, and what is known of that.
        self._known: dict[int, tuple[int, Habit]] = {}

    def lasted(
        self, place: int, route: int, kind: str, elapsed: float, method: str, host: str, target: str
    ) -> None:
        """A call in the leader took ``elapsed`` seconds, or lasts and took so many until now."""
        known, habit = self._known.get(place, (0, None))
        if habit is None or known != route:
            habit = Habit(name_of(method, host, target), "fast", 0, 0.0, 0.0)
        self._note(place, route, habit, kind, elapsed, habit.burnt)

    def measured(self, place: int, route: int, kind: str, elapsed: float, burnt: float) -> None:
        """A call that ran alone took ``elapsed`` seconds, ``burnt`` of them on the processor."""
        known, habit = self._known.get(place, (0, None))
        if habit is not None and known == route:
            self._note(place, route, habit, kind, elapsed, burnt)

    def _note(self, place: int, route: int, habit: Habit, kind: str, elapsed: float, burnt: float) -> None:
        self._known[place] = (route, replace(habit, kind=kind, elapsed=elapsed, burnt=burnt))
        if kind != habit.kind:
            self._on_change(self._known[place][1], habit.kind)

    def habits(self, strikes_of: Callable[[int, int], int]) -> list[Habit]:
        """Of all routes that have strikes by now; ``strikes_of(place, route)`` says how many."""
        found = [
            replace(habit, strikes=strikes_of(place, route))
            for place, (route, habit) in list(self._known.items())
        ]
        return sorted((habit for habit in found if habit.strikes), key=lambda habit: habit.route)
