"""The client's end: requests go out, responses come in.

Used by the reverse proxy and by ``was`` calls.  The mirror of ``server.py`` with the differences
that RFC 9112 makes: the caller chooses the framing of its request by Content-Length or
``Transfer-Encoding: chunked``; a response may end with the connection (section 6.3, rule 8);
and what goes wrong is the upstream's fault, so every error has status 502 (Bad Gateway).
"""

from __future__ import annotations

from collections.abc import Iterable

from skitai._pure.http1.bodies import NO_BODY_COMES, SizedReader, UntilCloseReader
from skitai._pure.http1.connection import Connection
from skitai._pure.http1.events import NEED_DATA, ConnectionClosed, Event, Headers, ResponseHead
from skitai._pure.http1.fields import excerpt
from skitai._pure.http1.framing import connection_options, response_has_body, response_head, switches
from skitai._pure.http1.grammar import NOT_TARGET, TOKEN
from skitai._pure.http1.heads import HeadReader, StatusLine, parse_status_line
from skitai._pure.http1.states import (
    CLOSE,
    DONE,
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
from skitai._pure.http1.writing import BodyWriter, SizedWriter, announced_length
from skitai.errors import LocalProtocolError, RemoteProtocolError
from skitai.limits import Limits

__all__ = ["ClientConnection"]


class ClientConnection(Connection[StatusLine]):
    """One connection as its client sees it.  One request at a time: pipelining is not sent."""

    __slots__ = ("_interims", "_method", "_upgrading")

    _our_table = REQUESTER
    _their_table = RESPONDER
    _head_state = SEND_RESPONSE

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits, HeadReader(limits, parse_status_line, skip_empty_line=False, too_long=502))
        self._method = ""
        self._upgrading = False
        #: Interim responses to the present request.
        self._interims = 0

    def send_request(self, method: str, target: str, headers: Iterable[tuple[str, str]]) -> bytes:
        """The head of a request, as HTTP/1.1.

        ``headers`` need one Host, and Content-Length or ``Transfer-Encoding: chunked`` if there
        is a body.  Raises ``LocalProtocolError``.
        """
        ours = self._our_table[self.our_state][HEAD]
        fields = list(headers)
        values: dict[str, list[str]] = {}
        for name, value in fields:
            values.setdefault(name.lower(), []).append(value)
        if not TOKEN.fullmatch(method):
            raise LocalProtocolError(
                f"the method {excerpt(method)} is not a token", rule="RFC 9110 section 9.1"
            )
        if not target or NOT_TARGET.search(target):
            raise LocalProtocolError(f"bad request target {excerpt(target)}", rule="RFC 9112 section 3.2")
        if len(values.get("host", ())) != 1:
            raise LocalProtocolError("a request needs exactly one Host field", rule="RFC 9112 section 3.2")
        writer = self._request_writer(values)
        head = self._encode_head(f"{method} {target} HTTP/1.1\r\n".encode("latin-1"), fields)
        self.their_state = self._their_table[self.their_state][REQUEST]
        self._interims = 0
        self.our_state = ours
        self._writer = writer
        self._method = method
        self._upgrading = "upgrade" in values
        self._persistent = self._persistent and "close" not in connection_options(
            values.get("connection", [])
        )
        return head

    @property
    def ends_with_connection(self) -> bool:
        """The end of the answer that is being read is the end of the connection."""
        return self.their_state is SEND_BODY and isinstance(self._reader, UntilCloseReader)

    def _judge(self, error: RemoteProtocolError) -> RemoteProtocolError:
        error.status = 502
        return error

    def _request_writer(self, values: dict[str, list[str]]) -> BodyWriter:
        codings = values.get("transfer-encoding")
        length = announced_length(values.get("content-length", []))
        if codings is None:
            return SizedWriter(length or 0)
        if length is not None or [coding.lower() for coding in codings] != ["chunked"]:
            raise LocalProtocolError(
                "a body is framed by Content-Length or by exactly Transfer-Encoding: chunked",
                rule="RFC 9112 section 6",
            )
        return self._chunked_writer()

    def _head(self, line: StatusLine, headers: Headers) -> ResponseHead:
        return self._begin(response_head(line, headers, self._method))

    def _begin(self, head: ResponseHead) -> ResponseHead:
        """Get ready for the body of ``head``, or for the response that is still to come."""
        if switches(self._method, head.status):
            self._switch(head.status)
            return head
        if head.is_informational:
            self._interims += 1
            if self._interims > self._limits.call_interim_max:
                most = f"{self._limits.call_interim_max} (call_interim_max)"
                raise RemoteProtocolError(f"more interim responses than {most}")
            self.their_state = self._their_table[self.their_state][INTERIM]
            return head
        if not response_has_body(self._method, head.status):
            self._reader = NO_BODY_COMES
        elif head.chunked:
            self._reader = self._chunked_reader(self._limits, None)
        elif head.content_length is not None:
            self._reader = SizedReader(head.content_length)
        else:
            self._reader = UntilCloseReader()
        self._persistent = self._persistent and head.keep_alive
        self.their_state = self._their_table[self.their_state][HEAD]
        return head

    def _switch(self, status: int) -> None:
        if status == 101 and not self._upgrading:
            raise RemoteProtocolError("101 to a request without Upgrade", rule="RFC 9110 section 7.8")
        if self.our_state is not DONE:
            raise RemoteProtocolError(f"{status} before the request was sent", rule="RFC 9110 section 7.8")
        self.their_state = self._their_table[self.their_state][SWITCH]
        self.our_state = self._our_table[self.our_state][SWITCH]

    def _next_otherwise(self) -> Event:
        return self._next_unasked() if self.their_state is IDLE else super()._next_otherwise()

    def _next_unasked(self) -> Event:
        if self._buffer:
            raise RemoteProtocolError("a response that nobody asked for", rule="RFC 9112 section 9.2")
        if not self._eof:
            return NEED_DATA
        self.their_state = self._their_table[self.their_state][CLOSE]
        return ConnectionClosed()

    def _closed_before_head(self) -> ConnectionClosed:
        raise RemoteProtocolError("the server closed without an answer", rule="RFC 9112 section 9.2")
