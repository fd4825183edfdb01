"""What both ends of a connection share: reading events, sending bodies, the cycle.

A connection is read like this, by whoever owns the socket and in one thread at a time::

    connection.receive_data(sock.recv(65536))
    while True:
        event = connection.next_event()
        if event is NEED_DATA or event is PAUSED:
            break
        ...

and written by calls that return the bytes to send.  A call that raises
``LocalProtocolError`` has changed nothing, except ``end_of_message``, behind which there is only the
end of the connection.  What the peer did wrong is raised by ``next_event`` and again by
every later ``next_event``: bytes behind an error are never read as a message.

Whether the connection may serve another message is one fact that only ever turns from
yes to no (RFC 9112 section 9.3), by the peer's head, by ours, or by ``refuse_keep_alive``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Generic

from skitai._pure.http1.bodies import NO_BODY_COMES, BodyReader, ChunkedReader
from skitai._pure.http1.buffer import ReceiveBuffer
from skitai._pure.http1.events import (
    NEED_DATA,
    PAUSED,
    ConnectionClosed,
    EndOfMessage,
    Event,
    Headers,
    RequestHead,
    ResponseHead,
)
from skitai._pure.http1.heads import HeadReader, Line
from skitai._pure.http1.states import (
    CLOSED,
    CYCLE,
    DATA,
    DONE,
    END,
    END_LAST,
    ERROR,
    IDLE,
    LAST,
    SEND_BODY,
    SWITCHED,
    State,
    Table,
)
from skitai._pure.http1.writing import NO_BODY, BodyWriter, ChunkedWriter, encode_fields
from skitai.errors import LocalProtocolError, RemoteProtocolError
from skitai.limits import Limits

__all__ = ["Connection"]


class Connection(ABC, Generic[Line]):
    """The base of ``ServerConnection`` and ``ClientConnection``; not made by itself."""

    __slots__ = (
        "_buffer",
        "_eof",
        "_error",
        "_heads",
        "_limits",
        "_persistent",
        "_reader",
        "_writer",
        "our_state",
        "their_state",
    )

    _our_table: ClassVar[Table]
    _their_table: ClassVar[Table]
    _head_state: ClassVar[State]
    """Their state in which a head is expected."""
    # What a build may have a quicker one of.
    _chunked_reader: ClassVar[type[ChunkedReader]] = ChunkedReader
    _chunked_writer: ClassVar[type[ChunkedWriter]] = ChunkedWriter

    def __init__(self, limits: Limits, heads: HeadReader[Line]) -> None:
        self.our_state = IDLE
        self.their_state = IDLE
        self._limits = limits
        self._heads: HeadReader[Line] = heads
        self._buffer = ReceiveBuffer()
        self._eof = False
        self._error: RemoteProtocolError | None = None
        self._reader: BodyReader = NO_BODY_COMES
        self._writer: BodyWriter = NO_BODY
        self._persistent = True

    # Receiving

    def receive_data(self, data: bytes) -> None:
        """Take what the peer sent; ``b""`` is its end of file (it may still read our answer).

        Behind an error the bytes are dropped.  Raises ``LocalProtocolError`` for bytes after the
        end of file.
        """
        if not data:
            self._eof = True
        elif self._eof:
            raise LocalProtocolError("our side passed bytes after the peer's end of file")
        elif self._error is None:
            self._buffer.feed(data)

    def next_event(self) -> Event:
        """The next event, ``NEED_DATA`` or ``PAUSED``.

        Raises ``RemoteProtocolError`` when the peer breaks the protocol; from then on
        ``their_state`` is ``ERROR`` and every call raises the same error.
        """
        if self._error is not None:
            raise self._error.with_traceback(None)
        state = self.their_state
        try:
            if state is self._head_state:
                return self._next_head()
            if state is SEND_BODY:
                return self._next_of_body()
            return self._next_otherwise()
        except RemoteProtocolError as error:
            self._error = self._judge(error)
            self.their_state = ERROR
            self._persistent = False
            raise

    def _next_otherwise(self) -> Event:
        """The event where neither a head nor a body is expected."""
        return ConnectionClosed() if self.their_state is CLOSED else PAUSED

    def _next_of_body(self) -> Event:
        return self._read_body()

    def _read_body(self) -> Event:
        event = self._reader.read(self._buffer)
        if event is None:
            if not self._eof:
                return NEED_DATA
            event = self._reader.at_eof()
        if isinstance(event, EndOfMessage):
            step = END if self._persistent else END_LAST
            self.their_state = self._their_table[SEND_BODY][step]
        return event

    def _next_head(self) -> Event:
        parsed = self._heads.read(self._buffer)
        if parsed is not None:
            return self._head(*parsed)
        if not self._eof:
            return NEED_DATA
        if self.mid_message:
            raise RemoteProtocolError("the peer closed inside a head", rule="RFC 9112 section 8")
        return self._closed_before_head()

    # What the two roles do differently

    @abstractmethod
    def _head(self, line: Line, headers: Headers) -> RequestHead | ResponseHead:
        """Make the event of a head that was read, and get ready for its body."""

    @abstractmethod
    def _closed_before_head(self) -> ConnectionClosed:
        """The peer has closed where a head was expected, and no byte of it had come."""

    def _judge(self, error: RemoteProtocolError) -> RemoteProtocolError:
        """The error as this role reports it."""
        return error

    # Sending a body

    def send_data(self, data: bytes) -> bytes:
        """A piece of our body as it goes on the wire; ``b""`` where the message has no body.

        Raises ``LocalProtocolError`` for more than Content-Length announced.
        """
        self.our_state = self._our_table[self.our_state][DATA]
        return self._writer.data(data)

    def skip_data(self, count: int) -> bool:
        """``count`` bytes of our body go out by other means (sendfile).

        False: they must not, for the message has no body.  Raises ``LocalProtocolError`` as
        ``send_data`` does, and for a chunked message.
        """
        self.our_state = self._our_table[self.our_state][DATA]
        return self._writer.skip(count)

    def end_of_message(self, trailers: Iterable[tuple[str, str]] = ()) -> bytes:
        """The last bytes of our message; ``trailers`` are for chunked messages only.

        Raises ``LocalProtocolError`` if Content-Length announced more than was sent, or for bad
        trailers.  Then the message cannot be completed: ``our_state`` is ``ERROR``, and closing
        the connection tells the peer that it is truncated.
        """
        after = self._our_table[self.our_state][END]
        if not self._persistent:
            after = self._our_table[self.our_state][END_LAST]
        try:
            end = self._writer.end(list(trailers))
        except LocalProtocolError:
            self.our_state = ERROR
            raise
        self.our_state = after
        return end

    # The connection as a whole

    @property
    def buffered(self) -> int:
        """Bytes received and not yet read."""
        return len(self._buffer)

    @property
    def mid_message(self) -> bool:
        """Some of the peer's message has come and some of it has not."""
        if self.their_state is self._head_state:
            return self._heads.started or len(self._buffer) > 0
        return self.their_state is SEND_BODY

    @property
    def must_close(self) -> bool:
        """No other message may follow on this connection once the present ones are over."""
        if self.our_state is SWITCHED:
            return False
        return not self._persistent or self.our_state is ERROR

    @property
    def trailing_data(self) -> bytes:
        """What was received behind the last message read: the first bytes of a switched protocol."""
        return self._buffer.peek(0, len(self._buffer))

    def forget_received(self) -> None:
        """Let go of what was received and not yet read: nobody will."""
        self._buffer = ReceiveBuffer()

    def refuse_keep_alive(self) -> None:
        """Let the connection end with the present message; our next head says so."""
        self._persistent = False
        if self.our_state is DONE:
            self.our_state = self._our_table[DONE][LAST]
        if self.their_state is DONE:
            self.their_state = self._their_table[DONE][LAST]

    def start_next_cycle(self) -> None:
        """Go on to the next message; both sides must be ``DONE``, else ``LocalProtocolError``."""
        ours = self._our_table[self.our_state][CYCLE]
        self.their_state = self._their_table[self.their_state][CYCLE]
        self.our_state = ours

    def _encode_head(self, line: bytes, fields: Headers) -> bytes:
        """A head of ours: its start line, which ends with CRLF, its fields and the empty line."""
        return line + encode_fields(fields).encode("latin-1")
