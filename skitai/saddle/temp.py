"""``was.temp``: an empty object for what the hooks and the function of one request share.

Made when it is first asked for, and gone with the request.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["EVEXCEPT", "EVOK", "EVREQEND", "Event", "Temp"]


class Event(enum.IntFlag):
    """What may be bound to."""

    EVOK = 1
    EVEXCEPT = 2
    EVREQEND = 4


#: The function has returned; it has raised; the request has been dealt with, one way or the other.
EVOK, EVEXCEPT, EVREQEND = Event


class Temp:
    """Attributes are the application's; new and empty for each request."""

    def __init__(self) -> None:
        self.__dict__["_bound"] = []

    if TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None: ...

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"was.temp.{name} was not set in this request")

    def bind(self, event: int, function: Callable[[Any], Any]) -> None:
        """Call ``function(was)`` once at ``event``; or at each of several, as ``EVOK | EVREQEND``.

        Raises:
            ValueError: ``event`` is none.
        """
        event = Event(event)
        if not event or event not in EVOK | EVEXCEPT | EVREQEND:
            raise ValueError(f"{event!r} is no event: EVOK, EVEXCEPT and EVREQEND are")
        self._bound.extend((single, function) for single in Event if single in event)

    def skitai_take(self, event: int) -> list[Callable[[Any], Any]]:
        """What is bound to ``event``, which is called by whoever asks, and is bound no longer."""
        taken = [function for bound, function in self._bound if bound == event]
        self.__dict__["_bound"] = [pair for pair in self._bound if pair[0] != event]
        return taken
