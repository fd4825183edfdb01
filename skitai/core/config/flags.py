"""The command line options of the key table, for `argparse`.

`add_flags` declares ``--keep-alive 5`` for every key of ``[server]``, ``--debug`` and ``--no-debug`` where
the value is yes or no (or for the keys of another section); `given_flags` picks what was typed, as the
``overrides`` of `loading`.  Values stay text here: they are read where all values are."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from skitai.core.config.keys import Key
from skitai.core.config.kinds import YES_NO
from skitai.core.config.settings import TABLES

__all__ = ["add_flags", "given_flags"]

_PREFIX = "setting "  # a space keeps them apart from the parser's own names


def add_flags(
    parser: ArgumentParser,
    keys: Mapping[str, Key] = TABLES["server"],
    also: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Declare an option for each of ``keys`` that is no secret; a list may be repeated.

    ``also``: further names of options, by key.
    """
    group = parser.add_argument_group("settings (over the environment, over the configuration file)")
    for key in keys.values():
        if key.secret:
            continue
        destination = _PREFIX + key.name
        names = (key.flag, *also.get(key.name, ()))
        text = " ".join(filter(None, (key.unit, key.reason))).replace("%", "%%")
        if key.kind is YES_NO:
            group.add_argument(
                *names, dest=destination, action=BooleanOptionalAction, default=SUPPRESS, help=text
            )
        else:
            group.add_argument(
                *names,
                dest=destination,
                action="append" if key.kind.many else "store",
                metavar=key.kind.name.upper().replace(" ", "_"),
                default=SUPPRESS,
                help=text,
            )


def given_flags(namespace: Namespace) -> dict[str, str]:
    """The options that were typed: ``{"keep_alive": "5", "bind": ":80, unix:/run/x", "debug": "yes"}``."""
    given: dict[str, str] = {}
    for destination, value in vars(namespace).items():
        if destination.startswith(_PREFIX):
            given[destination.removeprefix(_PREFIX)] = _text(value)
    return given


def _text(value: str | bool | list[str]) -> str:
    if isinstance(value, bool):
        return YES_NO.write(value)
    return ", ".join(value) if isinstance(value, list) else value
