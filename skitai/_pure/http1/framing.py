"""What the fields of a head mean for the connection: the body's length above all.

RFC 9112 section 6.3 decides how long a message is, and two parsers that decide differently
are a hole in the wall (section 11.2).  So each framing field may be given once, in
one spelling; every other way to say the same is refused instead of repaired.
"""

from __future__ import annotations

from typing import NoReturn

from skitai._constants import NO_BODY_STATUSES
from skitai._pure.http1.events import Headers, RequestHead, ResponseHead
from skitai._pure.http1.fields import excerpt
from skitai._pure.http1.grammar import CODINGS_THEN_CHUNKED, CONTENT_LENGTH
from skitai._pure.http1.heads import RequestLine, StatusLine, valid_authority
from skitai.errors import RemoteProtocolError

__all__ = [
    "connection_options",
    "forbidden_in_trailers",
    "request_head",
    "response_has_body",
    "response_head",
    "switches",
]

_MEANT_FOR_US = frozenset({"host", "content-length", "transfer-encoding", "connection", "expect"})

# RFC 9110 section 6.5.1: nothing that frames, routes, modifies, authenticates or describes the content.
_NOT_IN_TRAILERS = frozenset(
    {
        *("transfer-encoding", "content-length", "trailer", "te"),
        *("host", "connection", "keep-alive", "proxy-connection", "upgrade", "expect", "max-forwards"),
        *("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
        *("authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate"),
        *("cookie", "set-cookie"),
        *("content-encoding", "content-type", "content-range"),
        *("cache-control", "pragma", "age", "date", "expires", "vary", "warning", "location", "retry-after"),
        *("range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"),
    }
)


def request_head(line: RequestLine, headers: Headers) -> RequestHead:
    """Put a request head together; raises ``RemoteProtocolError`` (400, 417, 501)."""
    ours = _collect(headers)
    modern = line.http_version == "1.1"
    host = _host(ours.get("host"), modern)
    chunked = _chunked(ours.get("transfer-encoding"), modern)
    length = _content_length(ours.get("content-length"), chunked)
    return RequestHead(
        line.method,
        line.target,
        line.http_version,
        headers,
        line.form,
        line.scheme,
        line.host or host,
        line.path,
        line.query,
        length,
        chunked,
        _persistent(ours.get("connection"), modern),
        _expect_continue(ours.get("expect"), modern),
    )


def response_head(line: StatusLine, headers: Headers, method: str) -> ResponseHead:
    """Put the head of a response to ``method`` together; raises ``RemoteProtocolError``.

    ``keep_alive`` is false as well where only the end of the connection ends the body.
    """
    ours = _collect(headers)
    modern = line.http_version == "1.1"
    chunked, length = False, None
    if line.status >= 200 and not switches(method, line.status):
        # Of interim responses and opened tunnels the framing fields must be ignored
        # (RFC 9112 section 6.3, rules 1 and 2).
        chunked = _chunked(ours.get("transfer-encoding"), modern)
        length = _content_length(ours.get("content-length"), chunked)
    framed = chunked or length is not None or not response_has_body(method, line.status)
    persistent = framed and _persistent(ours.get("connection"), modern)
    return ResponseHead(line.status, line.reason, line.http_version, headers, length, chunked, persistent)


def switches(method: str, status: int) -> bool:
    """Whether behind this response the connection is no longer HTTP (RFC 9110 sections 7.8, 9.3.6)."""
    return status == 101 or (method == "CONNECT" and 200 <= status < 300)


def response_has_body(method: str, status: int) -> bool:
    """Whether a response can have content at all (RFC 9112 section 6.3, rules 1 and 2)."""
    opens_tunnel = method == "CONNECT" and status < 300
    return not (method == "HEAD" or status < 200 or status in NO_BODY_STATUSES or opens_tunnel)


def connection_options(values: list[str]) -> list[str]:
    """The options of ``Connection`` fields, lower case (RFC 9110 section 7.6.1)."""
    options = (option.strip(" \t").lower() for option in ",".join(values).split(","))
    return [option for option in options if option]


def forbidden_in_trailers(headers: Headers) -> str | None:
    """The first field of ``headers`` that may not stand in a trailer section, if there is one."""
    for name, _ in headers:
        if name.lower() in _NOT_IN_TRAILERS:
            return name
    return None


def _collect(headers: Headers) -> dict[str, list[str]]:
    ours: dict[str, list[str]] = {}
    for name, value in headers:
        key = name.lower()
        if key in _MEANT_FOR_US:
            ours.setdefault(key, []).append(value)
    return ours


def _host(values: list[str] | None, modern: bool) -> str:
    if values is None:
        if modern:
            raise RemoteProtocolError("an HTTP/1.1 request needs a Host field", rule="RFC 9112 section 3.2")
        return ""
    if len(values) > 1:
        raise RemoteProtocolError("more than one Host field", rule="RFC 9112 section 3.2")
    if not valid_authority(values[0]):
        raise RemoteProtocolError(f"invalid Host: {excerpt(values[0])}", rule="RFC 9112 section 3.2")
    return values[0].lower()


def _chunked(values: list[str] | None, modern: bool) -> bool:
    if values is None:
        return False
    if not modern:
        raise RemoteProtocolError("Transfer-Encoding in an HTTP/1.0 message", rule="RFC 9112 section 6.1")
    if len(values) > 1:
        raise RemoteProtocolError("more than one Transfer-Encoding field", rule="RFC 9112 section 6.1")
    value = values[0]
    if value.lower() == "chunked":
        return True
    if CODINGS_THEN_CHUNKED.fullmatch(value):
        raise RemoteProtocolError(
            f"a transfer coding that is not known here: {excerpt(value)}",
            status=501,
            rule="RFC 9112 section 6.1",
        )
    raise RemoteProtocolError(
        f'Transfer-Encoding must be "chunked", not {excerpt(value)}', rule="RFC 9112 section 6.3"
    )


def _content_length(values: list[str] | None, chunked: bool) -> int | None:
    if values is None:
        return None
    if chunked:
        raise RemoteProtocolError("Content-Length beside Transfer-Encoding", rule="RFC 9112 section 6.1")
    if len(values) > 1:
        raise RemoteProtocolError("more than one Content-Length field", rule="RFC 9112 section 6.3")
    if not CONTENT_LENGTH.fullmatch(values[0]):
        raise RemoteProtocolError(
            f"Content-Length must be one decimal number: {excerpt(values[0])}", rule="RFC 9110 section 8.6"
        )
    return int(values[0])


def _persistent(values: list[str] | None, modern: bool) -> bool:
    """RFC 9112 section 9.3: 1.1 persists unless told otherwise, 1.0 only if told so."""
    if values is None:
        return modern
    options = connection_options(values)
    return "close" not in options and (modern or "keep-alive" in options)


def _expect_continue(values: list[str] | None, modern: bool) -> bool:
    if values is None:
        return False
    expected = connection_options(values)
    for expectation in expected:
        if expectation != "100-continue":
            _refuse_expectation(expectation)
    # RFC 9110 section 10.1.1: an HTTP/1.0 client's expectation must be ignored.
    return modern and bool(expected)


def _refuse_expectation(expectation: str) -> NoReturn:
    raise RemoteProtocolError(
        f"cannot meet the expectation {excerpt(expectation)}", status=417, rule="RFC 9110 section 10.1.1"
    )
