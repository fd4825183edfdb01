"""WebSockets of the test client: the application is called as under a server, by the same rules, without one.

    send ──▶ a call in this thread (REQDATA) ──────────────────────▶ receive
    send ──▶ the inbox of a loop in a thread of its own (DEDICATE) ─▶ receive
    send ──▶ the inbox of the room's loop (MULTICAST) ──────────────▶ receive, each client of the room

What a handler raises comes out of `send` where it was called by that, and else of `receive` or `close`.
Idle limits, pings and slow clients are the server's, and not here.

A `TestWebSocket` is of one thread at a time; handlers that loop have their own.
"""

from __future__ import annotations

import io
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from skitai._constants import WEBSOCKET_DEDICATE, WEBSOCKET_REQDATA, reason_phrase
from skitai._kernels import websocket
from skitai.core.websockets.calls import NORMAL, close_code, environ_of, message_of
from skitai.core.websockets.designs import Design
from skitai.core.websockets.handles import Handle, Message, Room, checked
from skitai.core.websockets.inbox import Inbox
from skitai.core.websockets.opening import RoomKey, design_in, offer, room_key
from skitai.core.websockets.openroom import OpenRoom
from skitai.core.websockets.rooms import Rooms
from skitai.errors import ClientDisconnected, HTTPError
from skitai.limits import Limits
from skitai.saddle.testresponse import Body, TestResponse

__all__ = [
    "Handshake",
    "TestWebSocket",
    "WebSocketClosed",
    "WebSocketRefused",
    "handshake_fields",
    "open_socket",
]

#: Seconds for a message to come, and for a handler to return once its last client has gone.
_PATIENCE: Final = 5.0
_FAILED: Final = close_code(500)
_LIMITS: Final = Limits()


class WebSocketRefused(Exception):
    """There is no WebSocket.  ``response``: what the client got instead."""

    def __init__(self, response: TestResponse) -> None:
        super().__init__(f"{response!r} and no WebSocket: {response.text}")
        self.response = response


class WebSocketClosed(Exception):
    """It is, and all messages were received.  ``code``, ``reason``: with which words."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the WebSocket is closed: {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class Handshake:
    """The request for a WebSocket, and the calls that its messages make."""

    def __init__(
        self,
        url: str,
        environ: dict[str, Any],
        call: Callable[[str, dict[str, Any], Mapping[str, Any]], TestResponse],
        *,
        debug: bool,
        raises: bool,
    ) -> None:
        """``call(url, environ, added)``: see `TestClient`; ``debug``: of the application; ``raises``: what it
        raises, or else it is a 500."""
        self.url = url
        #: As the application has left it, which it does not see changed by calls.
        self.environ = environ
        self.debug = debug
        self._names = [name for name in environ if name != "wsgi.input"]
        self._call = call
        self._raises = raises

    def ask(self) -> TestResponse:
        """Raises what the application raises."""
        offer(self.environ)
        return self._call(self.url, self.environ, {}).read()

    def call(self, environ: dict[str, Any]) -> TestResponse:
        """Any thread.  Raises what the application raises, ClientDisconnected always."""
        given = {name: environ[name] for name in self._names if name in environ}
        # The validator has put its own in their places.
        given["wsgi.input"], given["wsgi.errors"] = io.BytesIO(), sys.stderr
        added = {name: value for name, value in environ.items() if name not in given}
        try:
            return self._call(self.url, given, added).read()
        except ClientDisconnected:
            raise
        except Exception as error:
            if self._raises or isinstance(error, AssertionError):
                raise
            return _response(self.url, 500, "")


def handshake_fields(subprotocols: Sequence[str]) -> dict[str, str]:
    """Headers of a request for one.  Raises ValueError: a subprotocol is no token."""
    return dict(websocket.Asking(subprotocols).fields)


def open_socket(
    application: Callable[..., Any],
    handshake: Handshake,
    response: TestResponse,
    subprotocols: Sequence[str],
) -> TestWebSocket:
    """As the application, which has answered ``response``, wants it.  Raises WebSocketRefused."""
    try:
        design = design_in(handshake.environ)
        if design is None:
            raise WebSocketRefused(response)
        line = _Line(next((name for name in subprotocols if name in design.options.subprotocols), None))
        receiver: _Receiver
        if design.spec == WEBSOCKET_REQDATA:
            receiver = _Calls(handshake, design, line)
        elif design.spec == WEBSOCKET_DEDICATE:
            receiver = _OwnLoop(handshake, line)
        else:
            key = room_key(handshake.environ, design)
            shared = _ROOMS.setdefault(application, _SharedRooms())
            receiver = _Place(shared, key, design, handshake, line)
    except HTTPError as error:
        raise WebSocketRefused(_response(handshake.url, error.status, str(error))) from error
    except ValueError as error:
        raise WebSocketRefused(_response(handshake.url, 500, str(error))) from error
    return TestWebSocket(line, receiver)


class TestWebSocket:
    """The client's end of a WebSocket."""

    __test__ = False

    def __init__(self, line: _Line, receiver: _Receiver) -> None:
        self._line = line
        self._receiver = receiver
        self._received: deque[Message] = deque()

    def __enter__(self) -> TestWebSocket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:  # which says more than what comes of it
            self._line.start_closing()

    @property
    def subprotocol(self) -> str | None:
        """Which of those that were offered is spoken; None: none."""
        return self._line.subprotocol

    @property
    def close_code(self) -> int | None:
        """Of whoever closed it first; None: it is open."""
        return self._line.code

    @property
    def close_reason(self) -> str:
        """What was said with `close_code`; empty while it is open."""
        return self._line.reason

    def send(self, message: Message) -> None:
        """Send a text, or bytes.

        Raises:
            WebSocketClosed: it is closed.
            Exception: what the handler raises, or has raised.
        """
        if self._line.code is not None:
            raise self._ending()
        self._receiver.message(checked(message))

    def receive(self, timeout: float = _PATIENCE) -> Message:
        """The next message.

        Raises:
            TimeoutError: none has come for ``timeout`` seconds; at once, where the application is called for
                each message and has sent no more than was received.
            WebSocketClosed: none will come.
            Exception: none will come, for the handler has raised this.
        """
        if not self._received:
            messages = self._line.messages.take(timeout if self._receiver.loop else 0)
            if messages is None:
                raise self._ending()
            if not messages:
                raise TimeoutError(f"no message has come for {timeout:g} s")
            self._received.extend(messages)
        return self._received.popleft()

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Say goodbye, and wait until a handler that was there for this client alone has returned; of no
        effect on one that is closed.

        Raises:
            LocalProtocolError: no client may send this code, or so long a reason.
            AssertionError: the handler goes on and on.
            Exception: what it has raised, if nobody was told.
        """
        self._line.start_closing(code, reason)
        loop = self._receiver.loop
        if loop is not None and self._receiver.is_over:
            loop.join(_PATIENCE)
            assert not loop.is_alive(), (
                f"the handler of {loop.name} has not returned {_PATIENCE:g} s after its last client has "
                "gone; getswait() gives None then"
            )
        if loop is not None and loop.failure is not None and not loop.is_told:
            raise self._ending()

    def _ending(self) -> BaseException:
        loop = self._receiver.loop
        if loop is not None and loop.failure is not None:
            loop.is_told = True
            return loop.failure
        return WebSocketClosed(self._line.code or NORMAL, self._line.reason)


class _Line:
    """Between both ends: the `Socket` of a handle.  Any thread."""

    def __init__(self, subprotocol: str | None) -> None:
        self.subprotocol = subprotocol
        #: For the client.
        self.messages = Inbox(sys.maxsize, _nothing)
        self.code: int | None = None
        self.reason = ""
        self.on_closed: Callable[[], None] = _nothing
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        with self._lock:
            if self.code is not None:
                raise ClientDisconnected("the WebSocket is closed")
            self.messages.put(message)

    def start_closing(self, code: int = NORMAL, reason: str = "") -> None:
        """Raises LocalProtocolError, as a server's: the code or the reason cannot be sent."""
        websocket.Connection(_LIMITS, is_client=False).send_close(code, reason)
        with self._lock:
            if self.code is not None:
                return
            self.code, self.reason = code, reason
        self.messages.close()
        self.on_closed()


class _Receiver(Protocol):
    """Whom the client's messages are for."""

    @property
    def loop(self) -> _Loop | None:
        """The handler that takes them; None: it is called for each."""

    @property
    def is_over(self) -> bool:
        """Nobody talks to that loop any more."""

    def message(self, message: Message) -> None: ...


class _Calls:
    """One call for each message, in the thread that sends it."""

    loop = None
    is_over = True

    def __init__(self, handshake: Handshake, design: Design, line: _Line) -> None:
        self._handshake = handshake
        self._variable = design.variable
        self._line = line

    def message(self, message: Message) -> None:
        handshake = self._handshake
        try:
            response = handshake.call(environ_of(handshake.environ, self._variable, message))
        except BaseException:
            self._line.start_closing(_FAILED, reason_phrase(500))
            raise
        status = response.status_code
        code = close_code(status)
        answer: Message | None = None
        if code == NORMAL:
            answer = message_of(status, response.headers.items(), response.data)
        elif handshake.debug and response.data:
            answer = response.text
        if answer is not None:
            with suppress(ClientDisconnected):  # the handler has closed its own client by now
                self._line.send(answer)
        if code != NORMAL:
            self._line.start_closing(code, reason_phrase(status))


class _Loop(threading.Thread):
    """A handler that loops."""

    def __init__(self, handshake: Handshake, handle: Handle | Room, on_over: Callable[[int], None]) -> None:
        super().__init__(name=handshake.url, daemon=True)
        self.failure: BaseException | None = None
        #: The client's side was.
        self.is_told = False
        self._handshake = handshake
        self._handle = handle
        self._on_over = on_over
        self.start()

    def run(self) -> None:
        code = _FAILED
        try:
            response = self._handshake.call({**self._handshake.environ, "websocket": self._handle})
            code = close_code(response.status_code)
        except ClientDisconnected:
            code = close_code(0)  # it wrote to a client that has gone, which nobody has to catch
        except BaseException as error:
            self.failure = error
        finally:
            self._on_over(code)


class _OwnLoop:
    """One loop for one client."""

    def __init__(self, handshake: Handshake, line: _Line) -> None:
        self._inbox = Inbox(sys.maxsize, _nothing)
        line.on_closed = self._inbox.close
        self.loop = _Loop(handshake, Handle(line, self._inbox), line.start_closing)

    @property
    def is_over(self) -> bool:
        return self._inbox.is_closed

    def message(self, message: Message) -> None:
        self._inbox.put(message)


class _SharedRooms:
    """Of all clients of one application.  What comes or goes does so under the lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rooms: Rooms[Message] = Rooms(_as_it_is)
        self.loops: dict[RoomKey, _Loop] = {}


class _Place:
    """One client's in a room; the `Member` too."""

    address = "127.0.0.1"
    dropped = 0
    is_numbered = False

    def __init__(
        self, shared: _SharedRooms, key: RoomKey, design: Design, handshake: Handshake, line: _Line
    ) -> None:
        self._shared = shared
        self._key = key
        self._handshake = handshake
        self._line = line
        self._room: OpenRoom[Message]
        notices = design.options.notices
        with shared.lock:
            self._room, self._number = shared.rooms.join(key, self, self._begin, notices=notices)
            self.loop = shared.loops[key]
        line.on_closed = self._leave
        if line.code is not None:  # the loop has ended before there was anybody to be told
            self._leave()

    @property
    def is_over(self) -> bool:
        return self._room.is_over

    def message(self, message: Message) -> None:
        self._room.put(self._number, message)

    def _begin(self, room: Room, on_over: Callable[[int], None]) -> None:
        self._shared.loops[self._key] = _Loop(self._handshake, room, on_over)

    def _leave(self) -> None:
        shared = self._shared
        with shared.lock:
            shared.rooms.leave(self._room, self._number)
            if self._room.is_over and shared.loops.get(self._key) is self.loop:
                del shared.loops[self._key]

    # -- the room's thread ----------------------------------------------------------------

    def send(self, encoded: Message) -> None:
        with suppress(ClientDisconnected):  # it has left, and the room has heard of it
            self._line.send(encoded)

    def resume(self) -> None:
        """It was not held."""

    def close(self, code: int, reason: str) -> None:
        self._line.start_closing(code, reason)


_ROOMS: WeakKeyDictionary[Callable[..., Any], _SharedRooms] = WeakKeyDictionary()


def _nothing() -> None:
    """Nobody has to be told."""


def _as_it_is(message: Message) -> Message:
    return message


def _response(url: str, status: int, text: str) -> TestResponse:
    body: Iterable[bytes] = io.BytesIO(text.encode())
    headers = [("Content-Type", "text/plain; charset=utf-8")]
    return TestResponse(url, f"{status} {reason_phrase(status)}", headers, Body(body))
