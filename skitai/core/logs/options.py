"""How logs are written: as lines of words or of JSON, when a file is full, what is left out."""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["LogOptions", "LogSettings", "Rotation"]


class Rotation(NamedTuple):
    """When a file gets another name, and a new one its own.

    ``every``: ``daily``, ``monthly`` or ``no``.  ``size``: bytes, 0 for any.  ``keep``: files of the past.
    """

    every: str = "no"
    size: int = 0
    keep: int = 100


class LogSettings(Protocol):
    """The keys of ``[server]``."""

    @property
    def log_format(self) -> str: ...
    @property
    def log_rotate(self) -> str: ...
    @property
    def log_rotate_size(self) -> int: ...
    @property
    def log_keep(self) -> int: ...
    @property
    def log_off(self) -> tuple[str, ...]: ...


class LogOptions(NamedTuple):
    """``off``: paths whose requests have no line; ``*`` stands for anything."""

    json: bool = False
    rotation: Rotation = Rotation()
    off: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: LogSettings) -> LogOptions:
        rotation = Rotation(settings.log_rotate, settings.log_rotate_size, settings.log_keep)
        return cls(settings.log_format == "json", rotation, settings.log_off)
