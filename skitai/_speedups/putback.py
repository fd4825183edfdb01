"""What stands for an application's iterable of which a lane has taken something and will not send it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["Failed", "PutBack"]


class PutBack:
    """``pieces`` are all that is to be sent, what was taken in front; closing closes ``iterable``."""

    def __init__(self, pieces: Iterator[Any], iterable: object) -> None:
        self._pieces = pieces
        self._iterable = iterable

    def __iter__(self) -> Iterator[Any]:
        return self._pieces

    def close(self) -> None:
        close = getattr(self._iterable, "close", None)
        if close is not None:
            close()


class Failed:
    """An iterator that fails as the one did of which it takes the place."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        raise self._error
