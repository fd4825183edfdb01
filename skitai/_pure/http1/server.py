"""The server's end: requests come in, responses go out.

The caller (the engine's loop thread) supplies Date and Server and the application's
fields; this class alone decides how the body is framed and whether the connection persists,
so no application can say one thing and do another.
"""

from __future__ import annotations

from collections.abc import Iterable

from skitai._pure.http1.bodies import NO_BODY_COMES, SizedReader, refuse_size
from skitai._pure.http1.connection import Connection
from skitai._pure.http1.events import NEED_DATA, PAUSED, ConnectionClosed, Event, Headers, RequestHead
from skitai._pure.http1.framing import connection_options, request_head, response_has_body, switches
from skitai._pure.http1.heads import HeadReader, RequestLine, parse_request_line
from skitai._pure.http1.simple import read_simple_head
from skitai._pure.http1.states import (
    CLOSE,
    HEAD,
    IDLE,
    INTERIM,
    REQUEST,
    REQUESTER,
    RESPONDER,
    SEND_BODY,
    SEND_RESPONSE,
    SWITCH,
)
from skitai._pure.http1.writing import (
    NO_BODY,
    BodyWriter,
    ChunkedWriter,
    SizedWriter,
    UntilCloseWriter,
    announced_length,
    status_line,
)
from skitai.errors import LocalProtocolError
from skitai.limits import Limits

__all__ = ["ServerConnection"]

#: Fields of an application's that we do not pass on as they are.
_OURS_TO_SAY = frozenset({"content-length", "connection", "transfer-encoding"})
#: Most others are told from them by this.
_LENGTHS_OF_OURS = frozenset(map(len, _OURS_TO_SAY))


class ServerConnection(Connection[RequestLine]):
    """One connection as its server sees it."""

    __slots__ = ("_expecting", "request")

    _our_table = RESPONDER
    _their_table = REQUESTER
    _head_state = IDLE
    #: ``(data, start, limits)`` to the simple head at ``data[start]`` and its length, or None; the
    #: compiled build has its own.
    _read_simple_head = staticmethod(read_simple_head)

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits, HeadReader(limits, parse_request_line, skip_empty_line=True, too_long=414))
        self.request: RequestHead | None = None
        """The head of the present request, also of one that was refused for its size."""
        self._expecting = False

    @property
    def waiting_for_continue(self) -> bool:
        """The client holds its body back for 100 (Continue) or a final response."""
        return (
            self._expecting
            and not self._buffer
            and self.their_state is SEND_BODY
            and self.our_state is SEND_RESPONSE
        )

    @property
    def response_chunked(self) -> bool:
        """The present response is sent in chunks."""
        return isinstance(self._writer, ChunkedWriter)

    @property
    def response_remaining(self) -> int | None:
        """Bytes still owed to our Content-Length, ``None`` where none binds us."""
        return self._writer.remaining

    def _head(self, line: RequestLine, headers: Headers) -> RequestHead:
        return self._begin(request_head(line, headers))

    def _begin(self, head: RequestHead) -> RequestHead:
        """Get ready for the body of ``head``; raises ``RemoteProtocolError`` (413)."""
        self.request = head
        body_max = self._limits.body_max
        if head.content_length is not None and head.content_length > body_max:
            refuse_size(body_max)
        if head.chunked:
            self._reader = self._chunked_reader(self._limits, body_max)
        else:
            self._reader = SizedReader(head.content_length) if head.content_length else NO_BODY_COMES
        self._expecting = head.expect_continue and head.has_body
        self._persistent = self._persistent and head.keep_alive
        self.their_state = REQUESTER[self.their_state][HEAD]
        self.our_state = RESPONDER[self.our_state][REQUEST]
        return head

    def _next_head(self) -> Event:
        if self.our_state is not IDLE:
            # We have answered without a request (408); what comes now came too late.
            return PAUSED
        # A head that the strict reader has begun is the strict reader's to the end.
        if self._heads.untouched:
            data, start = self._buffer.unread
            if not data and not self._eof:
                return NEED_DATA
            # A bytearray holds a head that came in pieces: rare, and not worth a copy.
            if type(data) is bytes:
                simple = self._read_simple_head(data, start, self._limits)
                if simple is not None:
                    head, count = simple
                    self._buffer.skip(count)
                    return self._begin(head)
        return super()._next_head()

    def _next_of_body(self) -> Event:
        if self._expecting and self._buffer:
            # The body has begun to come, so nobody waits any more (RFC 9110 section 10.1.1).
            self._expecting = False
        return self._read_body()

    def _closed_before_head(self) -> ConnectionClosed:
        self.their_state = REQUESTER[self.their_state][CLOSE]
        return ConnectionClosed()

    def send_informational(
        self, status: int, headers: Iterable[tuple[str, str]] = (), own_lines: bytes = b""
    ) -> bytes:
        """An interim response (RFC 9110 section 15.2); ``b""`` to an HTTP/1.0 client, which knows none.
        ``own_lines``: as of `send_response`.

        101 needs the whole request, an Upgrade field in it and one in ``headers``; behind it the
        connection is ``SWITCHED``.  ``own_lines`` as for `send_response`.  Raises ``LocalProtocolError``.
        """
        if not 100 <= status < 200:
            raise LocalProtocolError(f"{status} is not an interim status")
        self.our_state = RESPONDER[self.our_state][INTERIM]
        request = self.request
        if request is None or request.http_version == "1.0":
            if status == 101:
                raise LocalProtocolError("an HTTP/1.0 client cannot switch", rule="RFC 9110 section 7.8")
            return b""
        fields, options, _ = _sort(headers)
        if status == 101:
            if request.get("upgrade") is None:
                raise LocalProtocolError("the client did not ask for an upgrade", rule="RFC 9110 section 7.8")
            if not any(name.lower() == "upgrade" for name, _ in fields):
                raise LocalProtocolError("101 needs an Upgrade field", rule="RFC 9110 section 15.2.2")
            if "upgrade" not in options:
                options.append("upgrade")
        if options:
            fields.append(("Connection", ", ".join(options)))
        head = self._encode_head(status_line(status, None) + own_lines, fields)
        if status == 101:
            self._switch()
        self._expecting = False
        return head

    def send_response(
        self,
        status: int,
        headers: Iterable[tuple[str, str]],
        reason: str | None = None,
        own_lines: bytes = b"",
    ) -> bytes:
        """The head of the final response, framed by what ``headers``, request and status allow.

        ``own_lines`` are field lines that go in front of ``headers`` as they are: none that frames.

        Content-Length in ``headers`` binds the body to it; HEAD, 204, 304 and 2xx to CONNECT
        have none; else it goes in chunks, or to an HTTP/1.0 client until the connection is closed.
        A Connection field is merged with our own.  Raises ``LocalProtocolError``.
        """
        after = RESPONDER[self.our_state][HEAD]
        if not 200 <= status <= 999:
            raise LocalProtocolError(f"{status} is not a final status", rule="RFC 9110 section 15")
        request = self.request
        method = request.method if request is not None else ""
        modern = request is None or request.http_version == "1.1"
        fields, options, length = _sort(headers)
        writer: BodyWriter
        has_body = response_has_body(method, status)
        switched = not has_body and switches(method, status)
        if not has_body:
            writer = NO_BODY
            if status == 204 or switched:
                length = None  # RFC 9110 section 8.6
        elif length is not None:
            writer = SizedWriter(length)
        elif modern:
            writer = self._chunked_writer()
            fields.append(("Transfer-Encoding", "chunked"))
        else:
            writer = UntilCloseWriter()
        if length is not None:
            fields.append(("Content-Length", str(length)))
        # A client that waits for 100 and gets this instead may send its body or not (RFC 9110
        # section 10.1.1): we could not tell it from a request.
        persistent = (
            self._persistent
            and request is not None
            and "close" not in options
            and not self.waiting_for_continue
            and not isinstance(writer, UntilCloseWriter)
        )
        if options:
            options = [option for option in options if option not in ("close", "keep-alive")]
        if switched:
            head = self._encode_head(status_line(status, reason) + own_lines, fields)
            self._switch()
            return head
        if not persistent:
            options.append("close")
        elif not modern:
            options.append("keep-alive")
        if options:
            fields.append(("Connection", ", ".join(options)))
        head = self._encode_head(status_line(status, reason) + own_lines, fields)
        self.our_state = after
        self._persistent = persistent
        self._writer = writer
        return head

    def start_next_cycle(self) -> None:
        super().start_next_cycle()
        self.request = None
        self._writer = NO_BODY

    def _switch(self) -> None:
        """Leave HTTP; the request must be complete, or its rest would be read as the new protocol."""
        ours = RESPONDER[self.our_state][SWITCH]
        self.their_state = REQUESTER[self.their_state][SWITCH]
        self.our_state = ours


def _sort(headers: Iterable[tuple[str, str]]) -> tuple[Headers, list[str], int | None]:
    """``headers`` without framing fields, the connection options, the announced length."""
    fields: Headers = []
    options: list[str] = []
    lengths: list[str] = []
    for field in headers:
        name = field[0]
        if len(name) not in _LENGTHS_OF_OURS or (lower := name.lower()) not in _OURS_TO_SAY:
            fields.append(field)
        elif lower == "content-length":
            lengths.append(field[1])
        elif lower == "connection":
            options += connection_options([field[1]])
        else:
            raise LocalProtocolError(
                "Transfer-Encoding is the server's to set, not the application's", rule="RFC 9112 section 6.1"
            )
    return fields, options, announced_length(lengths)
