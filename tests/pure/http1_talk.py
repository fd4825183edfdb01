"""Short words for conversations with the kernel, used by the ``test_http1_*`` files."""

from __future__ import annotations

from dataclasses import dataclass, field

from skitai._kernels import http1
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits


@dataclass
class Heard:
    """What a stream of bytes came to: messages without the borders of their pieces."""

    heads: list[http1.RequestHead | http1.ResponseHead] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    trailers: list[list[tuple[str, str]]] = field(default_factory=list)
    closed: bool = False
    refusal: tuple[int, str] | None = None


def server(**limits: int) -> http1.ServerConnection:
    return http1.ServerConnection(Limits(**limits))


def client(method: str = "GET", **limits: int) -> http1.ClientConnection:
    """A client whose request is sent."""
    connection = http1.ClientConnection(Limits(**limits))
    target = "h:443" if method == "CONNECT" else "/"
    connection.send_request(method, target, [("Host", "h"), ("Upgrade", "websocket")])
    connection.end_of_message()
    return connection


def drain(connection: http1.ServerConnection | http1.ClientConnection, heard: Heard) -> None:
    """Take every event there is; a server answers each request in one line to go on."""
    while True:
        try:
            event = connection.next_event()
        except RemoteProtocolError as error:
            heard.refusal = (error.status, str(error))
            return
        if isinstance(event, http1.RequestHead | http1.ResponseHead):
            heard.heads.append(event)
            if not getattr(event, "is_informational", False):
                heard.bodies.append(b"")
        elif isinstance(event, http1.Data):
            assert event.data
            heard.bodies[-1] += event.data
        elif isinstance(event, http1.EndOfMessage):
            heard.trailers.append(event.trailers)
        elif isinstance(event, http1.ConnectionClosed):
            heard.closed = True
            return
        elif event is http1.PAUSED and connection.our_state is http1.State.SEND_RESPONSE:
            assert isinstance(connection, http1.ServerConnection)
            connection.send_response(404, [("Content-Length", "0")])
            connection.end_of_message()
            if connection.must_close:
                return
            connection.start_next_cycle()
        else:
            return


def hear(
    *pieces: bytes,
    connection: http1.ServerConnection | http1.ClientConnection | None = None,
    eof: bool = False,
    **limits: int,
) -> Heard:
    """Feed ``pieces`` one after the other (and the end of file) to a new server connection."""
    connection = connection or server(**limits)
    heard = Heard()
    for piece in (*filter(None, pieces), *([b""] if eof else [])):
        connection.receive_data(piece)
        drain(connection, heard)
        if heard.refusal is not None:
            break
    return heard


def head_of(raw: bytes, **limits: int) -> http1.RequestHead:
    """The one request head in ``raw``."""
    heard = hear(raw, **limits)
    assert heard.refusal is None, heard.refusal
    (head,) = heard.heads
    assert isinstance(head, http1.RequestHead)
    return head


def refusal(raw: bytes, **limits: int) -> tuple[int, str]:
    """Status and text of the refusal of ``raw``, which yields no head and no end of message."""
    heard = hear(raw, **limits)
    assert heard.refusal is not None, heard
    assert not heard.trailers
    return heard.refusal


def get(*fields: str, line: str = "GET / HTTP/1.1", host: bool = True) -> bytes:
    """A request head as bytes; ``fields`` without their line ends."""
    lines = [line, *(["Host: h"] if host else []), *fields]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")
