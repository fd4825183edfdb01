"""Heads and bodies on their way out, checked so that nobody can smuggle through us.

An application's header value with a line end in it would be a second field or a second
response (response splitting): everything that is not the grammar of RFC 9110 section 5.5 is refused
here, the last place all heads go through.  Body writers mirror the readers of ``bodies.py`` and
hold the sender to what its head announced.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from skitai._constants import reason_phrase
from skitai._pure.http1.events import Headers
from skitai._pure.http1.framing import forbidden_in_trailers
from skitai._pure.http1.grammar import BAD_VALUE, TOKEN
from skitai.errors import LocalProtocolError

__all__ = [
    "NO_BODY",
    "BodyWriter",
    "ChunkedWriter",
    "SizedWriter",
    "UntilCloseWriter",
    "announced_length",
    "encode_fields",
    "status_line",
]


#: Field names that are tokens, as applications have few.  Bounded, for they may make them of what comes.
_names: set[str] = set()
_NAMES_MAX = 1024
_NAME_LENGTH_MAX = 64


def encode_fields(headers: Iterable[tuple[str, str]]) -> str:
    """The field lines of ``headers`` and the empty line; raises ``LocalProtocolError``."""
    lines = []
    for name, value in headers:
        if name not in _names:
            _check_name(name)
        lines.append(name + ": " + value)  # which raises for what is no text
    # Nearly every head is of visible ASCII and spaces, which takes half the time of a search to see.
    text = "".join(lines)
    if not (text.isascii() and text.isprintable()):
        for line in lines:
            _check_value(line)
    lines += ("", "")
    return "\r\n".join(lines)


def _check_name(name: str) -> None:
    if not TOKEN.fullmatch(name):
        raise LocalProtocolError(f"field name {name!r} is not a token", rule="RFC 9110 section 5.1")
    if len(_names) < _NAMES_MAX and len(name) <= _NAME_LENGTH_MAX:
        _names.add(name)


def _check_value(line: str) -> None:
    """Of a line whose name is a token, and therefore without a colon."""
    if BAD_VALUE.search(line):
        name, _, value = line.partition(": ")
        raise LocalProtocolError(
            f"the value of field {name!r} has a line end, a control character or one beyond latin-1: "
            f"{value!r}",
            rule="RFC 9110 section 5.5",
        )


@lru_cache(maxsize=256)  # an application has few; remembered, one costs a tenth
def status_line(status: int, reason: str | None) -> bytes:
    """The status line with its CRLF; without ``reason`` the phrase of the registry."""
    phrase = reason_phrase(status) if reason is None else reason
    if BAD_VALUE.search(phrase):
        raise LocalProtocolError(f"bad character in the reason phrase {phrase!r}", rule="RFC 9112 section 4")
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("latin-1")


def announced_length(values: list[str]) -> int | None:
    """The number in our own Content-Length fields, ``None`` without one."""
    if not values:
        return None
    value = values[0]
    # What CONTENT_LENGTH says, at a third of its time.
    if len(values) > 1 or len(value) > 19 or not (value.isascii() and value.isdigit()):
        raise LocalProtocolError(
            f"Content-Length must be one decimal number, not {', '.join(values)!r}",
            rule="RFC 9110 section 8.6",
        )
    return int(value)


class BodyWriter(Protocol):
    @property
    def remaining(self) -> int | None:
        """Bytes still owed to Content-Length; ``None`` where nothing was announced."""

    def data(self, data: bytes) -> bytes: ...
    def skip(self, count: int) -> bool: ...
    def end(self, trailers: Headers) -> bytes: ...


def _no_trailers(trailers: Headers) -> None:
    if trailers:
        raise LocalProtocolError("only a chunked message can have trailers", rule="RFC 9112 section 7.1.2")


class NoBodyWriter:
    """For HEAD, 204, 304 and the like: what the application sends goes nowhere."""

    remaining = None

    def data(self, data: bytes) -> bytes:
        return b""

    def skip(self, count: int) -> bool:
        return False

    def end(self, trailers: Headers) -> bytes:
        return b""


#: It remembers nothing: one for all.
NO_BODY = NoBodyWriter()


class UntilCloseWriter:
    remaining = None

    def data(self, data: bytes) -> bytes:
        return data

    def skip(self, count: int) -> bool:
        return True

    def end(self, trailers: Headers) -> bytes:
        _no_trailers(trailers)
        return b""


class SizedWriter:
    __slots__ = ("remaining",)

    def __init__(self, length: int) -> None:
        self.remaining = length

    def data(self, data: bytes) -> bytes:
        self.skip(len(data))
        return data

    def skip(self, count: int) -> bool:
        if count > self.remaining:
            raise LocalProtocolError(
                f"body longer than its Content-Length: {count} bytes to send, {self.remaining} left",
                rule="RFC 9110 section 8.6",
            )
        self.remaining -= count
        return True

    def end(self, trailers: Headers) -> bytes:
        _no_trailers(trailers)
        if self.remaining:
            raise LocalProtocolError(
                f"body shorter than its Content-Length: {self.remaining} bytes are missing",
                rule="RFC 9110 section 8.6",
            )
        return b""


class ChunkedWriter:
    __slots__ = ()
    remaining = None

    def data(self, data: bytes) -> bytes:
        # An empty chunk would be the last one (RFC 9112 section 7.1).
        return b"%x\r\n%b\r\n" % (len(data), data) if data else b""

    def skip(self, count: int) -> bool:
        raise LocalProtocolError("a body that is sent by other means needs a Content-Length")

    def end(self, trailers: Headers) -> bytes:
        if not trailers:
            return b"0\r\n\r\n"
        forbidden = forbidden_in_trailers(trailers)
        if forbidden is not None:
            raise LocalProtocolError(f"field {forbidden!r} in the trailers", rule="RFC 9110 section 6.5.1")
        return b"0\r\n" + encode_fields(trailers).encode("latin-1")
