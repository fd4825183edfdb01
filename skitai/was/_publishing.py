"""``was.publish(room, message)``: to everybody in a room, whichever process the clients are connected to.

A server hands in how (`provide_rooms`); anywhere else there are no rooms.  Any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from skitai._lazy import LazyModule

if TYPE_CHECKING:
    from skitai.core.websockets import handles
    from skitai.core.websockets.handles import Message
else:
    handles = LazyModule("skitai.core.websockets.handles")

__all__ = ["provide_rooms", "publish"]


class _Current:
    say: Callable[[str, Message], None] | None = None


def provide_rooms(say: Callable[[str, Message], None]) -> None:
    """From now on the rooms of this process are these."""
    _current.say = say


def publish(room: str, message: Message) -> None:
    """Say ``message`` (str or bytes) to everybody in ``room``: the path of its URL, with ``?value`` where an
    argument names the room.  It is on its way when this returns; a room where nobody is hears nothing.

    Raises:
        SendQueueFull: the bus is not as fast as this (``ws_bus_queue_max``).
        RuntimeError: this process serves nobody.
        TypeError: it is no message.
    """
    if _current.say is None:
        raise RuntimeError("was.publish speaks in the rooms of a server, and this process is none")
    _current.say(room, handles.checked(message))


_current = _Current()
