"""Start lines, and heads as a whole (RFC 9112 sections 2 to 5).

A head is read in two steps, each finished only when its bytes are complete: the start line
up to its LF, then the block of fields (``fields.py``).  The line is judged as soon as it is
complete, before any field is seen, so a refusal does not depend on how the bytes were cut and a bad
client is told without waiting for the rest.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Generic, NamedTuple, NoReturn, TypeVar

from skitai._pure.http1.buffer import ReceiveBuffer
from skitai._pure.http1.events import Headers
from skitai._pure.http1.fields import FieldBlockReader, excerpt
from skitai._pure.http1.grammar import (
    ABSOLUTE_FORM,
    AUTHORITY,
    NOT_TARGET,
    NOT_TOKEN,
    REQUEST_LINE,
    STATUS_LINE,
    TOKEN_BYTES,
)
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits

__all__ = [
    "HeadReader",
    "RequestLine",
    "StatusLine",
    "parse_request_line",
    "parse_status_line",
    "valid_authority",
]


class RequestLine(NamedTuple):
    """The parts of ``RequestHead`` that the request line decides; ``host`` is empty in origin-form."""

    method: str
    target: str
    http_version: str
    form: str
    scheme: str
    host: str
    path: str
    query: str


class StatusLine(NamedTuple):
    http_version: str
    status: int
    reason: str


Line = TypeVar("Line", RequestLine, StatusLine)


class HeadReader(Generic[Line]):
    """Reads one head after another out of a buffer: the parsed start line and the fields.

    ``skip_empty_line``: let one CRLF stand before the start line, as RFC 9112 section 2.2
    asks of servers.  ``too_long``: the status of an overlong start line.
    """

    __slots__ = ("_fields", "_line", "_line_max", "_may_skip", "_parse_line", "_skip_empty_line", "_too_long")

    def __init__(
        self, limits: Limits, parse_line: Callable[[str], Line], *, skip_empty_line: bool, too_long: int
    ) -> None:
        self._line_max = limits.request_line_max
        self._parse_line: Callable[[str], Line] = parse_line
        self._may_skip = self._skip_empty_line = skip_empty_line
        self._too_long = too_long
        self._fields = FieldBlockReader(limits, "header")
        self._line: Line | None = None

    @property
    def started(self) -> bool:
        """The start line has been read and the fields have not."""
        return self._line is not None

    @property
    def untouched(self) -> bool:
        """No byte of the next head has been taken from the buffer, nor an empty line before it."""
        return self._line is None and self._may_skip is self._skip_empty_line

    def read(self, buffer: ReceiveBuffer) -> tuple[Line, Headers] | None:
        """The next head, or ``None`` if it is not complete; raises ``RemoteProtocolError``."""
        line = self._line
        if line is None:
            line = self._line = self._read_line(buffer)
            if line is None:
                return None
        fields = self._fields.read(buffer)
        if fields is None:
            return None
        self._line = None
        self._may_skip = self._skip_empty_line
        return line, fields

    def _read_line(self, buffer: ReceiveBuffer) -> Line | None:
        if self._may_skip and buffer.startswith(b"\r"):
            if len(buffer) == 1:
                return None
            if buffer.startswith(b"\r\n"):
                buffer.take(2)
                self._may_skip = False
        if not buffer:
            return None
        start = buffer.peek(0, 1)
        if start[0] not in TOKEN_BYTES:
            # Neither a method nor "HTTP" begins so: TLS to a plain port, or the rest of a body that
            # was longer than announced.  Such a peer may never send the LF that we wait for.
            raise RemoteProtocolError(
                f"a message cannot begin with byte 0x{start[0]:02x}", rule="RFC 9112 section 2.1"
            )
        end = buffer.find(b"\n", self._line_max + 2)
        if end >= 0:
            return self._parse_line(buffer.take(end).decode("latin-1"))
        if len(buffer) >= self._line_max + 2:
            raise RemoteProtocolError(
                f"start line longer than {self._line_max} bytes",
                status=self._too_long,
                rule="RFC 9112 section 3, limit request_line_max",
            )
        return None


def parse_request_line(line: str) -> RequestLine:
    """Parse a request line with its line end; raises ``RemoteProtocolError`` (400, 505)."""
    match = REQUEST_LINE.fullmatch(line)
    if match is None:
        _refuse_request_line(line)
    method, target, major, minor = match.groups()
    if major != "1":
        _refuse_version(f"HTTP/{major}.{minor}")
    version = "1.0" if minor == "0" else "1.1"
    if method == "CONNECT":
        if not _connectable(target):
            raise RemoteProtocolError(
                f"the target of CONNECT must be host:port, not {excerpt(target)}",
                rule="RFC 9112 section 3.2.3",
            )
        return RequestLine(method, target, version, "authority", "", target.lower(), "", "")
    if target[0] == "/":
        path, _, query = target.partition("?")
        return RequestLine(method, target, version, "origin", "", "", path, query)
    if target == "*" and method == "OPTIONS":
        return RequestLine(method, target, version, "asterisk", "", "", "*", "")
    absolute = ABSOLUTE_FORM.fullmatch(target)
    if absolute is None:
        raise RemoteProtocolError(
            f"the request target {excerpt(target)} is none that {excerpt(method)} can have",
            rule="RFC 9112 section 3.2",
        )
    scheme, host, raw_path, raw_query = absolute.groups()
    if not host or host[0] == ":" or not valid_authority(host):
        # This refuses user information as well, which RFC 9110 section 4.2.4 asks for.
        raise RemoteProtocolError(
            f"the request target has an invalid authority: {excerpt(host)}", rule="RFC 9110 section 4.2"
        )
    # An OPTIONS for a URI without path is one for the server as a whole (RFC 9112 section 3.2.4).
    empty = "*" if method == "OPTIONS" and raw_query is None else "/"
    return RequestLine(
        method, target, version, "absolute", scheme.lower(), host.lower(), raw_path or empty, raw_query or ""
    )


def parse_status_line(line: str) -> StatusLine:
    """Parse a status line with its line end; raises ``RemoteProtocolError``."""
    match = STATUS_LINE.fullmatch(line)
    if match is None:
        _refuse_line_end(line, "status line")
        raise RemoteProtocolError(f"not a status line: {excerpt(line)}", rule="RFC 9112 section 4")
    major, minor, status, reason = match.groups()
    if major != "1":
        _refuse_version(f"HTTP/{major}.{minor}")
    return StatusLine("1.0" if minor == "0" else "1.1", int(status), reason or "")


def valid_authority(text: str) -> bool:
    """``text`` is ``uri-host [ ":" port ]`` (RFC 9110 section 7.2); empty counts as valid."""
    match = AUTHORITY.fullmatch(text)
    if match is None:
        return False
    if match[1] is None:
        return True
    try:
        ipaddress.IPv6Address(match[1])
    except ValueError:
        return False
    return True


def _connectable(target: str) -> bool:
    # RFC 9110 section 9.3.6: an empty or invalid port number must be refused.
    host, _, port = target.rpartition(":")
    usable = port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536
    return usable and host != "" and valid_authority(target)


def _refuse_version(version: str) -> NoReturn:
    raise RemoteProtocolError(
        f"{version} is not spoken here, HTTP/1.1 is", status=505, rule="RFC 9110 section 15.6.6"
    )


def _refuse_line_end(line: str, what: str) -> None:
    if not line.endswith("\r\n"):
        raise RemoteProtocolError(f"{what} ends with a bare LF", rule="RFC 9112 section 2.2")
    if "\r" in line[:-2]:
        raise RemoteProtocolError(f"{what} has a bare CR", rule="RFC 9112 section 2.2")


def _refuse_request_line(line: str) -> NoReturn:
    _refuse_line_end(line, "request line")
    line = line[:-2]
    parts = line.split(" ")
    fault = f"request line is not method SP target SP version: {excerpt(line)}"
    if len(parts) == 2 and not NOT_TARGET.search(parts[1]):
        fault = f"request line has no HTTP version (HTTP/0.9 is not spoken): {excerpt(line)}"
    elif len(parts) == 3:
        method, target, version = parts
        if not method or NOT_TOKEN.search(method):
            fault = f"the method is not a token: {excerpt(method)}"
        elif not target or NOT_TARGET.search(target):
            fault = f"the request target has a character that it may not have: {excerpt(target)}"
        else:
            fault = f"not an HTTP version: {excerpt(version)}"
    raise RemoteProtocolError(fault, rule="RFC 9112 section 3")
