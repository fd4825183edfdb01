"""What is kept on the shelf and was changed is seen at once, where the system tells of changes.

An item of the shelf is good for a second without a look at its files (shelf.h).  News of a folder
that any of them lies in puts all of them in doubt: each is looked at when it is asked for next.  A
folder in which something is written all the time would wake the loop all the time; so behind the
first news there is a pause, in which everything is in doubt.

Loop thread.
"""

from __future__ import annotations

from skitai._pure.engine.loop import READ
from skitai._speedups.loop import EventLoop
from skitai._speedups.shelf import Shelf

__all__ = ["Changes"]

#: Seconds in which no news is read.
_PAUSE = 0.1


class Changes:
    def __init__(self, loop: EventLoop, shelf: Shelf) -> None:
        self._loop = loop
        self._shelf = shelf
        self._begun = False

    def begin(self) -> None:
        """Listen to news of the folders of what is kept.  May be called again."""
        if not self._begun and self._shelf.fileno() >= 0:
            self._begun = True
            self._listen()

    def _listen(self) -> None:
        self._loop.watch(self._shelf, READ, self._on_news)

    def _on_news(self, _: int) -> None:
        self._loop.unwatch(self._shelf)
        self._shelf.doubt(True)
        self._loop.call_later(_PAUSE, self._on_pause_over)

    def _on_pause_over(self) -> None:
        self._shelf.doubt(False)
        self._listen()
