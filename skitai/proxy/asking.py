"""The request that one member gets: a `Fetch` whose body and answer pass through.

It differs from one of `was` in four things: its body may have to wait for the client, who then is the one who
is slow; interim responses count; an answer that is there at once is passed on at once; and it may ask for
another protocol.

The loop thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from skitai._kernels import engine, http1
from skitai.core.outbound.fetch import Fetch, FetchOwner, Stage
from skitai.core.outbound.request import Outcome, Request, Response
from skitai.errors import LocalProtocolError

__all__ = ["Asking", "Way"]

_COPY_MAX = 16384


class Way(Protocol):
    """The passage that it belongs to."""

    @property
    def upgrades(self) -> bool:
        """The client would like the connection to become something else."""

    @property
    def has_begun(self) -> bool:
        """A final head has come."""

    @property
    def is_starved(self) -> bool:
        """The body waits for the client."""

    @property
    def whole_body(self) -> bytes | None:
        """All of it, where it can go at once."""

    def interim(self, head: http1.ResponseHead) -> None:
        """Raises RemoteProtocolError, which ends the request."""

    def whole(self, head: http1.ResponseHead, body: bytes) -> None: ...
    def switched(self, head: http1.ResponseHead, sock: engine.Transport, left: bytes) -> None: ...


class Asking(Fetch):
    """Also an `engine.SwitchTaker`."""

    __slots__ = ("_way",)

    def __init__(
        self, client: FetchOwner, request: Request, on_done: Callable[[Outcome], None], way: Way
    ) -> None:
        super().__init__(client, request, on_done)
        self._way = way

    def go(self, connection: engine.OutboundConnection) -> None:
        request = self.request
        if not self._way.upgrades:
            body = self._way.whole_body
            if body is not None and len(body) <= _COPY_MAX:
                request.body = body
            super().go(connection)
            return
        assert self.pool is not None
        self._connection = connection
        self._is_kept = connection.served > 0
        self._stage = Stage.ASKING
        headers = request.headers
        if not any(name.lower() == "host" for name, _ in headers):
            headers = [("Host", self.pool.authority), *headers]
        try:
            connection.ask_to_switch(request.method, request.target, headers, self)
        except LocalProtocolError as error:
            self.fail(error)
            return
        self._set_clock("first_byte_timeout", request.first_byte_timeout)

    def sent(self, complete: bool) -> None:
        request = self.request
        if self._way.is_starved:
            self._set_clock("", 0)
        elif complete and not self._way.has_begun:
            self._set_clock("first_byte_timeout", request.first_byte_timeout)
        else:
            self._set_clock("between_bytes_timeout", request.between_bytes_timeout)

    def send_on(self) -> None:
        """There is more of the body, or its end."""
        if self._connection is not None:
            self._set_clock("between_bytes_timeout", self.request.between_bytes_timeout)
            self._connection.send_on()

    @property
    def is_patient(self) -> bool:
        return False

    def interim(self, head: http1.ResponseHead) -> None:
        self._way.interim(head)

    def whole(self, head: http1.ResponseHead, body: bytes, is_noted: bool) -> bool:
        if is_noted:
            self._heed(head)
        self._connection = None
        self._way.whole(head, body)
        self.response = Response(head, b"", [])
        self._finish()
        return True

    def switched(self, head: http1.ResponseHead, sock: engine.Transport, left: bytes) -> None:
        self._connection = None
        self._way.switched(head, sock, left)
        self.response = Response(head, b"", [])
        self._finish()
