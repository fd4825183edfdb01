"""The client's half of the beginning: a WebSocket asked for on a connection that we have opened.

    ASKED ──101 that fits──▶ OPENED
      └── another answer, a failure ──▶ FAILED

What the socket does next is the `WebSocket`'s.  The owner of the connection, which is gone from among those
that can be asked, hears of it as of any that is closed; the WebSocket stands in the tables of another owner.

The loop thread.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Protocol

from skitai._pure.engine.outbound import OutboundConnection
from skitai._pure.engine.secure import Transport
from skitai._pure.engine.websocket import WebSocket
from skitai._pure.engine.wsphases import Receiver, WebSocketOwner
from skitai._pure.http1 import Headers, ResponseHead
from skitai._pure.websocket import Asking
from skitai.errors import RemoteProtocolError, SkitaiError

__all__ = ["WebSocketClient", "WebSocketOpening"]


class WebSocketClient(WebSocketOwner, Protocol):
    """Whose WebSockets they are."""

    def entered(self, websocket: WebSocket) -> None:
        """It stands in the owner's tables from now on, until `forget`."""


class _Stage(enum.Enum):
    ASKED = "no answer yet"
    OPENED = "a WebSocket"
    FAILED = "nothing more"

    __hash__ = object.__hash__


class WebSocketOpening:
    """A `SwitchTaker`."""

    __slots__ = (
        "_asking",
        "_connection",
        "_factory",
        "_message_max",
        "_on_failed",
        "_owner",
        "_peer",
        "_receiver",
        "_stage",
    )

    def __init__(
        self,
        owner: WebSocketClient,
        factory: type[WebSocket],
        receiver: Receiver,
        on_failed: Callable[[SkitaiError], None],
        *,
        peer: tuple[str, int] = ("", 0),
        subprotocols: Sequence[str] = (),
        message_max: int | None = None,
    ) -> None:
        """``factory``: `WebSocket` of the build; ``peer``: whom we ask.  ``on_failed(error)`` is called where
        there will be none, and otherwise ``receiver.opened``.  Raises ValueError for a subprotocol that is no
        token."""
        self._owner = owner
        self._factory = factory
        self._receiver = receiver
        self._on_failed = on_failed
        self._peer = peer
        self._message_max = message_max
        self._asking = Asking(subprotocols, owner.limits.ws_deflate_window)
        self._stage = _Stage.ASKED
        self._connection: OutboundConnection | None = None

    def ask(self, connection: OutboundConnection, target: str, fields: Headers) -> None:
        """Ask for ``target``; ``fields``: Host, and whatever the caller wants to be known by.  Raises
        LocalProtocolError, as `OutboundConnection.ask`."""
        self._connection = connection
        connection.ask_to_switch("GET", target, [*fields, *self._asking.fields], self)

    def cancel(self) -> None:
        """It is wanted no more; nobody is told.  Idempotent."""
        connection, self._connection = self._connection, None
        if self._stage is _Stage.ASKED:
            self._stage = _Stage.FAILED
            if connection is not None:
                connection.give_up()

    # -- what a taker is told -------------------------------------------------------------------

    def sent(self, complete: bool) -> None:
        """It is one small piece."""

    @property
    def is_patient(self) -> bool:
        return False

    def heard(self) -> None:
        """Whoever waits has a clock for all of it."""

    def whole(self, head: ResponseHead, body: bytes, is_noted: bool) -> bool:
        return False

    def interim(self, head: ResponseHead) -> None:
        """Nobody has use for it."""

    def head(self, head: ResponseHead) -> None:
        """Another answer than 101: its body is not worth reading."""
        try:
            self._asking.read(head)
        except RemoteProtocolError as error:
            self._fail(error)

    def data(self, data: bytes) -> bool:
        return True

    def end(self, trailers: Headers) -> None:
        """Only behind a head, which has ended it."""

    def failed(self, error: SkitaiError, unanswered: bool) -> None:
        self._connection = None
        self._fail(error)

    def switched(self, head: ResponseHead, sock: Transport, left: bytes) -> None:
        self._connection = None
        owner = self._owner
        try:
            opened = self._asking.read(head)
        except RemoteProtocolError as error:
            sock.close()
            self._fail(error)
            return
        self._stage = _Stage.OPENED
        factory = self._factory
        core = factory.core(
            owner.limits, is_client=True, deflate=opened.deflate, message_max=self._message_max
        )
        websocket = factory(
            owner,
            sock,
            self._peer,
            None,
            core,
            self._receiver,
            is_client=True,
            subprotocol=opened.subprotocol,
        )
        owner.entered(websocket)
        websocket.begin(left)

    def _fail(self, error: SkitaiError) -> None:
        if self._stage is _Stage.ASKED:
            self.cancel()
            self._on_failed(error)
