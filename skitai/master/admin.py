"""Private answers over HTTP: just enough of it, without I/O, and the sockets around.

A request is a head without a body; the answer ends with the connection, unless that becomes something
else (101).  Who asks is a health check, Prometheus, an operator's command or browser, on an address that is
theirs: what is not plain is refused, what is slow is cut off, and more than `_OPEN_MAX` at once are.  The
master has no kernels, and needs none for this.
"""

from __future__ import annotations

import json
import selectors
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Admin", "BadRequest", "Reply", "Request", "read_request"]

_HEAD_MAX = 8192
#: Of those who may change something, and of all others: these never keep an operator out.
_OPEN_MAX = 64
#: Seconds from accept to the whole answer.
_PATIENCE = 10.0
_REASONS = {
    101: "Switching Protocols",
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


class BadRequest(Exception):
    """``str()`` is a line for who sent it."""


@dataclass(frozen=True, slots=True)
class Request:
    """``may_change``: it came by a socket that only operators may write to."""

    method: str
    path: str
    query: Mapping[str, str]
    may_change: bool
    #: By name, in lower case; of several of one name the last.
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: str
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    #: For 101: takes the socket, once that is told.
    switch: Callable[[socket.socket], None] | None = None

    @classmethod
    def of_json(cls, value: Any) -> Reply:
        return cls(200, json.dumps(value, indent=2, default=str) + "\n", "application/json")

    def encode(self, *, has_body: bool) -> bytes:
        body = self.body.encode()
        fields = list(self.headers)
        if self.switch is None:
            fields += [
                ("Content-Type", self.content_type),
                ("Content-Length", str(len(body))),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
                ("Connection", "close"),
            ]
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
        head = f"HTTP/1.1 {self.status} {_REASONS[self.status]}\r\n{lines}\r\n"
        return head.encode() + (body if has_body else b"")


def read_request(data: bytes, *, may_change: bool) -> Request | None:
    """None until the whole head is there.  Raises BadRequest."""
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        if len(data) > _HEAD_MAX:
            raise BadRequest("the head is too long")
        return None
    line, *lines = head.decode("latin-1").split("\r\n")
    words = line.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        raise BadRequest("this is no request of HTTP/1.1")
    try:
        target = urlsplit(f"http://admin{words[1]}")
    except ValueError:
        raise BadRequest("this is no path") from None
    pairs = (one.partition(":") for one in lines)
    fields = {name.lower(): value.strip(" \t") for name, _, value in pairs}
    return Request(words[0], target.path, dict(parse_qsl(target.query)), may_change, fields)


class _Conversation:
    def __init__(self, sock: socket.socket, may_change: bool) -> None:
        self.socket = sock
        self.may_change = may_change
        self.deadline = monotonic() + _PATIENCE
        self.data = b""
        self.has_body = True
        self.is_asked = False


class Admin:
    """In the loop of the master.  ``respond`` is given each request, and a function for its reply, which may
    be called at any time in this loop."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        sockets: Sequence[tuple[socket.socket, bool]],
        respond: Callable[[Request, Callable[[Reply], None]], None],
    ) -> None:
        """``sockets`` listen; the flag says who may change something by it."""
        self._selector = selector
        self._respond = respond
        self._open: dict[socket.socket, _Conversation] = {}
        for sock, may_change in sockets:
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ, self._acceptor(sock, may_change))

    def next_deadline(self) -> float:
        return min((conversation.deadline for conversation in self._open.values()), default=float("inf"))

    def check_deadlines(self) -> None:
        now = monotonic()
        for conversation in [one for one in self._open.values() if one.deadline <= now]:
            self._end(conversation)

    def _acceptor(self, listening: socket.socket, may_change: bool) -> Callable[[], bool]:
        def accept() -> bool:
            with suppress(OSError):  # who came is gone already, or we have no descriptor left
                sock, _ = listening.accept()
                alike = sum(other.may_change == may_change for other in self._open.values())
                if alike >= _OPEN_MAX:
                    sock.close()
                    return True
                sock.setblocking(False)
                conversation = _Conversation(sock, may_change)
                self._open[sock] = conversation
                self._selector.register(sock, selectors.EVENT_READ, lambda: self._receive(conversation))
            return True

        return accept

    def _receive(self, conversation: _Conversation) -> bool:
        try:
            data = conversation.socket.recv(_HEAD_MAX)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            self._end(conversation)
            return True
        if conversation.is_asked:
            return True  # what comes behind a request is not looked at
        conversation.data += data
        try:
            request = read_request(conversation.data, may_change=conversation.may_change)
        except BadRequest as error:
            self._reply(conversation, Reply(400, f"{error}\n"))
            return True
        if request is not None:
            conversation.is_asked = True
            conversation.has_body = request.method != "HEAD"
            self._respond(request, lambda reply: self._reply(conversation, reply))
        return True

    def _reply(self, conversation: _Conversation, reply: Reply) -> None:
        if conversation.socket not in self._open:
            return  # it took too long, or they are gone
        self._selector.modify(
            conversation.socket,
            selectors.EVENT_WRITE,
            self._sender(
                conversation, memoryview(reply.encode(has_body=conversation.has_body)), reply.switch
            ),
        )

    def _sender(
        self,
        conversation: _Conversation,
        left: memoryview,
        switch: Callable[[socket.socket], None] | None,
    ) -> Callable[[], bool]:
        def send() -> bool:
            nonlocal left
            try:
                left = left[conversation.socket.send(left) :]
            except BlockingIOError:
                return True
            except OSError:
                self._end(conversation)
                return True
            if not left and switch is not None:
                self._leave(conversation)
                switch(conversation.socket)
            elif not left:
                self._end(conversation)
            return True

        return send

    def _leave(self, conversation: _Conversation) -> None:
        del self._open[conversation.socket]
        self._selector.unregister(conversation.socket)

    def _end(self, conversation: _Conversation) -> None:
        self._leave(conversation)
        conversation.socket.close()
