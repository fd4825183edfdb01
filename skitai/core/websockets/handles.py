"""``environ["websocket"]``: one client's connection, and a room with many.

    while 1:
        messages = ws.getswait(10)      # in an async def: await ws.receives(10)
        if messages is None:            # it is over; [] would be: nothing came for 10 seconds
            break
        for message in messages:
            ws.send("You said: " + message)

A text is a ``str``, a binary message ``bytes``, in both directions.  Any thread; messages are for one taker
at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NoReturn, Protocol

from skitai.core.websockets.inbox import Inbox

__all__ = ["Handle", "Members", "Message", "Room", "Socket", "checked"]

Message = str | bytes


def checked(message: Any) -> Message:
    """Raises TypeError: it can be no message."""
    if isinstance(message, str):
        return message
    if isinstance(message, (bytes, bytearray, memoryview)):
        return bytes(message)
    raise TypeError(
        f"a message is a str or bytes, not {type(message).__name__}: json.dumps makes a text of data"
    )


class Socket(Protocol):
    """One client's connection; any thread."""

    @property
    def subprotocol(self) -> str | None: ...

    def send(self, message: Message) -> object:
        """Raises ClientDisconnected: it is closed; SendQueueFull: the client takes nothing."""

    def start_closing(self, code: int = 1000, reason: str = "") -> object:
        """Of no effect on one that is closed."""


class Handle:
    """One client's connection, as the handler has it whose own it is (``WEBSOCKET_DEDICATE``)."""

    def __init__(self, socket: Socket, inbox: Inbox) -> None:
        self._socket = socket
        self._inbox = inbox

    @property
    def subprotocol(self) -> str | None:
        """Which one was chosen of those that the handler speaks; None: none."""
        return self._socket.subprotocol

    def getswait(self, timeout: float | None = None) -> list[Message] | None:
        """The messages that have come since the last time; ``[]``: none within ``timeout`` seconds (None:
        wait until there is one); None: the connection is closed, and every message was given."""
        return self._inbox.take(timeout)

    async def receives(self, timeout: float | None = None) -> list[Message] | None:
        """`getswait` in an ``async def``."""
        return await self._inbox.take_async(timeout)

    def __iter__(self) -> Iterator[Message]:
        """Each message, until the connection is closed."""
        while (messages := self.getswait()) is not None:
            yield from messages

    async def __aiter__(self) -> AsyncIterator[Message]:
        while (messages := await self.receives()) is not None:
            for message in messages:
                yield message

    def send(self, message: Message) -> None:
        """Raises ClientDisconnected: the connection is closed; SendQueueFull: so much waits for a client that
        takes nothing (``ws_queue_max``) that this was not taken; TypeError: it is neither text nor bytes."""
        self._socket.send(checked(message))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye (RFC 6455 section 7.4 lists codes); messages that were sent before go first."""
        self._socket.start_closing(code, reason)

    def closed(self) -> bool:
        """Whether nothing more can come; messages that were not taken may be left."""
        return self._inbox.is_closed


class Members(Protocol):
    """The connections of a room; any thread."""

    @property
    def clients(self) -> Mapping[int, str]: ...
    @property
    def present(self) -> Mapping[int, str]: ...
    def send_all(self, message: Message) -> object: ...
    def send_to(self, client_id: int, message: Message) -> object: ...
    def close_all(self, code: int, reason: str) -> object: ...


class Room:
    """All connections of one room, as its handler has them (``WEBSOCKET_MULTICAST``).

    A message is ``(client_id, text or bytes)``.  Where the handler has asked for notices, ``(client_id, 1)``
    says that somebody has joined, and ``(client_id, -1)`` that somebody has left.
    """

    def __init__(self, members: Members, inbox: Inbox) -> None:
        self._members = members
        self._inbox = inbox

    @property
    def clients(self) -> Mapping[int, str]:
        """Who is here at the moment, of this process: addresses, by client id; a copy."""
        return self._members.clients

    @property
    def present(self) -> Mapping[int, str]:
        """The same, of all processes that have the room."""
        return self._members.present

    def getswait(self, timeout: float | None = None) -> list[tuple[int, Any]] | None:
        """As that of `Handle`; None: the last client has left."""
        return self._inbox.take(timeout)

    async def receives(self, timeout: float | None = None) -> list[tuple[int, Any]] | None:
        """`getswait` in an ``async def``."""
        return await self._inbox.take_async(timeout)

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        while (messages := self.getswait()) is not None:
            yield from messages

    async def __aiter__(self) -> AsyncIterator[tuple[int, Any]]:
        while (messages := await self.receives()) is not None:
            for message in messages:
                yield message

    def sendall(self, message: Message) -> None:
        """To everybody in the room, in all processes.  Raises SendQueueFull: the bus is not as fast as this
        (``ws_bus_queue_max``), and it was said to nobody."""
        self._members.send_all(checked(message))

    def sendto(self, client_id: int, message: Message) -> None:
        """To one of them; to nobody, if that one has left."""
        self._members.send_to(client_id, checked(message))

    def send(self, message: Message) -> NoReturn:
        """Not in a room.  Raises TypeError."""
        raise TypeError(
            "a room has many clients: say which one, sendto(client_id, message), or sendall(message)"
        )

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye to everybody."""
        self._members.close_all(code, reason)

    def closed(self) -> bool:
        """Whether the last client has left."""
        return self._inbox.is_closed
