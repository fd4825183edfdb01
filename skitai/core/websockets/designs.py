"""What an application says when it is offered a WebSocket.

A request for one reaches the application like any other, with ``environ["websocket_init"] = ""``.  Who wants
it puts a tuple in there (and returns whatever it likes, which nobody reads)::

    environ["websocket_init"] = (skitai.WEBSOCKET_REQDATA, 60, "message")
    environ["websocket_init"] = (skitai.WEBSOCKET_MULTICAST, 60, "roomid", {"notices": True})

that is the design, the idle limit in seconds, the name of a variable, and options.  Who leaves it alone has
answered a plain request: its response goes out as it is.

    REQDATA     one call for each message, which is the argument of that name; what it returns is sent back
    DEDICATE    one call for the whole connection; the name is ignored
    MULTICAST   one call for all connections with the same value of that argument, or, if it is None, of
                the same path

Any thread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from skitai._constants import WEBSOCKET_DEDICATE, WEBSOCKET_MULTICAST, WEBSOCKET_REQDATA

__all__ = ["Design", "Options", "design_of"]

_DESIGNS = {
    WEBSOCKET_REQDATA: "WEBSOCKET_REQDATA",
    WEBSOCKET_DEDICATE: "WEBSOCKET_DEDICATE",
    WEBSOCKET_MULTICAST: "WEBSOCKET_MULTICAST",
}
_SHAPE = (
    'environ["websocket_init"] must be a tuple (design, seconds, variable) or (design, seconds, variable, '
    'options), as in (skitai.WEBSOCKET_REQDATA, 60, "message")'
)


@dataclass(frozen=True, slots=True)
class Options:
    """The fourth item, a dict of these names.

    Attributes:
        notices: a room is told who joins, by ``(client_id, 1)``, and who leaves, by ``(client_id, -1)``.
        subprotocols: those that the application speaks; the first of the client's that is among them is
            chosen (RFC 6455 section 1.9).
        origins: from which sites browsers may connect, beside the one that they connect to:
            ``"https://example.com"``, or ``"*"`` for all.
        on_slow_client: ``"close"`` or ``"drop_oldest"``: what becomes of the messages that one client of a
            room does not take.
        history: how many messages of a room are kept for clients that come back.
        history_seconds: for how long.
    """

    notices: bool = False
    subprotocols: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    on_slow_client: str = "close"
    history: int = 0
    history_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Design:
    """``keep_alive``: seconds without a message in either direction after which the connection is closed."""

    spec: int
    keep_alive: float
    variable: str | None
    options: Options = field(default_factory=Options)


def design_of(value: Any) -> Design:
    """Raises ValueError: it is none; the text says what is wrong with it."""
    if not isinstance(value, tuple) or len(value) not in (3, 4):
        raise ValueError(f"{_SHAPE}; it is {value!r}")
    spec, keep_alive, variable = value[:3]
    if type(spec) is not int or spec not in _DESIGNS:
        names = ", ".join(f"skitai.{name}" for name in _DESIGNS.values())
        raise ValueError(f"{_SHAPE}: the design is one of {names}, not {spec!r}")
    if not _is_time(keep_alive):
        raise ValueError(f"{_SHAPE}: the idle limit is a number of seconds above 0, not {keep_alive!r}")
    if variable is not None and (not isinstance(variable, str) or not variable):
        raise ValueError(f"{_SHAPE}: the variable is the name of an argument, or None, not {variable!r}")
    return Design(spec, float(keep_alive), variable, _options_of(value[3] if len(value) == 4 else {}))


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_time(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and value > 0


def _options_of(given: Any) -> Options:
    known = {"notices", "subprotocols", "origins", "on_slow_client", "history", "history_seconds"}
    if not isinstance(given, Mapping) or not set(given) <= known:
        raise ValueError(f"{_SHAPE}: the options are a dict of {', '.join(sorted(known))}, not {given!r}")
    options = Options(
        notices=bool(given.get("notices", False)),
        subprotocols=_texts(given, "subprotocols"),
        origins=_texts(given, "origins"),
        on_slow_client=given.get("on_slow_client", "close"),
        history=given.get("history", 0),
        history_seconds=given.get("history_seconds", 300.0),
    )
    if not _is_count(options.history):
        raise ValueError(f"{_SHAPE}: history is a number of messages, not {options.history!r}")
    if not _is_time(options.history_seconds):
        raise ValueError(f"{_SHAPE}: history_seconds is a number above 0, not {options.history_seconds!r}")
    if options.on_slow_client not in ("close", "drop_oldest"):
        raise ValueError(
            f'{_SHAPE}: on_slow_client is "close" or "drop_oldest", not {options.on_slow_client!r}'
        )
    return options


def _texts(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    texts = given.get(name, ())
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{_SHAPE}: {name} is a list of texts, not {texts!r}")
    return tuple(texts)
