"""Through a proxy to another server: CONNECT (RFC 9110 section 9.3.6).

Behind a 2xx answer the socket leads to the server itself, which speaks only when spoken to (TLS): what a
proxy sends behind its answer is none of its business, and refused.

The loop thread.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from skitai._kernels import engine, http1
from skitai.core.outbound.rawsocket import RawSocket
from skitai.core.outbound.request import Origin
from skitai.errors import ConnectError, RemoteProtocolError, SkitaiError
from skitai.limits import Limits

__all__ = ["Tunnel"]

_READ_SIZE = 4096


class Tunnel(RawSocket):
    """``on_done(sock)`` or ``on_failed(error)`` is called once, unless it is closed before."""

    __slots__ = ("_http", "_on_done", "_on_failed", "_origin")

    def __init__(
        self,
        loop: engine.EventLoop,
        limits: Limits,
        sock: socket.socket,
        origin: Origin,
        on_done: Callable[[socket.socket], None],
        on_failed: Callable[[SkitaiError], None],
    ) -> None:
        super().__init__(loop, sock)
        self._origin = origin
        self._on_done = on_done
        self._on_failed = on_failed
        self._http = http1.ClientConnection(limits)

    def begin(self) -> None:
        origin = self._origin
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        target = f"{host}:{origin.port}"
        headers = [("Host", target)]
        if origin.proxy_authorization:
            headers.append(("Proxy-Authorization", origin.proxy_authorization))
        self._unsent = self._http.send_request("CONNECT", target, headers) + self._http.end_of_message()
        self._send()

    def _may_read(self, error: OSError) -> bool:
        self._fail(f"sending failed: {error.strerror or error}")
        return False

    def _on_ready(self, events: int) -> None:
        if events & engine.WRITE:
            self._send()
            return
        try:
            self._http.receive_data(self._sock.recv(_READ_SIZE))
            event = self._http.next_event()
            while isinstance(event, http1.ResponseHead) and event.status < 200:
                event = self._http.next_event()
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, RemoteProtocolError) as error:
            self._fail(str(error))
            return
        if event is http1.NEED_DATA:
            return
        if not isinstance(event, http1.ResponseHead):
            self._fail("it closed the connection")
        elif event.status >= 300:
            self._fail(f"it answered {event.status} {event.reason}".rstrip())
        elif self._http.trailing_data:
            self._fail("it sent something behind its answer")
        else:
            self._watch(0)
            self._on_done(self._sock)

    def _fail(self, why: str) -> None:
        proxy = self._origin.proxy
        assert proxy is not None
        self.close()
        self._on_failed(
            ConnectError(f"the proxy {proxy.authority} makes no way to {self._origin.host}: {why}")
        )
