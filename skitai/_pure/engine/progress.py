"""How far the response to a request is.

PENDING ──start──▶ STREAMING ──end──▶ ENDED ──last byte taken──▶ DELIVERED
   │                   │                │
   └───────────────────┴────────────────┴── client gone, aborted ──▶ GONE
"""

from __future__ import annotations

import enum
from typing import Final

__all__ = ["DELIVERED", "ENDED", "GONE", "MOVES", "PENDING", "STREAMING", "Progress"]


class Progress(enum.Enum):
    """How far the response is: the drawing above."""

    PENDING = "no head handed over"
    STREAMING = "head handed over, message open"
    ENDED = "message complete, bytes waiting for the client"
    DELIVERED = "every byte taken by the operating system"
    GONE = "never to be completed"

    __hash__ = object.__hash__  # members are singletons; Enum's own is a Python call until 3.12


# By their own names: see `skitai._pure.http1.states`.
PENDING: Final = Progress.PENDING
STREAMING: Final = Progress.STREAMING
ENDED: Final = Progress.ENDED
DELIVERED: Final = Progress.DELIVERED
GONE: Final = Progress.GONE


class _Moves(dict[Progress, Progress]):
    """Where a response may go from where it is: as the steps of `skitai._pure.http1.states`."""

    __slots__ = ("_progress",)

    def __init__(self, progress: Progress, *moves: Progress) -> None:
        super().__init__({move: move for move in moves})
        self._progress = progress

    def __missing__(self, move: Progress) -> Progress:
        raise RuntimeError(f"a response may not go from {self._progress.name} to {move.name}")


MOVES: dict[Progress, _Moves] = {
    PENDING: _Moves(PENDING, STREAMING, GONE),
    STREAMING: _Moves(STREAMING, ENDED, GONE),
    ENDED: _Moves(ENDED, DELIVERED, GONE),
    DELIVERED: _Moves(DELIVERED),
    GONE: _Moves(GONE),
}
