"""A client made of a socket: sends any bytes, reads responses one by one.

The acceptance tests judge the server with it, so it shares no code with Skitai, and it
is stricter than a browser: a body that ends before its framing says so is `Truncated`,
never a short answer.  Blocking, with a timeout on every read; one thread.
"""

from __future__ import annotations

import contextlib
import errno
import io
import socket
import struct
from dataclasses import dataclass, field

#: Statuses whose responses have no body whatever their fields say (RFC 9110 section 6.4.1).
BODYLESS = frozenset({204, 304})


class Truncated(Exception):
    """The connection ended inside a message; ``received`` is what of the body had come."""

    def __init__(self, received: bytes) -> None:
        super().__init__(f"the connection ended inside a message, after {len(received)} bytes of it")
        self.received = received


@dataclass
class Reply:
    """One response as it was on the wire; ``headers`` keeps order and repeats."""

    version: str
    status: int
    reason: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def get(self, name: str) -> str | None:
        """The first field of this name, in any case of letters."""
        return next(iter(self.get_all(name)), None)

    def get_all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")


class Wire:
    """One connection.  As a context manager it closes itself."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._reader = io.BufferedReader(sock.makefile("rb", buffering=0))

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()
        self.sock.close()

    def reset(self) -> None:
        """Leave rudely: RST instead of FIN, as a killed client does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def half_close(self) -> None:
        """Nothing more comes from here.  Raises ConnectionError: the server has reset the connection (which
        shutdown(2) calls ENOTCONN, an error that Python counts among no class of its own)."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
            raise ConnectionResetError(error.errno, "reset before it was half-closed") from None

    def send(self, data: bytes | str) -> None:
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def request(
        self,
        method: str,
        target: str,
        *fields: str,
        body: bytes = b"",
        version: str = "1.1",
    ) -> None:
        """Send one request; ``fields`` are whole lines such as ``"Accept: text/html"``."""
        lines = [f"{method} {target} HTTP/{version}", "Host: testserver", *fields]
        if body and not any(line.lower().startswith("content-length:") for line in fields):
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def get(self, target: str, *fields: str) -> Reply:
        """``request`` and ``read_reply`` of a GET in one."""
        self.request("GET", target, *fields)
        return self.read_reply()

    def post(self, target: str, body: bytes, *fields: str) -> Reply:
        self.request("POST", target, *fields, body=body)
        return self.read_reply()

    def read_head(self) -> Reply:
        """Status line and fields of the next response; the body stays unread."""
        line = self._line()
        version, _, rest = line.partition(" ")
        status, _, reason = rest.partition(" ")
        assert version in ("HTTP/1.0", "HTTP/1.1"), f"not a status line: {line!r}"
        reply = Reply(version[5:], int(status), reason)
        while line := self._line():
            name, colon, value = line.partition(":")
            assert colon, f"not a field line: {line!r}"
            assert name == name.strip(), f"space around a field name: {line!r}"
            reply.headers.append((name, value.strip()))
        return reply

    def read_reply(self, method: str = "GET") -> Reply:
        """The next final response with its body; 1xx responses before it are passed over."""
        reply = self.read_head()
        while 100 <= reply.status < 200:
            reply = self.read_head()
        if method == "HEAD" or reply.status in BODYLESS:
            return reply
        length = reply.get("Content-Length")
        if (reply.get("Transfer-Encoding") or "").lower() == "chunked":
            assert length is None, "Content-Length beside Transfer-Encoding"
            reply.body = self._chunked()
        elif length is not None:
            reply.body = self.read_exactly(int(length))
        else:
            reply.body = self._reader.read()
        return reply

    def read_chunk(self) -> bytes:
        """One chunk of a chunked body; b"" is the last one (its trailers are read as well)."""
        size = int(self._line().partition(";")[0], 16)
        data = self.read_exactly(size)
        if size:
            assert self._line() == "", "a chunk does not end with CRLF"
        else:
            while self._line():
                pass
        return data

    def read_exactly(self, count: int) -> bytes:
        data = b""
        with contextlib.suppress(ConnectionResetError):  # a reset, too, ends a message that is cut
            while len(data) < count and (more := self._reader.read1(count - len(data))):
                data += more
        if len(data) < count:
            raise Truncated(data)
        return data

    def read_rest(self) -> bytes:
        """Everything until the server closes; a reset after the last byte counts as closing."""
        parts = []
        with contextlib.suppress(ConnectionResetError):
            while data := self._reader.read1(65536):
                parts.append(data)
        return b"".join(parts)

    def has_ended(self) -> bool:
        """Wait for the next byte; True if the connection ended before it came."""
        with contextlib.suppress(ConnectionResetError):
            return not self._reader.peek(1)
        return True

    def is_closed(self) -> bool:
        """Wait for the server to close; True if it did without a further byte."""
        return self.read_rest() == b""

    def _chunked(self) -> bytes:
        parts: list[bytes] = []
        try:
            while chunk := self.read_chunk():
                parts.append(chunk)
        except Truncated as error:
            raise Truncated(b"".join([*parts, error.received])) from None
        return b"".join(parts)

    def _line(self) -> str:
        try:
            line = self._reader.readline(65537)
        except ConnectionResetError:
            line = b""
        if not line.endswith(b"\n"):
            raise Truncated(line)
        assert line.endswith(b"\r\n"), f"a line of the head ends without CR: {line!r}"
        return line[:-2].decode("latin-1")
